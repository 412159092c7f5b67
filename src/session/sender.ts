// The sending half of a conduit: items into the replay ring, gathered writes, and everything that waits for room or
// for acks. The fast path is send(); all the others come down to the same ring, in one order.
import { bytesOf, plainBytes } from "../bytes-of.js";
import { ConduitError, optionsError } from "../errors.js";
import type { ResolvedLimits } from "../limits.js";
import type { Bytes } from "../link/link.js";
import type { Machine } from "../proto/machine.js";
import type { ReplayRing } from "../proto/replay.js";
import { type Core, ENTER_BYTES_MAX, TABLE_ENTRIES } from "../wasm/core.js";
import { now } from "./clock.js";
import type { Driver } from "./driver.js";
import type { Encoder } from "./messages.js";
import {
  type Deferred,
  deferred,
  ignore,
  quiet,
  rejected,
  type Wait,
  Waiters,
  watchWait,
} from "./promises.js";

/** Gathered sends are written at once when they reach this much; less waits for the end of the running task. */
const GATHER_BYTES = 65_536;
/** What a frame adds to an item, about: for the gathering only. */
const FRAME_OVERHEAD = 12;
/** The ring fuller than this congests, whatever was written of it: acks do not keep up. */
const CONGESTED_SHARE = 0.75;

const { length: lengthOf, buffer: bufferOf } = bytesOf;

/** StableConduit documents the methods that it passes on; here is how they work. */
export class Sender<S> {
  /** Above high water. */
  congested = false;
  volatileDropped = 0;
  /** What one task has sent is in the ring. */
  onGathered: () => void = ignore;

  readonly #core: Core;
  readonly #machine: Machine;
  readonly #ring: ReplayRing;
  readonly #block: number;
  readonly #driver: Driver;
  readonly #limits: ResolvedLimits;
  readonly #encoder: Encoder<S> | null;

  /** Of bytes: send() may enter items directly: not ending, no write() queued, not within sendInto(). */
  #direct: boolean;
  #encoding = false;
  #ended = false; // nothing more is accepted
  #closing = false; // base: the session ends with the last ack
  #finished: { error: ConduitError | null } | null = null;

  #flushQueued = false;
  #gathered = 0;
  readonly #gatherLimit: number;

  readonly #writes: QueuedWrite[] = [];
  #blocked = false; // write()s wait for room
  readonly #drained = new Waiters();
  readonly #delivered: { target: number; waiters: Waiters }[] = [];
  readonly #flushed = new Waiters();

  #sentItems = 0;
  #countedSeq = 0;

  /** @param encoder null = items are bytes */
  constructor(
    core: Core,
    machine: Machine,
    driver: Driver,
    limits: ResolvedLimits,
    encoder: Encoder<S> | null = null,
  ) {
    this.#encoder = encoder;
    this.#direct = encoder === null;
    this.#core = core;
    this.#machine = machine;
    this.#ring = machine.ring;
    this.#block = this.#ring.block;
    this.#driver = driver;
    this.#limits = limits;
    this.#gatherLimit = Math.min(GATHER_BYTES, Math.ceil(limits.highWaterBytes / 2));
    // A restored session goes on: what is unacknowledged counts as sent here, an end before is no item.
    const endAcked = machine.finEntered && this.#ring.length === 0;
    this.#countedSeq = this.#ring.ackedSeq - (endAcked ? 1 : 0);
    this.#ended = machine.ending;
    this.#updateDirect();
  }

