// The replay ring: what the peer has not acknowledged, as the bytes that go to a link [replay.bytes].
// abi.ts draws it. Every function takes the address of the conduit's block.
import {
  ACK_INVALID,
  ACK_NEW,
  ACK_OLD,
  EXTENDED,
  RECV_CARRIED,
  RECV_HANDED,
  RING_ACKED,
  RING_ACKED_SEQ,
  RING_BASE,
  RING_CAPACITY,
  RING_HEAD,
  RING_HEAD_SEQ,
  RING_IN_FLIGHT,
  RING_LIMIT,
  RING_PIN,
  RING_PINNED,
  RING_PIN_SEQ,
  RING_RESERVED,
  RING_SENT,
  RING_SENT_SEQ,
  RING_TAIL,
  RING_UNSENT,
  RING_WRAP_SEQ,
  RING_WRITTEN_SEQ,
  SEND_MAX_ITEM,
} from "./abi";
import { copyBytes } from "./copy";
import { headerSize, writeHeader } from "./frame";
import { seqBefore } from "./seq";

/** Top bit of a slot's length: a control record of the extended profile (FIN lies in the ring). */
const CONTROL: u32 = 0x8000_0000;

// @ts-ignore: decorator
@inline
function slotSize(slot: usize): u32 {
  return 4 + (load<u32>(slot) & ~CONTROL);
}

/** Finds room for a slot of `need` bytes: its offset goes to RING_RESERVED, its address is returned; 0 = no room. */
// @ts-ignore: decorator
@inline
function reserve(c: usize, need: u32): usize {
  const base = <usize>load<u32>(c, RING_BASE);
  if (!base) return 0;
  const head = load<u32>(c, RING_HEAD);
  const tail = load<u32>(c, RING_TAIL);
  let at = head;
  if (load<u32>(c, RING_LIMIT)) {
    if (tail - head < need) return 0;
  } else if (load<u32>(c, RING_CAPACITY) - head < need) {
    if (tail < need) return 0;
    at = 0;
  }
  store<u32>(c, at, RING_RESERVED);
  return base + at;
}

/** Enters the slot of `size` bytes at RING_RESERVED: from here on the record has its seq and cannot be lost [replay.commit]. */
// @ts-ignore: decorator
@inline
function enter(c: usize, size: u32): void {
  const at = load<u32>(c, RING_RESERVED);
  const head = load<u32>(c, RING_HEAD);
  const seq = load<u32>(c, RING_HEAD_SEQ);
  if (at != head) {
    // The slot starts the newer part at 0. A position at the old head means "the next slot": that is 0 now.
    store<u32>(c, head, RING_LIMIT);
    store<u32>(c, seq, RING_WRAP_SEQ);
    if (load<u32>(c, RING_SENT_SEQ) == seq) store<u32>(c, 0, RING_SENT);
    if (load<u32>(c, RING_ACKED_SEQ) == seq) store<u32>(c, 0, RING_ACKED);
  }
  store<u32>(c, at + size, RING_HEAD);
  store<u32>(c, seq + 1, RING_HEAD_SEQ);
  store<u32>(c, load<u32>(c, RING_UNSENT) + size, RING_UNSENT);
}

/**
 * Room for a frame whose item has at most `length` bytes, its header written; returns the item's address.
 * 0 = no room, an item above SEND_MAX_ITEM, or a base session that has used its sequence up [seq.serial].
 * Nothing has changed until ringCommit. Between the two nothing else may be done to the ring: an ack, say, can
 * move the head that the reserved slot lies at.
 */
export function ringReserve(c: usize, length: u32): usize {
  return reserveFrame(c, length);
}

/** Commits the frame of the last ringReserve, whose item begins at `item`, with its final length. */
export function ringCommit(c: usize, item: usize, length: u32): void {
  commitFrame(c, item, length);
}

/** Reserve, copy the item from `source`, and commit, in one call; returns the item's address, or 0 as ringReserve. */
export function frameEnter(c: usize, source: usize, length: u32): usize {
  const item = reserveFrame(c, length);
  if (!item) return 0;
  copyBytes(item, source, length);
  commitFrame(c, item, length);
  return item;
}

// @ts-ignore: decorator
@inline
function reserveFrame(c: usize, length: u32): usize {
  if (length > load<u32>(c, SEND_MAX_ITEM)) return 0;
  const seq = load<u32>(c, RING_HEAD_SEQ);
  let hasAck = false;
  let ack: u32 = 0;
  if (!load<u32>(c, EXTENDED)) {
    if (seq == u32.MAX_VALUE) return 0;
    ack = load<u32>(c, RECV_HANDED);
    hasAck = ack != 0;
    ack -= 1;
  }
  const slot = reserve(c, 4 + headerSize(seq, hasAck, ack) + length);
  return slot ? writeHeader(slot + 4, seq, hasAck, ack, length) : 0;
}

