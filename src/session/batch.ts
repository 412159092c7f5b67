// What a consumer gets: the items of one receive chunk, without an object per item.
import { ConduitError } from "../errors.js";
import type { Bytes } from "../link/link.js";

/** Turns the item that lies in the chunk from `start` to `end` into what the application calls an item; null: its bytes. */
export type Decode<R> = ((chunk: Bytes, start: number, end: number) => R) | null;

/** Items of one receive chunk, in order. */
export interface Batch<R> extends Iterable<R> {
  /** How many items. */
  readonly length: number;
  /**
   * Item i: a view of the chunk, or a value decoded from it. A view keeps the whole chunk alive.
   * @throws ConduitError CONDUIT_OPTIONS when there is no item i, CONDUIT_DECODE when it cannot be decoded.
   */
  at(i: number): R;
  /** The chunk. Never a view of shared memory. Batches may share one: leave it as it is, or detach(). */
  readonly bytes: Bytes;
  /** Offset and size of each item in `bytes`: two numbers per item, no object. */
  readonly spans: Uint32Array;
  /** Both, now the caller's: `bytes` has an ArrayBuffer of its own and can be transferred. */
  detach(): { bytes: Bytes; spans: Uint32Array };
}

export class ChunkBatch<R> implements Batch<R> {
  readonly bytes: Bytes;
  readonly spans: Uint32Array;
  readonly length: number;
  /** Bytes of the records, which the receive window counts. */
  readonly recordBytes: number;
  /** Another batch refers to the same chunk. */
  readonly shared: boolean;
  readonly #decode: Decode<R>;
  // The getters of a typed array cost a call each, too much per item.
  readonly #buffer: ArrayBuffer;
  readonly #base: number;

  constructor(bytes: Bytes, spans: Uint32Array, recordBytes: number, decode: Decode<R>, shared = false) {
    this.bytes = bytes;
    this.spans = spans;
    this.length = spans.length >>> 1;
    this.recordBytes = recordBytes;
    this.shared = shared;
    this.#decode = decode;
    this.#buffer = bytes.buffer;
    this.#base = bytes.byteOffset;
  }

  at(i: number): R {
    if (i >>> 0 !== i || i >= this.length) {
      throw new ConduitError("CONDUIT_OPTIONS", "local", `no item ${i} in a batch of ${this.length}`, {
        fatal: false,
      });
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
    const { bytes, spans, shared } = this;
    const own = !shared && bytes.buffer.byteLength === bytes.byteLength;
    return { bytes: own ? bytes : bytes.slice(), spans };
  }
}

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
