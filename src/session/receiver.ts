// From batches to the one consumer: a handler, an iterator, or recv(). A batch counts in the receive window, and
// is not acknowledged, until its consumer is done with it [ack.cumulative]; batches come one after another.
import { MAX_OVERHEAD } from "../../assembly/abi.js";
import { ConduitError, optionsError } from "../errors.js";
import type { Bytes } from "../link/link.js";
import type { ItemBatch } from "../proto/deframer.js";
import { type Batch, ChunkBatch, type Decode, decodeItem, fatalDecodeError } from "./batch.js";
import { type Deferred, deferred, type Wait, watchWait } from "./promises.js";

export interface ReceiverHooks {
  /** The consumer is done with the oldest items. */
  onHanded(items: number, recordBytes: number): void;
  /** The consumer failed: CONDUIT_HANDLER, or CONDUIT_DECODE. */
  onFailed(error: ConduitError): void;
  /** The consumer has seen the peer's end. */
  onEndSeen(): void;
}

/** While the consumer is behind, small batches are joined: many tiny chunks must not cost many objects. */
const JOIN_BEHIND = 4;
const JOINED_BYTES = 65_536;
const JOINED_ITEMS = 4_096;

type Handler<R> = (batch: Batch<R>) => void | PromiseLike<void>;

/** How receiving ended: the peer's end (null), or the error that ended the session. */
type End = { error: ConduitError | null };

export class Receiver<R> {
  /** Items handed over so far. */
  handedItems = 0;
  /** Items received so far. */
  receivedItems = 0;

  readonly #hooks: ReceiverHooks;
  #decode: Decode<R> = null;
  readonly #queue: ChunkBatch<R>[] = [];
  #joined: JoinedBatch | null = null;
  #end: End | null = null;
  #endSeen = false;
  #failed = false; // the consumer did: nothing is handed over any more

  // --- the consumer
  #handler: Handler<R> | null = null;
  #busy = false; // the handler's promise is pending
  #delivering = false;
  #pulling = false; // an iterator or a stream holds the place
  #waiting: Deferred<void> | null = null; // it waits for a batch

  // --- item by item: the batch that is being taken apart
  #current: ChunkBatch<R> | null = null;
  #index = 0;
  #unreported = 0; // its record bytes that have not been handed yet

  // --- given to an iterator that has not come back: handed at its next pull, or when the application goes on
  #takenItems = 0;
  #takenBytes = 0;

  constructor(hooks: ReceiverHooks) {
    this.#hooks = hooks;
  }

  /** Batches that no consumer has taken. */
  get queuedBatches(): number {
    return this.#queue.length + (this.#joined ? 1 : 0);
  }

  get decode(): Decode<R> {
    return this.#decode;
  }

  /** An item that cannot be decoded ends the session, whatever its reader makes of the error [ack.cumulative]. */
  set decode(decode: Decode<R>) {
    this.#decode =
      decode &&
      ((chunk, start, end) => {
        try {
          return decodeItem(decode, chunk, start, end);
        } catch (cause) {
          const error = fatalDecodeError(cause as ConduitError);
          this.#fail(error);
          throw error;
        }
      });
  }