// @ts-ignore: decorator
@inline
function commitFrame(c: usize, item: usize, length: u32): void {
  const slot = <usize>load<u32>(c, RING_BASE) + load<u32>(c, RING_RESERVED);
  const size = <u32>(item - slot) + length;
  store<u32>(slot, size - 4);
  store<u32>(item - 4, length);
  store<u32>(c, load<u32>(c, RECV_HANDED), RECV_CARRIED);
  enter(c, size);
}

/**
 * Commits `count` items that lie one after another at `items`, with their u32 lengths at `lengths`.
 * Returns how many were accepted: the first that does not fit ends it.
 */
export function batchCommit(c: usize, items: usize, lengths: usize, count: u32): u32 {
  for (let i: u32 = 0; i < count; i++) {
    const length = load<u32>(lengths + (<usize>i << 2));
    if (!frameEnter(c, items, length)) return i;
    items += length;
  }
  return count;
}

/** Commits a control record that takes a seq and is replayed like a frame (FIN); returns the address of its body, or 0. */
export function controlCommit(c: usize, length: u32): usize {
  const slot = reserve(c, 4 + length);
  if (!slot) return 0;
  store<u32>(slot, length | CONTROL);
  enter(c, 4 + length);
  return slot + 4;
}

/**
 * Takes the next slots to write, whole ones in one contiguous run: `sent` moves past them [replay.forward].
 * The run begins at RING_SENT as it was before the call. At most `max` bytes, but at least one slot; at most so
 * many that `window` bytes are unacknowledged, but at least one slot when none is [ext.window].
 * Returns its length, 0 = nothing to write.
 */
export function ringTake(c: usize, max: u32, window: u32): u32 {
  let seq = load<u32>(c, RING_SENT_SEQ);
  const headSeq = load<u32>(c, RING_HEAD_SEQ);
  if (seq == headSeq) return 0;
  const base = <usize>load<u32>(c, RING_BASE);
  if (!base) return 0; // given up
  const sent = load<u32>(c, RING_SENT);
  const limit = load<u32>(c, RING_LIMIT);
  const older = limit != 0 && sent >= load<u32>(c, RING_TAIL);
  const end = older ? limit : load<u32>(c, RING_HEAD);
  const inFlight = load<u32>(c, RING_IN_FLIGHT);
  const room = window > inFlight ? window - inFlight : 0;
  let to = end;
  if (end - sent > min(max, room)) {
    to = sent + slotSize(base + sent);
    if (to - sent > room && inFlight != 0) return 0;
    seq++;
    const last = sent + min(max, room);
    while (to < end) {
      const next = to + slotSize(base + to);
      if (next > last) break;
      to = next;
      seq++;
    }
  }
  if (to == end) {
    seq = older ? load<u32>(c, RING_WRAP_SEQ) : headSeq;
    store<u32>(c, older ? 0 : end, RING_SENT);
  } else {
    store<u32>(c, to, RING_SENT);
  }
  store<u32>(c, seq, RING_SENT_SEQ);
  if (seqBefore(load<u32>(c, RING_WRITTEN_SEQ), seq)) store<u32>(c, seq, RING_WRITTEN_SEQ);
  const length = to - sent;
  store<u32>(c, inFlight + length, RING_IN_FLIGHT);
  store<u32>(c, load<u32>(c, RING_UNSENT) - length, RING_UNSENT);
  return length;
}

/**
 * Releases everything up to and including seq `ack` [ack.trim]. An ack beyond `sent` moves `sent` past it
 * [replay.forward]; one beyond everything ever written changes nothing and is invalid [ack.invalid].
 */
export function ringAck(c: usize, ack: u32): u32 {
  const ackedSeq = load<u32>(c, RING_ACKED_SEQ);
  const writtenSeq = load<u32>(c, RING_WRITTEN_SEQ);
  if (load<u32>(c, EXTENDED)) {
    if (!seqBefore(ack, writtenSeq)) return ACK_INVALID;
    if (seqBefore(ack, ackedSeq)) return ACK_OLD;
  } else {
    if (ack >= writtenSeq) return ACK_INVALID;
    if (ack < ackedSeq) return ACK_OLD;
  }
  const next = ack + 1;
  const sentSeq = load<u32>(c, RING_SENT_SEQ);
  const base = <usize>load<u32>(c, RING_BASE);
  if (!base) return ACK_OLD; // given up: there is nothing to release
  const limit = load<u32>(c, RING_LIMIT);
  if (seqBefore(sentSeq, next)) {
    let at = load<u32>(c, RING_SENT);
    let bytes: u32 = 0;
    for (let seq = sentSeq; seq != next; seq++) {
      const size = slotSize(base + at);
      bytes += size;
      at += size;
      if (at == limit) at = 0;
    }
    store<u32>(c, at, RING_ACKED);
    store<u32>(c, at, RING_SENT);
    store<u32>(c, next, RING_SENT_SEQ);
    store<u32>(c, 0, RING_IN_FLIGHT);
    store<u32>(c, load<u32>(c, RING_UNSENT) - bytes, RING_UNSENT);
  } else if (next == sentSeq) {
    store<u32>(c, load<u32>(c, RING_SENT), RING_ACKED);
    store<u32>(c, 0, RING_IN_FLIGHT);
  } else {
    let at = load<u32>(c, RING_ACKED);
    let bytes: u32 = 0;
    for (let seq = ackedSeq; seq != next; seq++) {
      const size = slotSize(base + at);
      bytes += size;
      at += size;
      if (at == limit) at = 0;
    }
    store<u32>(c, at, RING_ACKED);
    store<u32>(c, load<u32>(c, RING_IN_FLIGHT) - bytes, RING_IN_FLIGHT);
  }
  store<u32>(c, next, RING_ACKED_SEQ);
  settle(c);
  return ACK_NEW;
}