  /** Within sendInto() nothing else of the conduit may be used. */
  get encoding(): boolean {
    return this.#encoding;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Items accepted so far. */
  get sentItems(): number {
    this.#countSent();
    return this.#sentItems - (this.#machine.finEntered ? 1 : 0);
  }

  // ------------------------------------------------------------------ accepting

  send(item: S): void {
    let length: number;
    if (
      this.#direct &&
      item instanceof Uint8Array &&
      ArrayBuffer.isView(item) &&
      // What it says, which may be anything, and what it has: behind the first the engine reads the second without a call.
      item.length <= ENTER_BYTES_MAX &&
      (length = lengthOf.call(item)) <= ENTER_BYTES_MAX &&
      this.#core.enter(this.#block, item, length)
    ) {
      if (!this.#flushQueued) this.#queueFlush();
      if ((this.#gathered += length + FRAME_OVERHEAD) >= this.#gatherLimit) this.#flush();
    } else {
      this.#sendSlowly(item);
    }
  }

  sendBatch(given: Uint8Array, lengths: Uint32Array): number {
    this.#checkSendable();
    const bytes = plainBytes(asBytes(given));
    if (!(lengths instanceof Uint32Array)) throw optionsError("lengths must be a Uint32Array");
    const { maxItemBytes } = this.#machine;
    let sum = 0;
    for (let i = 0; i < lengths.length; i++) {
      if (lengths[i] > maxItemBytes) throw tooLarge(lengths[i], maxItemBytes);
      sum += lengths[i];
    }
    if (sum !== bytes.length)
      throw optionsError(`lengths add up to ${sum}, but there are ${bytes.length} bytes`);
    let accepted = 0;
    let offset = 0;
    while (accepted < lengths.length) {
      const count = this.#enterSome(bytes, lengths, accepted, offset);
      if (accepted + count === lengths.length) {
        offset = bytes.length;
        accepted = lengths.length;
        break;
      }
      for (let i = 0; i < count; i++) offset += lengths[accepted + i];
      accepted += count;
      // A large item, or one that makes the ring grow: on its own.
      const item = bytes.subarray(offset, offset + lengths[accepted]);
      try {
        this.#ring.push(item);
      } catch (error) {
        if (isFull(error) || accepted > 0) break; // what was accepted stands; the next send tells the rest
        throw error;
      }
      offset += item.length;
      accepted++;
    }
    this.#sentSome(offset + accepted * FRAME_OVERHEAD);
    return accepted;
  }

  /** As many of the items from `first` on as fit the scratch and the ring, with one copy in and one WASM call. */
  #enterSome(bytes: Uint8Array, lengths: Uint32Array, first: number, offset: number): number {
    let count = lengths.length - first;
    let size = bytes.length - offset;
    if (count > 2 * TABLE_ENTRIES || size > ENTER_BYTES_MAX) {
      size = count = 0;
      while (count < 2 * TABLE_ENTRIES && size + lengths[first + count] <= ENTER_BYTES_MAX) {
        size += lengths[first + count++];
      }
    }
    if (count === 0) return 0;
    const { memory, exports, chunk, table } = this.#core;
    const staged = chunk + ((bytes.byteOffset + offset) & 7); // at their own alignment, as Core.enter()
    memory.u8.set(bytes.subarray(offset, offset + size), staged);
    memory.u32.set(lengths.subarray(first, first + count), table >>> 2);
    return exports.batchCommit(this.#block, staged, table, count);
  }

  sendInto(maxBytes: number, encode: (ring: Uint8Array, offset: number) => number): void {
    this.#checkSendable();
    if (!Number.isInteger(maxBytes) || maxBytes < 0)
      throw optionsError(`maxBytes must be a whole number, got ${maxBytes}`);
    const at = this.#ring.reserve(maxBytes);
    const { memory } = this.#core;
    const target = memory.u8;
    const end = this.#exclusively(() => encode(target, at));
    if (target !== memory.u8 && !memory.shared) {
      throw new ConduitError(
        "CONDUIT_ENCODE",
        "local",
        "another conduit made the memory grow while encode ran: what it wrote is lost",
        { fatal: false },
      );
    }
    if (!Number.isInteger(end) || end < at || end > at + maxBytes) {
      throw new ConduitError(
        "CONDUIT_ENCODE",
        "local",
        `encode returned ${end}, not an offset from ${at} to ${at + maxBytes}`,
        { fatal: false },
      );
    }
    this.#ring.commit(at, end - at);
    this.#sentSome(end - at + FRAME_OVERHEAD);
  }

  /** Between a reserve and its commit nothing else may be done to the ring. */
  #exclusively<T>(encode: () => T): T {
    this.#encoding = true;
    this.#direct = false;
    try {
      return encode();
    } finally {
      this.#encoding = false;
      this.#updateDirect();
    }
  }

  sendVolatile(item: S): boolean {
    this.#checkSendable();
    const bytes = this.encode(item);
    const sent = !this.congested && this.#machine.sendVolatile(bytes);
    if (sent) this.#sentSome(bytes.length + FRAME_OVERHEAD);
    else this.volatileDropped++;
    return sent;
  }

  write(item: S, wait?: Wait): Promise<void> {
    try {
      this.#checkUsable();
      return this.writeBytes(this.#encoder ? this.encode(item) : asBytes(item), wait);
    } catch (error) {
      return rejected(error);
    }
  }

  /** write(), of an item that is encoded. */
  writeBytes(bytes: Uint8Array, wait?: Wait): Promise<void> {
    const queued: QueuedWrite = { bytes, ...deferred<void>() };
    try {
      this.#checkUsable();
      wait?.signal?.throwIfAborted();
      if (this.#writes.length === 0 && this.#tryPush(queued.bytes)) {
        queued.resolve();
        return queued.promise;
      }
    } catch (error) {
      queued.reject(error);
      return queued.promise;
    }
    this.#writes.push(queued);
    this.#updateDirect();
    const stop = watchWait(wait, (reason) => {
      const at = this.#writes.indexOf(queued);
      if (at < 0) return;
      this.#writes.splice(at, 1);
      queued.reject(reason);
      this.#forgetWrite(at);
      this.#drainWrites();
      this.#driver.run(); // an end may have waited for this one only
    });
    queued.promise.then(stop, stop);
    return queued.promise;
  }

  drained(wait?: Wait): Promise<void> {
    if (this.#finished) return rejected(this.#closedError());
    this.#updateCongestion();
    return this.congested ? this.#drained.add(wait) : Promise.resolve();
  }

  delivered(wait?: Wait): Promise<void> {
    if (this.#finished) return this.#finished.error ? rejected(this.#closedError()) : Promise.resolve();
    if (this.#machine.state === "ended") return rejected(this.#closedError());
    this.#countSent();
    if (this.#ring.length === 0 && this.#writes.length === 0) return Promise.resolve();
    const entry = { target: this.#sentItems + this.#writes.length, waiters: new Waiters() };
    this.#delivered.push(entry);
    this.#machine.wantAck(1);
    const promise = entry.waiters.add(wait);
    quiet(
      promise.finally(() => {
        const at = this.#delivered.indexOf(entry);
        if (at >= 0) this.#delivered.splice(at, 1);
        this.#machine.wantAck(-1);
      }),
    );
    this.#driver.run();
    return promise;
  }

  #sendSlowly(item: S): void {
    this.#checkSendable();
    if (this.#encoder) return this.#sendTyped(this.#encoder, item);
    this.#sendEncoded(asBytes(item));
  }

  /** Straight into the ring; nothing is allocated here, as in send(). */
  #sendTyped(encoder: Encoder<S>, item: S): void {
    const { memory } = this.#core;
    let at = 0;
    let end = -1;
    let target: Uint8Array | null = null;
    this.#encoding = true; // a getter of the item must leave the conduit alone
    try {
      const maxBytes = encoder.maxSize(item, this.#limits.maxFrameBytes);
      at = this.#reserveIfRoom(maxBytes);
      if (at !== 0) {
        target = memory.u8;
        end = encoder.encodeInto(target, at, at + maxBytes, item);
      }
    } catch (error) {
      if (target === null || target === memory.u8) throw error;
    } finally {
      this.#encoding = false;
    }
    // It may be smaller than it can be at most. Or a getter, sending elsewhere, has made the memory grow, and the place
    // is not that of `target` any more.
    if (target !== memory.u8) return this.#sendEncoded(this.encode(item));
    if (end < 0) {
      throw new ConduitError("CONDUIT_ENCODE", "local", "the item changed while it was read", {
        fatal: false,
      });
    }
    this.#ring.commit(at, end - at);
    this.#sentSome(end - at + FRAME_OVERHEAD);
  }

  #sendEncoded(bytes: Uint8Array): void {
    this.#ring.push(bytes);
    this.#sentSome(lengthOf.call(bytes) + FRAME_OVERHEAD);
  }

  /** 0 = there is no room for so many bytes. */
  #reserveIfRoom(maxBytes: number): number {
    try {
      return this.#ring.reserve(maxBytes);
    } catch (error) {
      if (isRefused(error)) return 0;
      throw error;
    }
  }

  /** The item's bytes, owned. @throws ConduitError CONDUIT_ENCODE, CONDUIT_OPTIONS while another is encoded */
  encode(item: S): Bytes {
    if (this.#encoding) throw encodingError(); // prepareSend() by an item's getter: send() would be open again behind it
    const encoder = this.#encoder;
    const { maxFrameBytes } = this.#limits;
    return (
      encoder
        ? this.#exclusively(() => encoder.encode(item, maxFrameBytes))
        : plainBytes(asBytes(item)).slice()
    ) as Bytes;
  }

  /** @throws unless send() may enter an item. */
  #checkSendable(): void {
    this.#checkUsable();
    if (this.#writes.length > 0) {
      throw new ConduitError(
        "CONDUIT_REPLAY_FULL",
        "local",
        "write()s are queued; send() does not overtake them",
        { fatal: false },
      );
    }
  }

  #checkUsable(): void {
    if (this.#encoding) throw encodingError();
    if (this.#finished || this.#machine.state === "ended") throw this.#closedError();
    if (this.#ended) throw closedError("this conduit has ended its sending");
  }

  /** false = no room now. */
  #tryPush(bytes: Uint8Array): boolean {
    try {
      this.#ring.push(asBytes(bytes)); // it may have waited, and its memory be gone
    } catch (error) {
      if (!isFull(error)) throw error;
      // No ack of ours need follow: what is missing may be in the rings of others.
      if (error.code === "CONDUIT_MEMORY") this.#ring.whenMemoryReturned(this.#retryWrites);
      return false;
    }
    this.#sentSome(lengthOf.call(bytes) + FRAME_OVERHEAD);
    return true;
  }

  #drainWrites(): void {
    while (this.#writes.length > 0 && this.#machine.state !== "ended") {
      const [write] = this.#writes;
      try {
        if (!this.#tryPush(write.bytes)) return;
        this.#writes.shift();
        write.resolve();
      } catch (error) {
        this.#writes.shift();
        write.reject(error);
        this.#forgetWrite(0);
      }
    }
    this.#updateDirect();
    this.#endMachine();
  }

  readonly #retryWrites = (): void => {
    if (this.#finished) return;
    this.#drainWrites();
    this.#driver.run();
  };

  /** A write() that waited at this place in the queue will not be sent: delivered() does not wait for it. */
  #forgetWrite(at: number): void {
    this.#countSent();
    for (const entry of this.#delivered) if (entry.target > this.#sentItems + at) entry.target--;
    this.#resolveDelivered();
  }

  #resolveDelivered(): void {
    if (this.#delivered.length === 0) return;
    this.#countSent();
    const done = this.#sentItems - this.#ring.length;
    for (const entry of [...this.#delivered]) if (entry.target <= done) entry.waiters.resolveAll();
  }

  /** Once nothing waits to be sent, the machine may end. */
  #endMachine(): void {
    if (!this.#ended || this.#finished || this.#writes.length > 0) return;
    this.#machine.end();
    if (this.#closing) this.#machine.finishWhenAcked(now());
  }

  #updateDirect(): void {
    this.#direct =
      this.#encoder === null &&
      !this.#ended &&
      this.#finished === null &&
      !this.#encoding &&
      this.#writes.length === 0;
    // Who waits for room waits for an ack: the base profile may have to ask for one [base.probe].
    const blocked = this.#writes.length > 0;
    if (blocked !== this.#blocked) this.#machine.wantAck(blocked ? 1 : -1);
    this.#blocked = blocked;
  }

  #sentSome(bytes: number): void {
    if (!this.#flushQueued) this.#queueFlush();
    if ((this.#gathered += bytes) >= this.#gatherLimit) this.#flush();
  }

  #queueFlush(): void {
    this.#flushQueued = true;
    queueMicrotask(this.#runQueuedFlush);
  }

  readonly #runQueuedFlush = (): void => {
    this.#flushQueued = false;
    if (this.#finished) return;
    this.#flush();
    this.#driver.arm();
    this.onGathered();
  };

  #flush(): void {
    this.#gathered = 0;
    this.#driver.flush();
    this.#updateCongestion();
  }

  #updateCongestion(): void {
    if (this.#finished) return;
    const ring = this.#ring;
    const { highWaterBytes, replayBytes } = this.#limits;
    const congested =
      ring.unsentBytes + this.#machine.outBytes + this.#driver.pendingBytes > highWaterBytes ||
      ring.usedBytes > CONGESTED_SHARE * replayBytes;
    if (congested === this.congested) return;
    this.congested = congested;
    if (!congested) this.#drained.resolveAll();
  }

  /** Extends the ring's 32-bit seqs to a count. */
  #countSent(): void {
    if (this.#finished) return;
    const head = this.#ring.headSeq;
    this.#sentItems += (head - this.#countedSeq) >>> 0;
    this.#countedSeq = head;
  }

  // ------------------------------------------------------------------ ending

  /** Nothing more is accepted; what is queued still goes out, then the direction ends. */
  end(): void {
    this.#ended = true;
    this.#updateDirect();
    this.#endMachine();
  }

  /** The session is to be over once both directions are: the base profile has no other sign of it. */
  close(): void {
    this.#closing = true;
    this.#endMachine();
  }

  /** After end(): everything is acknowledged. */
  flushed(wait?: Wait): Promise<void> {
    return this.#allFlushed ? Promise.resolve() : this.#flushed.add(wait);
  }

  get #allFlushed(): boolean {
    return this.#writes.length === 0 && this.#machine.allAcked;
  }

  // ------------------------------------------------------------------ what happens below

  handleAcked(): void {
    this.#drainWrites();
    this.#updateCongestion();
    this.#resolveDelivered();
    this.handleOpen();
  }

  /** An end that is still to be numbered is, once the profile is known. */
  handleOpen(): void {
    if (this.#flushed.size > 0 && this.#allFlushed) this.#flushed.resolveAll();
  }

  /** After each round of the driver. */
  handleRound(): void {
    this.#gathered = 0;
    this.#updateCongestion();
  }

  /** The session is over: everything that waits learns it. */
  finish(error: ConduitError | null): void {
    this.#countSent();
    this.#finished = { error };
    this.congested = false;
    this.#updateDirect();
    const reason = error ?? closedError("the conduit is closed");
    for (const write of this.#writes.splice(0)) write.reject(reason);
    this.#drained.rejectAll(reason);
    for (const waiters of [...this.#delivered.map((entry) => entry.waiters), this.#flushed]) {
      if (error) waiters.rejectAll(error);
      else waiters.resolveAll();
    }
  }

  #closedError(): ConduitError {
    return closedError("the conduit is closed", this.#finished?.error ?? undefined);
  }
}

interface QueuedWrite extends Deferred<void> {
  bytes: Uint8Array;
}

/** @throws ConduitError CONDUIT_ENCODE */
function asBytes(item: unknown): Uint8Array {
  if (!(item instanceof Uint8Array) || !ArrayBuffer.isView(item))
    throw notBytes("an item must be a Uint8Array");
  // It would be an empty item.
  if (isDetached(item))
    throw notBytes("the item's memory was given away: transferred, or released with its batch");
  return item;
}

function isDetached(bytes: Uint8Array): boolean {
  if (lengthOf.call(bytes) > 0) return false;
  try {
    new Uint8Array(bufferOf.call(bytes));
    return false;
  } catch {
    return true;
  }
}

function notBytes(what: string): ConduitError {
  return new ConduitError("CONDUIT_ENCODE", "local", what, { fatal: false });
}

/** There is no room for so many bytes. */
function isRefused(error: unknown): boolean {
  return isFull(error) || (error instanceof ConduitError && error.code === "CONDUIT_FRAME_TOO_LARGE");
}

/** The ring has no room now; later it may. */
function isFull(error: unknown): error is ConduitError {
  return (
    error instanceof ConduitError && (error.code === "CONDUIT_REPLAY_FULL" || error.code === "CONDUIT_MEMORY")
  );
}

function tooLarge(length: number, max: number): ConduitError {
  return new ConduitError(
    "CONDUIT_FRAME_TOO_LARGE",
    "local",
    `an item of ${length} bytes is larger than maxFrameBytes (${max})`,
    { fatal: false },
  );
}

export function encodingError(): ConduitError {
  return optionsError("the conduit must not be used within sendInto()");
}

export function closedError(what: string, cause?: ConduitError): ConduitError {
  return new ConduitError("CONDUIT_CLOSED", "local", what, { fatal: false, cause });
}
