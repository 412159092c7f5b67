// The replay ring of one conduit: its region of linear memory, how it grows and shrinks, and which bytes pending
// writes still read. The positions in it are the business of assembly/ring.ts; every record of both profiles
// goes this one way, replayed or not [replay.forward].
import {
  ACK_INVALID,
  ACK_NEW,
  EXTENDED,
  FRAME_ITEM,
  FRAME_LENGTH,
  MAX_OVERHEAD,
  RECV_CARRIED,
  RING_ACKED,
  RING_ACKED_SEQ,
  RING_BASE,
  RING_CAPACITY,
  RING_HEAD_SEQ,
  RING_IN_FLIGHT,
  RING_LIMIT,
  RING_PIN_SEQ,
  RING_PINNED,
  RING_SENT,
  RING_SENT_SEQ,
  RING_UNSENT,
  RING_WRITTEN_SEQ,
  SEND_MAX_ITEM,
} from "../../assembly/abi.js";
import { bytesOf } from "../bytes-of.js";
import { ConduitError } from "../errors.js";
import type { ResolvedLimits } from "../limits.js";
import type { Bytes } from "../link/link.js";
import { MemoryBudget } from "../memory-budget.js";
import type { Core } from "../wasm/core.js";
import { RESULT } from "../wasm/memory.js";

/** A ring's first region; most conduits are idle, and most of the rest send small items. */
const FIRST_REGION_BYTES = 1_024;
/** Granted to every session, whatever the budgets say. */
const GUARANTEED_BYTES = 65_536;
const SLOT_CONTROL = 0x8000_0000;

/** What was accepted and not acknowledged when a session ended, copied out of the ring. */
export interface Undelivered {
  readonly items: Bytes[];
  /** Index of the first item that was never written to a link; the ones before it may have been delivered. */
  readonly firstUnsent: number;
}

/** All rings of a thread, by their core. */
const threadBudgets = new WeakMap<Core, MemoryBudget>();

/** Accounting for all rings of the core's thread; each session compares it with its own maxMemoryBytes. */
export function threadBudget(core: Core): MemoryBudget {
  let budget = threadBudgets.get(core);
  if (!budget) threadBudgets.set(core, (budget = new MemoryBudget(Number.MAX_SAFE_INTEGER)));
  return budget;
}

export class ReplayRing {
  /** Address of the conduit's block: core.enter(block, item) is the fast path of a commit. */
  readonly block: number;

  readonly #core: Core;
  readonly #limits: ResolvedLimits;
  readonly #thread: MemoryBudget;
  readonly #tenant: MemoryBudget | null;
  readonly #word: number;
  #regionBytes = 0;

  // Pending writes of the current link, oldest first: the region each one reads, and where in it.
  readonly #pendingRegion: number[] = [];
  readonly #pendingOffset: number[] = [];
  readonly #pendingSeq: number[] = [];
  // Regions that the ring has left and pending writes still read: address -> size.
  #retired: Map<number, number> | null = null;

  constructor(core: Core, block: number, limits: ResolvedLimits, tenant: MemoryBudget | null) {
    this.block = block;
    this.#word = block >>> 2;
    this.#core = core;
    this.#limits = limits;
    this.#thread = threadBudget(core);
    this.#tenant = tenant;
  }

  // ------------------------------------------------------------------ positions

  get ackedSeq(): number {
    return this.#field(RING_ACKED_SEQ);
  }
  get sentSeq(): number {
    return this.#field(RING_SENT_SEQ);
  }
  get writtenSeq(): number {
    return this.#field(RING_WRITTEN_SEQ);
  }
  get headSeq(): number {
    return this.#field(RING_HEAD_SEQ);
  }
  /** Slots that are not acknowledged. */
  get length(): number {
    return (this.headSeq - this.ackedSeq) >>> 0;
  }
  /** Bytes written to the current link and not acknowledged. */
  get inFlightBytes(): number {
    return this.#field(RING_IN_FLIGHT);
  }
  /** Bytes accepted and not yet given to the current link. */
  get unsentBytes(): number {
    return this.#field(RING_UNSENT);
  }
  /** Bytes that are not acknowledged. */
  get usedBytes(): number {
    return this.inFlightBytes + this.unsentBytes;
  }
  /** Size of the region it has now. */
  get capacityBytes(): number {
    return this.#field(RING_CAPACITY);
  }

