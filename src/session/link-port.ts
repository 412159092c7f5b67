// A link's sink that can change hands: a greeting reads the first bytes, a session takes over from there.
import type { Bytes, Link, LinkSink } from "../link/link.js";

const ports = new WeakMap<Link, LinkPort>();

export class LinkPort implements LinkSink {
  readonly link: Link;
  /** Writes that are not reported yet. */
  unwritten = 0;
  #target: LinkSink | null = null;
  // What came while nobody listened, or before the listener's turn.
  readonly #backlog: Bytes[] = [];
  #closed: { error: Error | undefined } | null = null;
  #draining = false;

  private constructor(link: Link) {
    this.link = link;
  }

  /** Starts the link, or takes it over from whoever had it; `target` gets everything that was not read yet. */
  static of(link: Link, target: LinkSink | null): LinkPort {
    let port = ports.get(link);
    if (port) {
      port.handTo(target);
      return port;
    }
    port = new LinkPort(link);
    ports.set(link, port);
    port.#target = target;
    link.start(port);
    return port;
  }

  /** null: what arrives is kept and the link is paused. */
  handTo(target: LinkSink | null, unread: readonly Bytes[] = []): void {
    this.#backlog.unshift(...unread);
    this.#target = target;
    if (target === null) this.link.pause();
    else this.#drainLater();
  }

  write(bytes: Uint8Array): void {
    this.unwritten++;
    this.link.write(bytes);
  }

  bytes(chunk: Bytes): void {
    if (this.#target && this.#backlog.length === 0) this.#target.bytes(chunk);
    else this.#backlog.push(chunk);
  }

  written(): void {
    this.unwritten--;
    this.#target?.written();
  }

  closed(error?: Error): void {
    this.#closed = { error };
    if (this.#target && this.#backlog.length === 0) this.#target.closed(error);
  }

  /** Not from inside handTo(): its caller is not ready for events yet. */
  #drainLater(): void {
    if (this.#draining || (this.#backlog.length === 0 && !this.#closed)) {
      this.link.resume();
      return;
    }
    this.#draining = true;
    queueMicrotask(() => {
      this.#draining = false;
      while (this.#target && this.#backlog.length > 0) this.#target.bytes(this.#backlog.shift()!);
      if (!this.#target) return;
      if (this.#closed) this.#target.closed(this.#closed.error);
      else this.link.resume();
    });
  }
}
