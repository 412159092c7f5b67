// One frame [frame.layout]: varint seq, option tag, varint ack when the tag is 1, u32 LE item length, item.
import {
  FRAME_ACK,
  FRAME_HAS_ACK,
  FRAME_ITEM,
  FRAME_LENGTH,
  FRAME_SEQ,
  INVALID_FRAME,
  INVALID_VARINT,
} from "./abi";
import { OVERFLOW, readU32, varintEnd, varintError, varintSizeU32, writeU32 } from "./varint";

/** Bytes of the header, that is, of the frame without its item. */
export function headerSize(seq: u32, hasAck: bool, ack: u32): u32 {
  return varintSizeU32(seq) + 5 + (hasAck ? varintSizeU32(ack) : 0);
}

/** Writes the header; returns the address of the item. */
// @ts-ignore: decorator
@inline
export function writeHeader(at: usize, seq: u32, hasAck: bool, ack: u32, length: u32): usize {
  at = writeU32(at, seq);
  store<u8>(at, <u8>hasAck);
  at++;
  if (hasAck) at = writeU32(at, ack);
  store<u32>(at, length);
  return at + 4;
}

/** Reads the frame that fills `at..end`. Returns 0, or what is invalid about it (INVALID_*). */
export function parseFrame(at: usize, end: usize, result: usize): u32 {
  const seq = readU32(at, end);
  if (!varintEnd) return varintFailure();
  at = varintEnd;
  if (at >= end) return INVALID_FRAME;
  const tag = <u32>load<u8>(at++);
  if (tag > 1) return INVALID_FRAME;
  let ack: u32 = 0;
  if (tag) {
    ack = readU32(at, end);
    if (!varintEnd) return varintFailure();
    at = varintEnd;
  }
  if (end - at < 4) return INVALID_FRAME;
  const length = load<u32>(at);
  at += 4;
  if (<u32>(end - at) != length) return INVALID_FRAME;
  store<u32>(result, seq, FRAME_SEQ);
  store<u32>(result, tag, FRAME_HAS_ACK);
  store<u32>(result, ack, FRAME_ACK);
  store<u32>(result, <u32>at, FRAME_ITEM);
  store<u32>(result, length, FRAME_LENGTH);
  return 0;
}

/** A varint that the record cuts off is a short frame; one that does not fit 32 bits is a bad varint. */
export function varintFailure(): u32 {
  return varintError == OVERFLOW ? INVALID_VARINT : INVALID_FRAME;
}
