// A whole receive chunk in one call: find the records, read their frames, drop duplicates, trim the ring by
// their acks, and list the items. What is unusual stops the scan with a status; the caller handles it and scans on.
import {
  ACK_INVALID,
  ACK_NEW,
  EXTENDED,
  INVALID_ACK,
  INVALID_END,
  INVALID_FRAME,
  INVALID_MAX,
  INVALID_TAG,
  MAX_OVERHEAD,
  MIN_CONTROL_BYTES,
  RECV_MAX_ITEM,
  RECV_NEXT,
  SCAN_ACKED,
  SCAN_BYTES,
  SCAN_CONSUMED,
  SCAN_CONTROL,
  SCAN_COUNT,
  SCAN_DETAIL,
  SCAN_DONE,
  SCAN_FRAMES,
  SCAN_FULL,
  SCAN_GAP,
  SCAN_INVALID,
  SCAN_ITEM,
  SCAN_LENGTH,
  SCAN_NEED,
  SCAN_PARTIAL,
  SCAN_UNSEEN,
} from "./abi";
import { varintFailure } from "./frame";
import { ringAck } from "./ring";
import { seqBefore } from "./seq";
import { readU32, shortVarint, varintEnd } from "./varint";

const CONTROL: u32 = 0x8000_0000;

/**
 * Scans `available` bytes of a chunk, the first `visible` of which lie at `from`: only headers are read, so a
 * large item need not be copied. `origin` is the offset of `from` in the chunk. Items go to `table` from entry
 * `index` on, at most `capacity` entries in all, as (offset in the chunk, length).
 */
export function deframe(
  c: usize,
  from: usize,
  visible: u32,
  available: u32,
  origin: u32,
  result: usize,
  table: usize,
  index: u32,
  capacity: u32,
): u32 {
  const seen = from + visible;
  const last = from + available;
  const extended = load<u32>(c, EXTENDED) != 0;
  // A record is at most an item, and the frame's overhead without its link length [link.max].
  const maxItem = load<u32>(c, RECV_MAX_ITEM);
  const maxRecord = maxItem + (MAX_OVERHEAD - 4);
  const maxControl = max<u32>(maxRecord, MIN_CONTROL_BYTES);
  let next = load<u32>(c, RECV_NEXT);
  let at = from;
  let status: u32 = SCAN_DONE;
  let need: u32 = 0;
  let detail: u32 = 0;
  let bytes: u32 = 0;
  let frames: u32 = 0;
  let acked: u32 = 0;
  let lastAck: u32 = 0;
  let anyAck = false;

  while (at < last) {
    if (last - at < 4) {
      status = SCAN_PARTIAL;
      break;
    }
    if (at + 4 > seen) {
      status = SCAN_UNSEEN;
      break;
    }
    const header = load<u32>(at);
    const control = extended && (header & CONTROL) != 0;
    const length = control ? header & ~CONTROL : header;
    if (length > (control ? maxControl : maxRecord)) {
      status = SCAN_INVALID;
      detail = INVALID_MAX;
      break;
    }
    need = 4 + length;
    if (<u32>(last - at) < need) {
      status = SCAN_PARTIAL;
      break;
    }
    if (control) {
      status = SCAN_CONTROL;
      break;
    }
    const end = at + need;
    if (at + min<usize>(need, MAX_OVERHEAD) > seen) {
      status = SCAN_UNSEEN;
      break;
    }

    // --- the frame's header; varints of up to four bytes without a call
    let p = at + 4;
    let seq: u32;
    if (length < 6) {
      // Not even seq, tag and item length.
      status = SCAN_INVALID;
      detail = INVALID_FRAME;
      break;
    }
    const short = shortVarint(load<u32>(p));
    if (short) {
      seq = <u32>short;
      p += <usize>(short >> 32);
    } else {
      seq = readU32(p, end);
      if (!varintEnd) {
        status = SCAN_INVALID;
        detail = varintFailure();
        break;
      }
      p = varintEnd;
    }
    // Six bytes at least: the tag is there even behind a seq of five.
    const tag = <u32>load<u8>(p++);
    let ack: u32 = 0;
    if (tag) {
      if (tag > 1 || extended) {
        status = SCAN_INVALID;
        detail = tag > 1 ? INVALID_FRAME : INVALID_TAG;
        break;
      }
      const short = <u32>(end - p) < 4 ? 0 : shortVarint(load<u32>(p));
      if (short) {
        ack = <u32>short;
        p += <usize>(short >> 32);
      } else {
        ack = readU32(p, end);
        if (!varintEnd) {
          status = SCAN_INVALID;
          detail = varintFailure();
          break;
        }
        p = varintEnd;
      }
    }
    const size = <u32>(end - p) - 4;
    if (<u32>(end - p) < 4 || load<u32>(p) != size) {
      status = SCAN_INVALID;
      detail = INVALID_FRAME;
      break;
    }
    // The record's bound leaves room for the largest header; with a smaller one an item can still be too large.
    if (size > maxItem) {
      status = SCAN_INVALID;
      detail = INVALID_MAX;
      break;
    }
    p += 4;

    // --- the ack; a duplicate's counts as well [recv.duplicate]. Frames of one chunk mostly carry the same one.
    if (tag && (!anyAck || ack != lastAck)) {
      const answer = ringAck(c, ack);
      if (answer == ACK_INVALID) {
        status = SCAN_INVALID;
        detail = INVALID_ACK;
        break;
      }
      if (answer == ACK_NEW) acked = 1;
      anyAck = true;
      lastAck = ack;
    }

    // --- in order, once
    if (seq == next) {
      if (!extended && seq == u32.MAX_VALUE) {
        status = SCAN_INVALID;
        detail = INVALID_END;
        break;
      }
      if (index == capacity) {
        status = SCAN_FULL;
        break;
      }
      const entry = table + (<usize>index << 3);
      store<u32>(entry, <u32>(p - from) + origin);
      store<u32>(entry, size, 4);
      index++;
      next++;
      bytes += need;
    } else if (extended ? seqBefore(next, seq) : next < seq) {
      store<u32>(result, <u32>(p - from) + origin, SCAN_ITEM);
      store<u32>(result, size, SCAN_LENGTH);
      status = SCAN_GAP;
      detail = seq;
      break;
    }
    frames++;
    at = end;
    need = 0;
  }

  store<u32>(c, next, RECV_NEXT);
  store<u32>(result, <u32>(at - from), SCAN_CONSUMED);
  store<u32>(result, index, SCAN_COUNT);
  store<u32>(result, need, SCAN_NEED);
  store<u32>(result, detail, SCAN_DETAIL);
  store<u32>(result, bytes, SCAN_BYTES);
  store<u32>(result, acked, SCAN_ACKED);
  store<u32>(result, frames, SCAN_FRAMES);
  return status;
}
