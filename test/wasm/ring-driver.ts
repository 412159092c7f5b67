// The core's ring and its model side by side, as src/proto uses the ring: regions that are kept while a pending
// write reads them, pending writes that finish in order. Every operation is done on both; check() compares.
import assert from "node:assert/strict";
import {
  ACK_INVALID,
  ACK_NEW,
  ACK_OLD,
  BLOCK_BYTES,
  EXTENDED,
  RECV_CARRIED,
  RECV_HANDED,
  RECV_NEXT,
  RING_ACKED,
  RING_ACKED_SEQ,
  RING_BASE,
  RING_CAPACITY,
  RING_HEAD,
  RING_HEAD_SEQ,
  RING_IN_FLIGHT,
  RING_RESERVED,
  RING_SENT,
  RING_SENT_SEQ,
  RING_UNSENT,
  RING_WRITTEN_SEQ,
  SEND_MAX_ITEM,
} from "../../assembly/abi.js";
import type { Core } from "../../src/wasm/core.js";
import { bytesAt, peek, poke } from "./builds.js";
import type { Random } from "./random.js";
import { u32Bytes } from "./reference.js";
import { RingModel } from "./ring-model.js";

/** Bytes on both sides of a region that nobody may write to. */
const GUARD = 128;
const GUARD_BYTE = 0xc5;
/** What a freed region is filled with, so that reading it shows. */
const FREED_BYTE = 0xdd;
const ACK_ANSWERS = { old: ACK_OLD, new: ACK_NEW, invalid: ACK_INVALID };

interface Region {
  base: number;
  capacity: number;
}

interface PendingWrite {
  region: Region;
  number: number;
  offset: number;
  bytes: Uint8Array;
}

export interface RingOptions {
  extended: boolean;
  firstSeq?: number;
  capacity: number;
  sendMaxItem?: number;
}

export class RingDriver {
  readonly block: number;
  readonly model: RingModel;
  readonly pending: PendingWrite[] = [];
  readonly #core: Core;
  #region: Region | null = null;
  readonly #retired = new Set<Region>();

  constructor(core: Core, { extended, firstSeq = 0, capacity, sendMaxItem = 1 << 20 }: RingOptions) {
    this.#core = core;
    this.block = core.allocateBlock();
    this.model = new RingModel(extended, firstSeq, sendMaxItem);
    poke(core, this.block + EXTENDED, extended ? 1 : 0);
    poke(core, this.block + SEND_MAX_ITEM, sendMaxItem);
    for (const seq of [RING_ACKED_SEQ, RING_SENT_SEQ, RING_WRITTEN_SEQ, RING_HEAD_SEQ]) {
      poke(core, this.block + seq, firstSeq);
    }
    this.move(capacity);
  }

