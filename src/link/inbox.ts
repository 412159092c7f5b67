// What a transport tells while nobody listens: before start(), and while it is paused. It comes out in its order.
import type { TransportSink } from "./link-from.js";

export class Inbox implements TransportSink {
  #sink: TransportSink | null = null;
  #paused = false;
  readonly #held: Uint8Array[] = [];
  #end: { error: Error | undefined } | null = null;

  /** Bytes wait here: time to hold the peer back. */
  get full(): boolean {
    return this.#held.length > 0;
  }

  bytes(bytes: Uint8Array): void {
    this.#held.push(bytes);
    this.#flush();
  }

  /** The end waits behind the bytes. Only the first one counts. */
  closed(error?: Error): void {
    this.#end ??= { error };
    this.#flush();
  }

  start(sink: TransportSink): void {
    this.#sink = sink;
    this.#flush();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#flush();
  }

  #flush(): void {
    const sink = this.#sink;
    if (sink === null) return;
    while (!this.#paused && this.#held.length > 0) sink.bytes(this.#held.shift()!);
    if (this.#held.length === 0 && this.#end !== null) sink.closed(this.#end.error);
  }
}
