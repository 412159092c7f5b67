// What the replay ring should do, in plain arrays: slots with their offsets, and counters that never wrap.
// A slot's number counts from the session's start; its seq is (firstSeq + number) mod 2^32.
import { headerBytes, u32Bytes } from "./reference.js";

export interface Slot {
  number: number;
  offset: number;
  bytes: Uint8Array;
}

/** A run that a link was given and reads until it is done. */
export interface Run {
  number: number;
  offset: number;
  bytes: Uint8Array;
}

export class RingModel {
  readonly extended: boolean;
  readonly firstSeq: number;
  readonly sendMaxItem: number;
  capacity = 0;
  hasRegion = false;
  /** RECV_HANDED: one beyond the newest ack, 0 = none. */
  handed = 0;
  acked = 0;
  sent = 0;
  written = 0;
  /** The oldest slot that a pending write reads in this region. */
  pinned: number | null = null;
  /** What may not be overwritten, oldest first. */
  slots: Slot[] = [];
  head = 0;

  constructor(extended: boolean, firstSeq: number, sendMaxItem: number) {
    this.extended = extended;
    this.firstSeq = firstSeq;
    this.sendMaxItem = sendMaxItem;
  }

  seq(number: number): number {
    return (this.firstSeq + number) >>> 0;
  }

  /** Slots of these numbers. */
  between(from: number, to: number): Slot[] {
    return this.slots.filter(({ number }) => number >= from && number < to);
  }

  get inFlight(): number {
    return sum(this.between(this.acked, this.sent));
  }

  get unsent(): number {
    return sum(this.between(this.sent, this.head));
  }

  /** Where a slot of `size` bytes goes: behind the newest, else to the start; null = no contiguous room. */
  place(size: number): number | null {
    if (!this.hasRegion) return null;
    if (this.slots.length === 0) return size <= this.capacity ? 0 : null;
    const oldest = this.slots[0].offset;
    const newest = this.slots[this.slots.length - 1];
    const end = newest.offset + newest.bytes.length;
    if (oldest > newest.offset) return oldest - end >= size ? end : null;
    if (this.capacity - end >= size) return end;
    return oldest >= size ? 0 : null;
  }

  /** What a frame's slot begins with: link length, seq, tag, ack, item length. */
  header(length: number): number[] {
    const ack = this.extended || this.handed === 0 ? null : this.handed - 1;
    const header = headerBytes(this.seq(this.head), ack, length);
    return [...u32Bytes(header.length + length), ...header];
  }

  canReserve(length: number): number | null {
    if (length > this.sendMaxItem) return null;
    return this.place(this.header(length).length + length);
  }

  /** Enters a slot at the offset that place() said for what was reserved, which may be more than it needs now. */
  enter(offset: number, header: number[], body: Uint8Array): void {
    const bytes = new Uint8Array(header.length + body.length);
    bytes.set(header);
    bytes.set(body, header.length);
    this.slots.push({ number: this.head++, offset, bytes });
  }

  /** The next run for a link: whole slots that lie one after another. */
  take(max: number, window: number): Run | null {
    const waiting = this.between(this.sent, this.head);
    if (waiting.length === 0) return null;
    const inFlight = this.inFlight;
    if (inFlight !== 0 && inFlight + waiting[0].bytes.length > window) return null;
    const taken: Slot[] = [];
    let length = 0;
    for (const slot of waiting) {
      const next = length + slot.bytes.length;
      const first = taken.length === 0;
      if (!first && (next > max || inFlight + next > window || slot.offset !== taken[0].offset + length))
        break;
      taken.push(slot);
      length = next;
    }
    this.sent += taken.length;
    this.written = Math.max(this.written, this.sent);
    return { number: taken[0].number, offset: taken[0].offset, bytes: concat(taken) };
  }

  ack(number: number): "old" | "new" | "invalid" {
    if (number >= this.written) return "invalid";
    if (number < this.acked) return "old";
    this.acked = number + 1;
    this.sent = Math.max(this.sent, this.acked);
    this.#release();
    return "new";
  }

  rewind(): void {
    this.sent = this.acked;
  }

  pin(number: number | null): void {
    this.pinned = number;
    this.#release();
  }

  move(capacity: number | null): void {
    this.pinned = null;
    this.#release();
    this.hasRegion = capacity !== null;
    this.capacity = capacity ?? 0;
    let offset = 0;
    for (const slot of this.slots) {
      slot.offset = offset;
      offset += slot.bytes.length;
    }
  }

  #release(): void {
    const keep = Math.min(this.acked, this.pinned ?? this.acked);
    this.slots = this.slots.filter(({ number }) => number >= keep);
  }
}

function sum(slots: Slot[]): number {
  return slots.reduce((total, { bytes }) => total + bytes.length, 0);
}

function concat(slots: Slot[]): Uint8Array {
  const bytes = new Uint8Array(sum(slots));
  let at = 0;
  for (const slot of slots) {
    bytes.set(slot.bytes, at);
    at += slot.bytes.length;
  }
  return bytes;
}