  field(offset: number): number {
    return peek(this.#core, this.block + offset);
  }

  setHanded(handed: number): void {
    this.model.handed = handed;
    poke(this.#core, this.block + RECV_HANDED, handed);
    poke(this.#core, this.block + RECV_NEXT, handed);
  }

  /** frameEnter. Says whether there was room. */
  commit(item: Uint8Array): boolean {
    const { chunk, exports, memory } = this.#core;
    const offset = this.model.canReserve(item.length);
    memory.u8.set(item, chunk);
    const at = exports.frameEnter(this.block, chunk, item.length);
    if (at !== 0) assert.deepEqual(memory.copyOut(at, item.length), Uint8Array.from(item), "the copy");
    return this.#enterFrame(at, offset, item);
  }

  /** ringReserve with more than it needs, ringCommit with what it turned out to be. */
  reserveAndCommit(reserved: number, item: Uint8Array): boolean {
    const offset = this.model.canReserve(reserved);
    const at = this.#core.exports.ringReserve(this.block, reserved);
    if (at !== 0) this.#core.exports.ringCommit(this.block, at, item.length);
    return this.#enterFrame(at, offset, item);
  }

  /** An encoder that failed: the header and some of the item are written, then nothing. */
  reserveOnly(length: number, written: Uint8Array): void {
    const before = this.#blockBytes();
    const offset = this.model.canReserve(length);
    const at = this.#core.exports.ringReserve(this.block, length);
    this.#checkAddress(at, offset, this.model.header(length).length);
    if (at !== 0) this.#core.memory.u8.set(written.subarray(0, length), at);
    const after = this.#blockBytes();
    before.copy(after, RING_RESERVED, RING_RESERVED, RING_RESERVED + 4);
    assert.ok(before.equals(after), "ringReserve changed the block");
  }

  /** batchCommit of what fits; returns how many. */
  batch(items: readonly Uint8Array[]): number {
    const { chunk, table, memory } = this.#core;
    let accepted = 0;
    let full = false;
    let at = chunk;
    for (const [i, item] of items.entries()) {
      memory.u8.set(item, at);
      at += item.length;
      poke(this.#core, table + 4 * i, item.length);
      const offset = full ? null : this.model.canReserve(item.length);
      if (offset === null) full = true;
      else {
        this.model.enter(offset, this.model.header(item.length), item);
        accepted++;
      }
    }
    assert.equal(this.#core.exports.batchCommit(this.block, chunk, table, items.length), accepted);
    if (accepted > 0) assert.equal(this.field(RECV_CARRIED), this.model.handed);
    return accepted;
  }

  control(body: Uint8Array): boolean {
    const header = u32Bytes((body.length | 0x8000_0000) >>> 0);
    const offset = this.model.place(header.length + body.length);
    const at = this.#core.exports.controlCommit(this.block, body.length);
    this.#checkAddress(at, offset, header.length);
    if (offset === null) return false;
    this.#core.memory.u8.set(body, at);
    this.model.enter(offset, header, body);
    return true;
  }

  /** Takes a run and hands it to the link. Returns its bytes. */
  take(max: number, window: number): Uint8Array | null {
    const from = this.field(RING_SENT);
    const run = this.model.take(max, window);
    const length = this.#core.exports.ringTake(this.block, max, window);
    if (run === null) {
      assert.equal(length, 0, "nothing to take");
      return null;
    }
    const region = this.#region!;
    assert.equal(length, run.bytes.length, "length of the run");
    assert.equal(from, run.offset, "offset of the run");
    this.#compare(region.base + from, run.bytes, "the run");
    this.pending.push({ region, ...run });
    this.#pinOldest();
    return run.bytes;
  }

  ack(number: number): "old" | "new" | "invalid" {
    const before = this.#blockBytes();
    const answer = this.model.ack(number);
    const actual = this.#core.exports.ringAck(this.block, this.model.seq(number));
    assert.equal(actual, ACK_ANSWERS[answer], `ack ${number} is ${answer}`);
    if (answer !== "new") assert.ok(before.equals(this.#blockBytes()), `${answer} ack changed the block`);
    return answer;
  }

  /** The oldest pending write is done: what it read must have been intact until now. */
  finishWrite(): void {
    const write = this.pending.shift();
    if (!write) return;
    this.#compare(write.region.base + write.offset, write.bytes, "a finished write");
    this.#pinOldest();
    this.#freeRetired();
  }

  /** The link is destroyed and reads no more; the next one starts with what is unacknowledged. */
  dropLink(): void {
    for (const write of this.pending) {
      this.#compare(write.region.base + write.offset, write.bytes, "a dropped write");
    }
    this.pending.length = 0;
    this.#pinOldest();
    this.#freeRetired();
    this.#core.exports.ringRewind(this.block);
    this.model.rewind();
  }

  /** Another region of `capacity` bytes, or none (null, only when nothing is unacknowledged). */
  move(capacity: number | null): void {
    const { memory, exports } = this.#core;
    let region: Region | null = null;
    if (capacity !== null) {
      const base = memory.allocate(capacity + 2 * GUARD) + GUARD;
      memory.u8.fill(GUARD_BYTE, base - GUARD, base + capacity + GUARD);
      region = { base, capacity };
    }
    exports.ringMove(this.block, region?.base ?? 0, capacity ?? 0);
    this.model.move(capacity);
    if (this.#region) this.#retired.add(this.#region);
    this.#region = region;
    this.#freeRetired();
  }

  /** Everything that must hold after every step. */
  check(): void {
    const { model } = this;
    const is = (offset: number, expected: number, what: string) => {
      assert.equal(this.field(offset), expected, what);
    };
    is(RING_ACKED_SEQ, model.seq(model.acked), "acked seq");
    is(RING_SENT_SEQ, model.seq(model.sent), "sent seq");
    is(RING_WRITTEN_SEQ, model.seq(model.written), "written seq");
    is(RING_HEAD_SEQ, model.seq(model.head), "head seq");
    assert.ok(model.acked <= model.sent && model.sent <= model.written && model.written <= model.head);
    is(RING_IN_FLIGHT, model.inFlight, "bytes in flight");
    is(RING_UNSENT, model.unsent, "bytes unsent");
    is(RING_BASE, this.#region?.base ?? 0, "base");
    is(RING_CAPACITY, model.capacity, "capacity");
    const at = (number: number) => model.slots.find((slot) => slot.number === number)?.offset;
    // A position without a slot is where the next one goes.
    const head = this.field(RING_HEAD);
    is(RING_ACKED, at(model.acked) ?? head, "acked offset");
    is(RING_SENT, at(model.sent) ?? head, "sent offset");
    for (const slot of model.slots) {
      assert.ok(slot.offset + slot.bytes.length <= model.capacity, "within the region");
      this.#compare(this.#region!.base + slot.offset, slot.bytes, `slot ${slot.number}`);
    }
    for (const { region, offset, bytes } of this.pending) {
      this.#compare(region.base + offset, bytes, "a pending write");
    }
    const unused = bytesAt(this.#core, this.block + EXTENDED + 4, BLOCK_BYTES - EXTENDED - 4);
    assert.ok(
      unused.every((byte) => byte === 0),
      "the end of the block",
    );
    if (this.#region) this.#checkGuards(this.#region);
  }

  /** Gives everything back, checking the guards. */
  release(): void {
    this.pending.length = 0;
    if (this.#region) this.#retired.add(this.#region);
    this.#region = null;
    this.#freeRetired();
    this.#core.freeBlock(this.block);
  }

  #enterFrame(at: number, offset: number | null, item: Uint8Array): boolean {
    const header = this.model.header(item.length);
    this.#checkAddress(at, offset, header.length);
    if (offset === null) return false;
    this.#core.memory.u8.set(item, at);
    this.model.enter(offset, header, item);
    assert.equal(this.field(RECV_CARRIED), this.model.handed);
    return true;
  }

  #checkAddress(actual: number, offset: number | null, headerLength: number): void {
    const expected = offset === null ? 0 : this.#region!.base + offset + headerLength;
    assert.equal(actual, expected, "address of the body");
  }

  /** What src/proto does when the oldest pending write has changed. */
  #pinOldest(): void {
    const oldest = this.pending.find(({ region }) => region === this.#region);
    if (oldest) {
      this.#core.exports.ringPin(this.block, oldest.offset, this.model.seq(oldest.number));
      this.model.pin(oldest.number);
    } else {
      this.#core.exports.ringUnpin(this.block);
      this.model.pin(null);
    }
  }

  #freeRetired(): void {
    for (const region of this.#retired) {
      if (this.pending.some((write) => write.region === region)) continue;
      this.#checkGuards(region);
      const { base, capacity } = region;
      this.#core.memory.u8.fill(FREED_BYTE, base - GUARD, base + capacity + GUARD);
      this.#core.memory.free(base - GUARD, capacity + 2 * GUARD);
      this.#retired.delete(region);
    }
  }

  #checkGuards({ base, capacity }: Region): void {
    for (const guard of [base - GUARD, base + capacity]) {
      const bytes = bytesAt(this.#core, guard, GUARD);
      assert.ok(
        bytes.every((byte) => byte === GUARD_BYTE),
        "written outside of the region",
      );
    }
  }

  #compare(address: number, expected: Uint8Array, what: string): void {
    const actual = bytesAt(this.#core, address, expected.length);
    if (!actual.equals(expected)) assert.deepEqual(Uint8Array.from(actual), expected, what);
  }

  #blockBytes(): Buffer {
    return Buffer.from(this.#core.memory.copyOut(this.block, BLOCK_BYTES));
  }
}

/** One random operation, of the kinds that src/proto mixes. */
export function randomStep(ring: RingDriver, random: Random): void {
  const { model } = ring;
  // Many small items, some that nearly fill the ring.
  const length = () => random.below(random.oneIn(12) ? model.capacity + 20 : random.oneIn(4) ? 300 : 24);
  const amount = () => random.pick([0, 1, 40, 300, 4_000, 0x7fff_ffff, 0xffff_ffff]);
  switch (random.below(24)) {
    case 0:
      ring.setHanded(random.oneIn(4) ? 0 : random.u32() >>> random.below(32));
      return;
    case 1:
      ring.reserveOnly(length(), random.bytes(64));
      return;
    case 2:
    case 3: {
      const reserved = length();
      ring.reserveAndCommit(reserved, random.bytes(random.between(0, reserved)));
      return;
    }
    case 4:
      ring.batch(Array.from({ length: random.below(12) }, () => random.bytes(random.below(60))));
      return;
    case 5:
      if (model.extended) ring.control(random.bytes(length()));
      return;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
      ring.take(amount(), random.oneIn(2) ? 0xffff_ffff : amount());
      return;
    case 11:
    case 12:
    case 13:
      ring.finishWrite();
      return;
    case 14:
      if (model.sent > model.acked) ring.ack(model.sent - 1);
      return;
    case 15:
    case 16:
      if (model.sent > model.acked) ring.ack(random.between(model.acked, model.sent - 1));
      return;
    case 17:
      // Beyond `sent` after a rewind, up to everything that was ever written.
      if (model.written > model.acked) ring.ack(random.between(model.acked, model.written - 1));
      return;
    case 18:
      if (model.acked > 0) ring.ack(Math.max(0, model.acked - random.between(1, 500)));
      if (model.extended || model.seq(model.written) < 0xffff_0000)
        ring.ack(model.written + random.below(500));
      return;
    case 19:
      if (random.oneIn(3)) ring.dropLink();
      return;
    case 20:
      if (random.oneIn(5)) {
        const used = model.inFlight + model.unsent;
        if (used === 0 && random.oneIn(3)) ring.move(null);
        else ring.move(Math.max(64, used + random.pick([0, 1, 20, 100, 1_000, 3_000])));
      }
      return;
    default:
      ring.commit(random.bytes(length()));
  }
}