/** A new link: everything unacknowledged is to be written again, by the ordinary writing [replay.forward]. */
export function ringRewind(c: usize): void {
  store<u32>(c, load<u32>(c, RING_ACKED), RING_SENT);
  store<u32>(c, load<u32>(c, RING_ACKED_SEQ), RING_SENT_SEQ);
  store<u32>(c, load<u32>(c, RING_UNSENT) + load<u32>(c, RING_IN_FLIGHT), RING_UNSENT);
  store<u32>(c, 0, RING_IN_FLIGHT);
}

/** A pending write reads the ring from the slot (offset, seq) on: acknowledged or not, it is not overwritten. */
export function ringPin(c: usize, offset: u32, seq: u32): void {
  store<u32>(c, offset, RING_PIN);
  store<u32>(c, seq, RING_PIN_SEQ);
  store<u32>(c, 1, RING_PINNED);
  settle(c);
}

/** No pending write reads the ring. */
export function ringUnpin(c: usize): void {
  store<u32>(c, 0, RING_PINNED);
  settle(c);
}

/** Moves the tail to min(acked, pin), in the order of seqs, and starts again at 0 when the ring is empty. */
function settle(c: usize): void {
  const acked = load<u32>(c, RING_ACKED);
  const ackedSeq = load<u32>(c, RING_ACKED_SEQ);
  const pinned = load<u32>(c, RING_PINNED) != 0 && seqBefore(load<u32>(c, RING_PIN_SEQ), ackedSeq);
  const tail = pinned ? load<u32>(c, RING_PIN) : acked;
  // The tail only moves forward: a smaller offset means that it has passed the wrap mark.
  if (tail < load<u32>(c, RING_TAIL)) store<u32>(c, 0, RING_LIMIT);
  store<u32>(c, tail, RING_TAIL);
  if (!pinned && ackedSeq == load<u32>(c, RING_HEAD_SEQ)) {
    store<u32>(c, 0, RING_LIMIT);
    store<u32>(c, 0, RING_TAIL);
    store<u32>(c, 0, RING_ACKED);
    store<u32>(c, 0, RING_SENT);
    store<u32>(c, 0, RING_HEAD);
  }
}

/**
 * Gives the ring another region (larger, smaller, or none: 0, 0) and moves what is unacknowledged there.
 * Pending writes go on reading the old region, which the caller keeps until they are done; nothing is pinned in the new one.
 */
export function ringMove(c: usize, base: u32, capacity: u32): void {
  const from = <usize>load<u32>(c, RING_BASE);
  const acked = load<u32>(c, RING_ACKED);
  const sent = load<u32>(c, RING_SENT);
  const head = load<u32>(c, RING_HEAD);
  const tail = load<u32>(c, RING_TAIL);
  const limit = load<u32>(c, RING_LIMIT);
  const headSeq = load<u32>(c, RING_HEAD_SEQ);
  let used: u32 = 0;
  let newSent: u32 = 0;
  // Without a new region what is unacknowledged is given up; the seqs and byte counts go on telling what it was.
  if (base != 0 && load<u32>(c, RING_ACKED_SEQ) != headSeq) {
    if (limit != 0 && acked >= tail) {
      const older = limit - acked;
      memory.copy(base, from + acked, older);
      memory.copy(base + older, from, head);
      used = older + head;
      newSent = sent >= tail && load<u32>(c, RING_SENT_SEQ) != headSeq ? sent - acked : older + sent;
    } else {
      used = head - acked;
      memory.copy(base, from + acked, used);
      newSent = sent - acked;
    }
  }
  store<u32>(c, base, RING_BASE);
  store<u32>(c, capacity, RING_CAPACITY);
  store<u32>(c, 0, RING_LIMIT);
  store<u32>(c, 0, RING_TAIL);
  store<u32>(c, 0, RING_ACKED);
  store<u32>(c, newSent, RING_SENT);
  store<u32>(c, used, RING_HEAD);
  store<u32>(c, 0, RING_PINNED);
}
