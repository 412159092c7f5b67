// What a consumer gets: the items of one receive chunk, without an object per item.
import { ConduitError, optionsError } from "../errors.js";
import { freeChunk } from "../link/chunk.js";
import type { Bytes } from "../link/link.js";

/** Turns the item that lies in the chunk from `start` to `end` into what the application calls an item; null: its bytes. */
export type Decode<R> = ((chunk: Bytes, start: number, end: number) => R) | null;

/** Items of one receive chunk, in order. */
export interface Batch<R> extends Iterable<R> {
  /** How many items. */
  readonly length: number;
  /**
   * Item i: a view of the chunk, or a value decoded from it. A view keeps the whole chunk alive.
   * @throws ConduitError CONDUIT_OPTIONS when there is no item i or after release(), CONDUIT_DECODE when it cannot be decoded.
   */
  at(i: number): R;
  /** The chunk. Never a view of shared memory. Batches may share one: leave it as it is, or detach(). */
  readonly bytes: Bytes;
  /** Offset and size of each item in `bytes`: two numbers per item, no object. */
  readonly spans: Uint32Array;
  /**
   * Both, now the caller's: `bytes` has an ArrayBuffer of its own and can be transferred.
   * @throws ConduitError CONDUIT_OPTIONS after release().
   */
  detach(): { bytes: Bytes; spans: Uint32Array };
  /**
   * Says that nothing of this batch will be read any more: the chunk's memory is given back now and read into again, and does
   * not wait for the garbage collector. From here on views of its items are empty (they never show other bytes), `bytes` too,
   * and values that were decoded as "borrowed" or "lazy" must not be read. A chunk that another batch shares, or of less than
   * 4 KiB, is left alone, and what detach() gave stays the caller's. Never necessary, and no acknowledgement: that comes when the consumer is
   * done, as ever. A second call does nothing.
   */
  release(): void;
}

export class ChunkBatch<R> implements Batch<R> {
  bytes: Bytes;
  readonly spans: Uint32Array;
  readonly length: number;
  /** Bytes of the records, which the receive window counts. */
  readonly recordBytes: number;
  /** Another batch, or an item that was given out, refers to the same chunk. */
  readonly shared: boolean;
  #detached = false;
  /** Items that at() gives out: all, or none after release(). */
  #items: number;
  readonly #decode: Decode<R>;
  // The getters of a typed array cost a call each, too much per item.
  #buffer: ArrayBuffer;
  readonly #base: number;

  constructor(bytes: Bytes, spans: Uint32Array, recordBytes: number, decode: Decode<R>, shared = false) {
    this.bytes = bytes;
    this.spans = spans;
    this.length = spans.length >>> 1;
    this.recordBytes = recordBytes;
    this.shared = shared;
    this.#items = this.length;
    this.#decode = decode;
    this.#buffer = bytes.buffer;
    this.#base = bytes.byteOffset;
  }

  at(i: number): R {
    if (i >>> 0 !== i || i >= this.#items) {
      this.#refuseReleased();
      throw optionsError(`no item ${i} in a batch of ${this.length}`);
    }
    const { spans } = this;
    const start = spans[2 * i];
    if (this.#decode !== null) return this.#decode(this.bytes, start, start + spans[2 * i + 1]);
    return new Uint8Array(this.#buffer, this.#base + start, spans[2 * i + 1]) as R;
  }

  *[Symbol.iterator](): Iterator<R> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  /** The same items, decoded otherwise. */
  decodedBy(decode: Decode<R>): ChunkBatch<R> {
    return new ChunkBatch(this.bytes, this.spans, this.recordBytes, decode, this.shared);
  }

  detach(): { bytes: Bytes; spans: Uint32Array } {
    this.#refuseReleased();
    const { bytes, spans, shared } = this;
    this.#detached = true;
    const own = !shared && bytes.buffer.byteLength === bytes.byteLength;
    return { bytes: own ? bytes : bytes.slice(), spans };
  }

  release(): void {
    if (!this.shared && !this.#detached) freeChunk(this.bytes);
    this.bytes = NOTHING;
    this.#buffer = NOTHING.buffer;
    this.#items = 0;
  }

  #refuseReleased(): void {
    if (this.bytes === NOTHING) throw optionsError("this batch was released");
  }
}

/** The bytes of a released batch. */
const NOTHING: Bytes = new Uint8Array(0);

/** @throws ConduitError CONDUIT_DECODE */
export function decodeItem<R>(decode: NonNullable<Decode<R>>, chunk: Bytes, start: number, end: number): R {
  try {
    return decode(chunk, start, end);
  } catch (cause) {
    if (cause instanceof ConduitError) throw cause;
    throw new ConduitError("CONDUIT_DECODE", "peer", "an item cannot be decoded", { cause });
  }
}

/** What a bad item ends the session with: so it is neither lost silently nor replayed for ever [ack.cumulative]. */
export function fatalDecodeError(cause: ConduitError): ConduitError {
  return cause.fatal ? cause : new ConduitError("CONDUIT_DECODE", cause.blame, cause.message, { cause });
}
