// A conduit as a Duplex, for Node's pipelines.
import { Duplex } from "node:stream";
import { ConduitError } from "../errors.js";
import type { Bytes } from "../link/link.js";
import { ignore } from "./promises.js";
import type { StableConduit } from "./stable-conduit.js";

export interface DuplexOptions {
  /** true: a chunk is an item, both ways. Default false: bytes, whose boundaries mean nothing. */
  objectMode?: boolean;
  /** As Node's: false ends the sending direction by itself when the peer's end was read. Default true: end() is yours. */
  allowHalfOpen?: boolean;
}

/** Bytes that are written become items of at most so many, and of what both sides allow. */
const MAX_ITEM_BYTES = 65_536;

/**
 * The conduit as a Duplex of Node; it is the one consumer from the first read on, and ends the sending direction instead of the
 * conduit's own `allowHalfOpen`.
 *
 * Reading: nothing is taken ahead, so what nobody reads stays unacknowledged and holds the peer back. As bytes, the items of
 * a batch are one chunk, acknowledged when the next is read. In object mode a chunk is an item, acknowledged when the next is
 * read; `null`, which some schemas allow, cannot be a chunk and destroys the stream with CONDUIT_ENCODE.
 *
 * Writing: a chunk's callback comes when the conduit has accepted it and is not congested. `finish` comes when the peer's
 * application has everything.
 *
 * Ends: the peer's end is `end`. A session that ends otherwise destroys the stream with its ConduitError; one that this side has
 * closed or aborted behind the stream's back destroys it without one (ERR_STREAM_PREMATURE_CLOSE in pipeline() and finished()).
 * destroy() aborts the conduit, with the error as the reason; but when the peer's end was read and nothing written is lost by it,
 * it closes the conduit in good order. `close` comes when the session is over.
 *
 * A `for await` that has read to the peer's end destroys the stream in Node 20 and 22; newer versions leave a stream that can
 * still be written to open (nodejs/node#64275). After one that only reads, call end(), or choose `allowHalfOpen: false`.
 */
export function duplex(
  conduit: StableConduit<Uint8Array, Bytes>,
  options?: DuplexOptions & { objectMode?: false },
): Duplex;
export function duplex<S, R>(
  conduit: StableConduit<S, R>,
  options: DuplexOptions & { objectMode: true },
): Duplex;
export function duplex<S, R>(conduit: StableConduit<S, R>, options: DuplexOptions = {}): Duplex {
  const { objectMode = false, allowHalfOpen = true } = options;
  return new ConduitDuplex(conduit as StableConduit<unknown, unknown>, objectMode, allowHalfOpen);
}

type Done = (error?: Error | null) => void;

class ConduitDuplex extends Duplex {
  readonly #conduit: StableConduit<unknown, unknown>;
  readonly #chunks: AsyncIterator<unknown>;
  #written = false;

  constructor(conduit: StableConduit<unknown, unknown>, objectMode: boolean, allowHalfOpen: boolean) {
    super({ objectMode, allowHalfOpen, readableHighWaterMark: 0 });
    this.#conduit = conduit;
    this.#chunks = objectMode ? conduit[Symbol.asyncIterator]() : byteChunks(conduit);
    conduit.keepHalfOpen();
    conduit.closed.then((close) => {
      if (!close.clean) this.#fail(close.error);
      else if (!this.writableEnded) this.destroy();
    });
  }

  override _read(): void {
    this.#chunks.next().then(
      ({ done, value }) => {
        if (done) this.push(null);
        else if (value === null) this.destroy(nullItem());
        else this.push(value);
      },
      (error: ConduitError) => this.#fail(error),
    );
  }

  override _write(chunk: unknown, _encoding: BufferEncoding, done: Done): void {
    this.#written = true;
    this.#send(this.writableObjectMode ? [chunk] : this.#pieces(chunk as Uint8Array)).then(
      () => done(),
      (error: ConduitError) => this.#fail(error, done),
    );
  }

  async #send(items: Iterable<unknown>): Promise<void> {
    // How small an item has to be is known with the first link [ext.settings].
    if (!this.writableObjectMode) await this.#conduit.opened;
    for (const item of items) {
      await this.#conduit.write(item);
      if (this.#conduit.congested) await this.#conduit.drained();
    }
  }

  *#pieces(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length; ) {
      const end = at + Math.max(1, Math.min(MAX_ITEM_BYTES, this.#conduit.machine.maxItemBytes));
      yield chunk.subarray(at, end);
      at = end;
    }
  }

  override _final(done: Done): void {
    this.#conduit.end().then(
      () => done(),
      (error: ConduitError) => this.#fail(error, done),
    );
  }

  override _destroy(error: Error | null, done: Done): void {
    // `for await` destroys with an AbortError what could still be written to.
    const orderly = this.readableEnded && (error === null || error.name === "AbortError");
    const whole = this.writableEnded ? this.writableLength === 0 : !this.#written;
    if (orderly && whole) this.#conduit.close().catch(ignore);
    else this.#conduit.abort(error ?? "its stream was destroyed");
    this.#conduit.closed.then(() => done(error));
  }

  /** Whoever aborts the conduit on this side knows why: to the stream it is a premature close, and no error that would be nobody's. */
  #fail(error: ConduitError, done: Done = ignore): void {
    const own = error.code === "CONDUIT_ABORTED" && error.blame === "local";
    this.destroy(own ? undefined : error);
    done(error);
  }
}

/** The items of each batch as one chunk. Empty ones are left out: they are no bytes. */
async function* byteChunks(conduit: StableConduit<unknown, unknown>): AsyncGenerator<Buffer> {
  for await (const { bytes, spans } of conduit.batches()) {
    let size = 0;
    for (let i = 1; i < spans.length; i += 2) size += spans[i];
    if (size === 0) continue;
    const chunk = Buffer.allocUnsafe(size);
    let at = 0;
    for (let i = 0; i < spans.length; i += 2) {
      chunk.set(bytes.subarray(spans[i], spans[i] + spans[i + 1]), at);
      at += spans[i + 1];
    }
    yield chunk;
  }
}

function nullItem(): ConduitError {
  return new ConduitError("CONDUIT_ENCODE", "local", "null is an item that a stream of Node cannot carry");
}
