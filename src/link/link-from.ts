// A link made from a transport of the user's: anything that can carry bytes or messages.
import { linkError, violation } from "../errors.js";
import { ownedChunk, plainCopy } from "./chunk.js";
import { type Linger, linger } from "./linger.js";
import type { Framing, Link, LinkInfo, LinkSink } from "./link.js";

/** Where a transport puts its events. After close(), or after `closed`, calls have no effect. */
export interface TransportSink {
  /**
   * Gives the bytes away: they must not change afterwards, and an ArrayBuffer that they fill is the receiving application's to
   * transfer (Batch.detach()) or to free (Batch.release()). Views of shared memory, or of a part of something larger, are copied.
   * Anything else than bytes ends the link [link.message].
   */
  bytes(bytes: Uint8Array): void;
  /** The transport is gone. */
  closed(error?: Error): void;
}

export interface Transport {
  /** `message`: each send() arrives as one bytes() on the other side, or not at all. */
  framing: Framing;
  /** What `authorize` sees; `transport` is "custom" by default and `encrypted` false. */
  info?: Partial<LinkInfo>;
  /**
   * true: send() is given views of the replay ring, possibly of shared memory, and may read them until it settles or close() is called.
   * Default false: send() is given a copy that it can keep or transfer.
   */
  zeroCopy?: boolean;
  /** Called once, before anything else but close(). Events may come from now on. */
  start(sink: TransportSink): void;
  /** Called again when the call before has settled; what is not settled counts as backpressure. A throw or a rejection closes the link with that error. */
  send(bytes: Uint8Array): void | PromiseLike<void>;
  /** Holds the peer back. Both or none; without them receiving is not bounded in the base profile. */
  pause?(): void;
  resume?(): void;
  /**
   * Called once when everything is sent and the link ends in good order: close so that the peer gets all of it, and tell the
   * sink. Bytes may still come. close() follows, after LINGER_MS at the latest. Without end() it is close() alone.
   */
  end?(): void;
  /** Called once, however the link ends; a throw has no effect. What send() has taken before should still be sent; views of a zeroCopy send() must not be read after it. */
  close(): void;
  /** Whether it keeps a process alive. Both or none; without them the transport decides by itself. */
  ref?(): void;
  unref?(): void;
}

/**
 * Wraps a custom transport. Write the transport's side only: order, backpressure, lingering and late events are settled here.
 */
export function linkFrom(transport: Transport): Link {
  return new CustomLink(transport);
}

class CustomLink implements Link {
  readonly framing: Framing;
  // Where a copy is needed write() makes it.
  readonly zeroCopy = true;
  readonly pausable: boolean;
  readonly info: LinkInfo;

  readonly #transport: Transport;
  #sink: LinkSink | null = null;
  /** What send() has not been given yet; the write that it works on is not among it. */
  #queue: Uint8Array[] = [];
  #started = false;
  #sending = false;
  #ending = false;
  #paused = false;
  /** The transport is closed and not used any more. */
  #over = false;
  #linger: Linger | undefined;
  /** How deep we are in calls of the transport: what it tells in there waits in #events, and all that comes behind it. */
  #calls = 0;
  #events: ((sink: LinkSink) => void)[] = [];

  constructor(transport: Transport) {
    this.#transport = transport;
    this.framing = transport.framing;
    this.pausable = transport.pause !== undefined && transport.resume !== undefined;
    this.info = { transport: "custom", encrypted: false, ...transport.info };
  }

  start(sink: LinkSink): void {
    this.#sink = sink;
    if (this.#over) {
      queueMicrotask(this.#flush);
    } else {
      this.#started = true;
      this.#call(() => this.#transport.start({ bytes: this.#onBytes, closed: this.#onClosed }));
      if (this.#paused) this.#call(() => this.#transport.pause?.());
      this.#send();
    }
  }

  write(bytes: Uint8Array): void {
    if (this.#ending || this.#over) return;
    this.#queue.push(this.#transport.zeroCopy ? bytes : plainCopy(bytes));
    this.#send();
  }

  pause(): void {
    if (!this.pausable || this.#paused || this.#ending || this.#over) return;
    this.#paused = true;
    if (this.#started) this.#call(() => this.#transport.pause?.());
  }

  resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    if (this.#started) this.#call(() => this.#transport.resume?.());
  }

  end(): void {
    if (this.#ending || this.#over) return;
    this.#ending = true;
    this.#linger = linger(() => this.#close());
    this.resume();
    this.#send();
  }

  destroy(): void {
    this.#close();
    this.#sink = null;
    this.#events = [];
  }

  ref(): void {
    if (!this.#over) this.#call(() => this.#transport.ref?.());
  }

  unref(): void {
    if (!this.#over) this.#call(() => this.#transport.unref?.());
  }

  /** One send() at a time, so `written` comes in order whatever the transport does. */
  #send(): void {
    if (this.#sending || this.#over) return;
    if (this.#queue.length === 0) {
      if (this.#ending) this.#endTransport();
    } else if (this.#started) {
      this.#sending = true;
      const bytes = this.#queue.shift()!;
      this.#calls++;
      // The executor's throw becomes a rejection: one path for every way to fail, and never inside write().
      new Promise<void>((resolve) => resolve(this.#transport.send(bytes))).then(this.#onSent, this.#onFailed);
      this.#calls--;
    }
  }

  #endTransport(): void {
    if (this.#transport.end === undefined || !this.#started) this.#close();
    else this.#call(() => this.#transport.end?.());
  }

  readonly #onSent = (): void => {
    this.#sending = false;
    if (this.#over) return;
    this.#emit((sink) => sink.written());
    this.#send();
  };

  readonly #onFailed = (error: unknown): void => {
    this.#close(error instanceof Error ? error : linkError("the transport failed", error));
  };

  readonly #onBytes = (bytes: Uint8Array): void => {
    if (this.#over) return;
    if (bytes instanceof Uint8Array) {
      const chunk = ownedChunk(bytes);
      this.#emit((sink) => sink.bytes(chunk));
    } else {
      this.#close(violation("link.message", `a link carries bytes, got ${typeof bytes}`));
    }
  };

  readonly #onClosed = (error?: Error): void => this.#close(error);

  #call(action: () => void): void {
    this.#calls++;
    try {
      action();
    } catch (error) {
      this.#onFailed(error);
    } finally {
      this.#calls--;
    }
  }

  /** The end of the link, whoever wanted it; also of a transport that says it is closed, which may hold something still. */
  #close(error?: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#queue = [];
    clearTimeout(this.#linger);
    try {
      this.#transport.close();
    } catch {
      // It is not used any more; `closed` already tells what there is to know.
    }
    this.#defer((sink) => sink.closed(error));
  }

  #emit(event: (sink: LinkSink) => void): void {
    if (this.#calls > 0 || this.#events.length > 0) this.#defer(event);
    else if (this.#sink !== null) event(this.#sink);
  }

  #defer(event: (sink: LinkSink) => void): void {
    this.#events.push(event);
    if (this.#events.length === 1) queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    if (this.#sink === null) return;
    const events = this.#events;
    try {
      // What is emitted meanwhile joins the end of this list.
      for (const event of events) {
        if (this.#sink !== null) event(this.#sink);
      }
    } finally {
      events.length = 0;
    }
  };
}