  /** Decodes with `decode` from the first item on, what waits already included. false = a consumer has had one. */
  decodeAllWith(decode: Decode<R>): boolean {
    const had = this.handedItems + this.#takenItems > 0 || this.#current !== null;
    if (had || this.#busy || this.#delivering) return false;
    this.decode = decode;
    this.#queue.forEach((batch, i) => {
      this.#queue[i] = batch.decodedBy(this.#decode);
    });
    return true;
  }

  // ------------------------------------------------------------------ from the session

  push(batch: ItemBatch): void {
    this.receivedItems += batch.spans.length >>> 1;
    if (this.#failed) return;
    if (this.#queue.length >= JOIN_BEHIND && this.#join(batch)) return;
    this.#sealJoined();
    const { bytes, spans, recordBytes, shared } = batch;
    this.#queue.push(new ChunkBatch(bytes, spans, recordBytes, this.decode, shared));
    this.#deliver();
  }

  /** The consumer is behind. false = this batch stays as it is: most of its chunk are items, and not few. */
  #join({ bytes, spans, recordBytes }: ItemBatch): boolean {
    // What the window does not count (duplicates, control records) must not be kept with what it counts.
    const sparse = bytes.length > 2 * recordBytes;
    if (!sparse && recordBytes >= JOINED_BYTES / 16) return false;
    this.#joined ??= new JoinedBatch();
    if (this.#joined.add(bytes, spans, recordBytes)) return true;
    this.#sealJoined();
    this.#joined = new JoinedBatch(
      Math.max(JOINED_BYTES, recordBytes),
      Math.max(JOINED_ITEMS, spans.length >>> 1),
    );
    return this.#joined.add(bytes, spans, recordBytes);
  }

  /** No more items will come. With an error, what is still queued is not handed over any more. */
  end(error: ConduitError | null): void {
    if (this.#end?.error) return;
    this.#end = { error };
    if (error) {
      this.#queue.length = 0;
      this.#joined = null;
      this.#current = null;
    }
    this.#deliver();
  }

  // ------------------------------------------------------------------ handler

  get handler(): Handler<R> | null {
    return this.#handler;
  }

  set handler(handler: Handler<R> | null) {
    if (handler !== null && this.#handler === null) this.#claim();
    this.#handler = handler;
    this.#deliver();
  }

  /** Hands batches over as long as there are some and the consumer is ready. */
  #deliver(): void {
    if (this.#waiting) {
      const waiting = this.#waiting;
      if (this.#mustWait) return;
      this.#waiting = null;
      waiting.resolve();
      return;
    }
    if (this.#delivering) return; // the handler caused this: the loop below goes on
    this.#delivering = true;
    try {
      // A handler takes over what an item by item consumer has left of a batch.
      while (!this.#busy && !this.#failed && this.#handler !== null && !this.#end?.error) {
        const batch = this.#takeBatch();
        if (!batch) break;
        this.#callHandler(this.#handler, batch);
      }
    } finally {
      this.#delivering = false;
    }
    this.#checkEnd();
  }

  #callHandler(handler: Handler<R>, batch: ChunkBatch<R>): void {
    let result: void | PromiseLike<void>;
    try {
      result = handler(batch);
    } catch (error) {
      this.#fail(handlerError(error));
      return;
    }
    if (result === undefined || typeof result?.then !== "function") {
      this.#handed(batch.length, batch.recordBytes);
      return;
    }
    this.#busy = true;
    result.then(
      () => {
        this.#busy = false;
        this.#handed(batch.length, batch.recordBytes);
        this.#deliver();
      },
      (error: unknown) => {
        this.#busy = false;
        this.#fail(handlerError(error));
      },
    );
  }

  #fail(error: ConduitError): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#hooks.onFailed(error);
  }

  // ------------------------------------------------------------------ batch by batch

  async *batches(): AsyncGenerator<Batch<R>, void, undefined> {
    this.#claim();
    this.#pulling = true;
    try {
      for (;;) {
        const batch = this.#takeBatch();
        if (batch) {
          this.#takenItems = batch.length;
          this.#takenBytes = batch.recordBytes;
          yield batch;
          this.settle();
        } else if (!(await this.#more())) {
          return;
        }
      }
    } finally {
      this.#pulling = false;
    }
  }

  // ------------------------------------------------------------------ item by item

  /** Owned items. Each is acknowledged when the next one is asked for; a `break` pauses. */
  async *items(): AsyncGenerator<R, void, undefined> {
    this.#claim();
    this.#pulling = true;
    try {
      for (;;) {
        if (!this.#hasItem()) {
          if (!(await this.#more())) return;
          continue;
        }
        yield this.#takeItem();
        this.settle();
      }
    } finally {
      this.#pulling = false;
    }
  }

  /** One owned item, acknowledged as soon as it is given out; undefined = the peer has ended. */
  async recv(wait?: Wait): Promise<R | undefined> {
    this.#claim();
    this.#pulling = true;
    try {
      while (!this.#hasItem()) {
        if (!(await this.#more(wait))) return undefined;
      }
      const item = this.#takeItem();
      this.settle();
      return item;
    } finally {
      this.#pulling = false;
    }
  }

  #hasItem(): boolean {
    if (this.#busy) return false;
    if (this.#current === null && !this.#end?.error) {
      this.#current = this.#nextBatch();
      this.#index = 0;
      this.#unreported = this.#current?.recordBytes ?? 0;
    }
    return this.#current !== null;
  }

  /** The item is the caller's: a copy, or a decoded value. */
  #takeItem(): R {
    const batch = this.#current!;
    const i = this.#index++;
    let item: R;
    try {
      item = batch.at(i);
    } catch (error) {
      const failure = handlerError(error);
      this.#fail(failure);
      throw failure;
    }
    // The last item of a batch settles the rest of its record bytes.
    const last = this.#index === batch.length;
    this.#takenItems = 1;
    // The ack that follows lets the peer send as many record bytes again: at least these have to be counted as
    // handed, or an honest peer would seem to overrun the window [ext.window].
    const recordBytes = batch.spans[2 * i + 1] + MAX_OVERHEAD;
    this.#takenBytes = last ? this.#unreported : Math.min(this.#unreported, recordBytes);
    this.#unreported -= this.#takenBytes;
    if (last) this.#current = null;
    return this.decode === null ? ((item as Bytes).slice() as R) : item;
  }

  /** What an iterator was given last is done with: it came back, or the application goes on without it. */
  settle(): void {
    const items = this.#takenItems;
    if (items === 0) return;
    this.#takenItems = 0;
    this.#handed(items, this.#takenBytes);
  }

  // ------------------------------------------------------------------ inside

  /** What an item by item consumer has left, or the next batch. */
  #takeBatch(): ChunkBatch<R> | null {
    if (this.#busy) return null;
    const current = this.#current;
    if (!current) return this.#nextBatch();
    this.#current = null;
    // Shared with the items that were given out: borrowed ones are views.
    const rest = current.spans.slice(2 * this.#index);
    return new ChunkBatch(current.bytes, rest, this.#unreported, this.decode, true);
  }

  #nextBatch(): ChunkBatch<R> | null {
    if (this.#end?.error) return null;
    if (this.#queue.length === 0) this.#sealJoined();
    return this.#queue.shift() ?? null;
  }

  #sealJoined(): void {
    if (!this.#joined) return;
    this.#queue.push(this.#joined.seal(this.decode));
    this.#joined = null;
  }

  /** Nothing to give out, or the handler of before is not done with its batch. */
  get #mustWait(): boolean {
    if (this.#end?.error) return false;
    return this.#busy || (this.#current === null && this.#queue.length === 0 && !this.#joined && !this.#end);
  }

  /** Waits for a batch; false = the peer has ended. @throws the error that ended the session. */
  async #more(wait?: Wait): Promise<boolean> {
    while (this.#mustWait) {
      const waiting = deferred<void>();
      this.#waiting = waiting;
      const stop = watchWait(wait, (reason) => {
        if (this.#waiting === waiting) this.#waiting = null;
        waiting.reject(reason);
      });
      try {
        await waiting.promise;
      } finally {
        stop();
      }
    }
    if (this.#end?.error) throw this.#end.error;
    if (this.#current || this.#queue.length > 0 || this.#joined) return true;
    this.#checkEnd();
    return false;
  }

  #handed(items: number, recordBytes: number): void {
    if (this.#failed) return;
    this.handedItems += items;
    this.#hooks.onHanded(items, recordBytes);
    if (this.#end) this.#checkEnd();
  }

  #checkEnd(): void {
    if (this.#endSeen || !this.#end || this.#end.error) return;
    if (this.#busy || this.#current || this.#takenItems > 0 || this.queuedBatches > 0) return;
    this.#endSeen = true;
    this.#hooks.onEndSeen();
  }

  /** One consumer at a time. */
  #claim(): void {
    if (this.#handler === null && !this.#pulling) return this.settle();
    throw optionsError(
      "this conduit has a consumer already: onItems, an iterator, a stream or a recv() that waits",
    );
  }
}

/** Small batches of a consumer that is behind, copied together. */
class JoinedBatch {
  readonly #maxItems: number;
  readonly #bytes: Bytes;
  #spans = new Uint32Array(64);
  #length = 0;
  #items = 0;
  #recordBytes = 0;

  constructor(maxBytes = JOINED_BYTES, maxItems = JOINED_ITEMS) {
    this.#bytes = new Uint8Array(maxBytes);
    this.#maxItems = maxItems;
  }

  /** false = full; nothing was added. */
  add(bytes: Bytes, spans: Uint32Array, recordBytes: number): boolean {
    const items = spans.length >>> 1;
    if (this.#length + recordBytes > this.#bytes.length || this.#items + items > this.#maxItems) return false;
    while (2 * (this.#items + items) > this.#spans.length) {
      const larger = new Uint32Array(this.#spans.length * 2);
      larger.set(this.#spans);
      this.#spans = larger;
    }
    for (let i = 0; i < items; i++) {
      const size = spans[2 * i + 1];
      this.#bytes.set(bytes.subarray(spans[2 * i], spans[2 * i] + size), this.#length);
      this.#spans[2 * this.#items] = this.#length;
      this.#spans[2 * this.#items + 1] = size;
      this.#items++;
      this.#length += size;
    }
    this.#recordBytes += recordBytes;
    return true;
  }

  seal<R>(decode: Decode<R>): ChunkBatch<R> {
    return new ChunkBatch(
      this.#bytes.slice(0, this.#length),
      this.#spans.slice(0, 2 * this.#items),
      this.#recordBytes,
      decode,
    );
  }
}

function handlerError(error: unknown): ConduitError {
  if (error instanceof ConduitError && error.code === "CONDUIT_DECODE") return fatalDecodeError(error);
  return new ConduitError("CONDUIT_HANDLER", "local", "the consumer of this conduit failed", {
    cause: error,
  });
}