  // ------------------------------------------------------------------ entering

  /**
   * Room for a frame with an item of at most `length` bytes: the item's address, to be followed by commit().
   * The ring grows when it must, which may replace the memory's views.
   * @throws ConduitError CONDUIT_FRAME_TOO_LARGE, CONDUIT_REPLAY_FULL or CONDUIT_MEMORY, blame local, not fatal; nothing has changed.
   */
  reserve(length: number): number {
    const item = this.#core.exports.ringReserve(this.block, length);
    if (item !== 0) return item;
    const maxItem = this.#field(SEND_MAX_ITEM);
    if (length > maxItem) {
      throw refused(
        "CONDUIT_FRAME_TOO_LARGE",
        `an item of ${length} bytes is larger than maxFrameBytes (${maxItem})`,
      );
    }
    if (this.exhausted) {
      throw new ConduitError(
        "CONDUIT_SESSION_LOST",
        "local",
        "the base profile's sequence numbers are used up [seq.serial]",
        {
          reason: "sequence-exhausted",
        },
      );
    }
    this.#grow(length + MAX_OVERHEAD);
    const retried = this.#core.exports.ringReserve(this.block, length);
    if (retried === 0) throw replayFull(this.#limits.replayBytes);
    return retried;
  }

  /** Commits what reserve() made room for, with its final length. */
  commit(item: number, length: number): void {
    this.#core.exports.ringCommit(this.block, item, length);
  }

  /** Copies one item in. @throws as reserve(). */
  push(item: Uint8Array): void {
    const length = bytesOf.length.call(item);
    const at = this.reserve(length);
    this.#core.copyIn(item, at, length);
    this.commit(at, length);
  }

  /** Enters a control record that takes a seq (FIN). false = no room now. */
  pushControl(body: Uint8Array): boolean {
    let at = this.#core.exports.controlCommit(this.block, body.length);
    if (at === 0) {
      try {
        this.#grow(body.length + 4);
      } catch {
        return false;
      }
      at = this.#core.exports.controlCommit(this.block, body.length);
    }
    if (at === 0) return false;
    this.#core.memory.u8.set(body, at);
    return true;
  }

  /** The base profile cannot number another item [seq.serial]. */
  get exhausted(): boolean {
    return this.#field(EXTENDED) === 0 && this.headSeq === 0xffff_ffff;
  }

  /** Whether the newest committed frame carries the newest ack [ack.piggyback]. */
  get carriedSeq(): number {
    return this.#field(RECV_CARRIED);
  }

  // ------------------------------------------------------------------ writing

  /**
   * The next records to write, as a view of the ring: whole records, at most `max` bytes but at least one
   * record, within the peer's window. null = nothing to write. The view stays intact until written() or dropPending().
   */
  take(max: number, window: number): Uint8Array | null {
    const offset = this.#field(RING_SENT);
    const seq = this.sentSeq;
    const length = this.#core.exports.ringTake(this.block, max, window);
    if (length === 0) return null;
    const region = this.#field(RING_BASE);
    if (!this.#pendingRegion.includes(region)) this.#core.exports.ringPin(this.block, offset, seq);
    this.#pendingRegion.push(region);
    this.#pendingOffset.push(offset);
    this.#pendingSeq.push(seq);
    return this.#core.memory.view(region + offset, length);
  }

  /** Pending writes still read what was acknowledged: there is less room than usedBytes says. */
  get heldBack(): boolean {
    const pinned = this.#field(RING_PINNED) !== 0 && ((this.#field(RING_PIN_SEQ) - this.ackedSeq) | 0) < 0;
    return pinned || (this.#retired !== null && this.#retired.size > 0);
  }

  /** The oldest pending write is done with its bytes. */
  written(): void {
    const region = this.#pendingRegion.shift();
    this.#pendingOffset.shift();
    this.#pendingSeq.shift();
    if (region === undefined) return;
    if (region !== this.#field(RING_BASE)) {
      if (!this.#pendingRegion.includes(region)) this.#freeRetired(region);
      return;
    }
    this.#repin(region);
  }

  /** The link is destroyed: nothing reads the ring any more. */
  dropPending(): void {
    this.#pendingRegion.length = 0;
    this.#pendingOffset.length = 0;
    this.#pendingSeq.length = 0;
    for (const region of [...(this.#retired?.keys() ?? [])]) this.#freeRetired(region);
    this.#core.exports.ringUnpin(this.block);
  }

  /** Everything unacknowledged is to be written again [replay.forward]. */
  rewind(): void {
    this.#core.exports.ringRewind(this.block);
  }

  /** Releases up to and including seq `ack` [ack.trim]. */
  ack(ack: number): "old" | "new" | "invalid" {
    const answer = this.#core.exports.ringAck(this.block, ack);
    return answer === ACK_INVALID ? "invalid" : answer === ACK_NEW ? "new" : "old";
  }

  // ------------------------------------------------------------------ memory

  /** After CONDUIT_MEMORY: calls back when other rings have given memory back. */
  whenMemoryReturned(wake: () => void): void {
    this.#thread.whenReturned(wake);
    this.#tenant?.whenReturned(wake);
  }

  /** Gives the region back when the ring is empty and nothing reads it. */
  shrink(): void {
    if (this.length === 0 && this.#regionBytes > 0) this.#moveTo(0, 0);
  }

  /** The items that are not acknowledged, oldest first, copied out. */
  undelivered(): Undelivered {
    const { memory, exports } = this.#core;
    const items: Bytes[] = [];
    const writtenCount = (this.writtenSeq - this.ackedSeq) >>> 0;
    let firstUnsent = 0;
    this.#eachSlot((slot, header, index) => {
      if (header & SLOT_CONTROL) return;
      exports.frameParse(slot + 4, slot + 4 + header, RESULT);
      const item = memory.u32[(RESULT + FRAME_ITEM) >>> 2];
      items.push(memory.copyOut(item, memory.u32[(RESULT + FRAME_LENGTH) >>> 2]));
      if (index < writtenCount) firstUnsent = items.length;
    });
    return { items, firstUnsent };
  }

  /**
   * A fresh ring goes on where a suspended one was: items lie one behind another, their seqs count from `ackedSeq`, and the
   * oldest `written` records were written to some link.
   * @throws as reserve(); the ring is then fit for dispose() only.
   */
  restore(
    ackedSeq: number,
    items: Uint8Array,
    lengths: readonly number[],
    control: Uint8Array | null,
    written: number,
  ): void {
    for (const field of [RING_ACKED_SEQ, RING_SENT_SEQ, RING_HEAD_SEQ]) this.#setField(field, ackedSeq);
    // At once, with what it may need: growing on the way could ask for more than the bound, although all of it fits.
    const need = items.length + (lengths.length + (control ? 1 : 0)) * MAX_OVERHEAD;
    if (need > FIRST_REGION_BYTES) this.#resize(Math.min(need, this.#limits.replayBytes));
    let at = 0;
    for (const length of lengths) this.push(items.subarray(at, (at += length)));
    if (control && !this.pushControl(control)) throw replayFull(this.#limits.replayBytes);
    this.#setField(RING_WRITTEN_SEQ, ackedSeq + written);
  }

  /** Length of the largest unacknowledged item. */
  get largestItem(): number {
    const { memory, exports } = this.#core;
    let largest = 0;
    this.#eachSlot((slot, header) => {
      if (header & SLOT_CONTROL) return;
      exports.frameParse(slot + 4, slot + 4 + header, RESULT);
      largest = Math.max(largest, memory.u32[(RESULT + FRAME_LENGTH) >>> 2]);
    });
    return largest;
  }

  /** The session is over: the region goes as soon as no pending write reads it. */
  dispose(): void {
    if (this.#regionBytes > 0) this.#moveTo(0, 0);
  }

  /** Calls back with each unacknowledged slot's address, header and index. */
  #eachSlot(visit: (slot: number, header: number, index: number) => void): void {
    const { memory } = this.#core;
    const base = this.#field(RING_BASE);
    const limit = this.#field(RING_LIMIT);
    let offset = this.#field(RING_ACKED);
    for (let index = 0; index < this.length; index++) {
      const slot = base + offset;
      const header = new DataView(memory.u8.buffer).getUint32(slot, true);
      visit(slot, header, index);
      offset += 4 + (header & ~SLOT_CONTROL);
      if (offset === limit) offset = 0;
    }
  }

  /** Makes room for a slot of `need` bytes, or throws. */
  #grow(need: number): void {
    const { replayBytes } = this.#limits;
    const wanted = this.usedBytes + need;
    if (wanted > replayBytes) throw replayFull(replayBytes);
    let capacity = Math.max(FIRST_REGION_BYTES, this.capacityBytes * 2);
    while (capacity < wanted) capacity *= 2;
    capacity = Math.min(capacity, replayBytes);
    if (capacity <= this.capacityBytes) throw replayFull(replayBytes);
    this.#resize(capacity);
  }

  /** A region of `capacity` bytes, more than it has, or throws. */
  #resize(capacity: number): void {
    const { maxMemoryBytes } = this.#limits;
    const { memory } = this.#core;
    const region = 2 ** Math.ceil(Math.log2(capacity));
    const more = region - this.#regionBytes;
    if (region > GUARANTEED_BYTES) {
      if (this.#thread.used + more > maxMemoryBytes) {
        throw refused(
          "CONDUIT_MEMORY",
          `the rings of this thread would exceed maxMemoryBytes (${maxMemoryBytes})`,
        );
      }
      if (this.#tenant && !this.#tenant.fits(more)) {
        throw refused(
          "CONDUIT_MEMORY",
          `the rings of this tenant would exceed its MemoryBudget (${this.#tenant.bytes})`,
        );
      }
    }
    const base = memory.allocate(region);
    if (base === 0) throw refused("CONDUIT_MEMORY", "linear memory is exhausted");
    this.#charge(region);
    this.#moveTo(base, region, capacity);
  }

  #moveTo(base: number, regionBytes: number, capacity = regionBytes): void {
    const old = this.#field(RING_BASE);
    const oldBytes = this.#regionBytes;
    this.#core.exports.ringMove(this.block, base, capacity);
    this.#regionBytes = regionBytes;
    if (oldBytes === 0) return;
    this.#retired ??= new Map();
    this.#retired.set(old, oldBytes);
    if (!this.#pendingRegion.includes(old)) this.#freeRetired(old);
  }

  #freeRetired(region: number): void {
    const bytes = this.#retired?.get(region);
    if (bytes === undefined) return;
    this.#retired!.delete(region);
    this.#core.memory.free(region, bytes);
    this.#charge(-bytes);
  }

  #repin(region: number): void {
    const next = this.#pendingRegion.indexOf(region);
    if (next < 0) this.#core.exports.ringUnpin(this.block);
    else this.#core.exports.ringPin(this.block, this.#pendingOffset[next], this.#pendingSeq[next]);
  }

  #charge(bytes: number): void {
    this.#thread.charge(bytes);
    this.#tenant?.charge(bytes);
  }

  #field(offset: number): number {
    return this.#core.memory.u32[this.#word + (offset >>> 2)];
  }

  #setField(offset: number, value: number): void {
    this.#core.memory.u32[this.#word + (offset >>> 2)] = value;
  }
}

function refused(
  code: "CONDUIT_FRAME_TOO_LARGE" | "CONDUIT_MEMORY" | "CONDUIT_REPLAY_FULL",
  what: string,
): ConduitError {
  return new ConduitError(code, "local", what, { fatal: false });
}

/** The ring is at its bound: the item was not accepted, nothing is lost [replay.bound]. */
export function replayFull(replayBytes: number): ConduitError {
  return refused(
    "CONDUIT_REPLAY_FULL",
    `the replay ring is full (replayBytes ${replayBytes}) [replay.bound]`,
  );
}
