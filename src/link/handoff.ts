// How a link's far end gets into another thread: in a message to whatever that thread listens on anyway, be it a Worker,
// its global scope, parentPort of node:worker_threads or a port. Other messages there are left alone.
import { linkError } from "../errors.js";
import type { Link, LinkServer } from "./link.js";

/** A Worker, a worker's global scope, `parentPort`, or a MessagePort. */
export interface MessageTarget {
  postMessage(message: unknown, transfer: never[]): void;
}

/** Its events, which browsers and Node type and deliver differently. */
interface Events {
  on?(type: string, listener: (value: never) => void): void;
  off?(type: string, listener: (value: never) => void): void;
  addEventListener?(type: string, listener: (event: never) => void): void;
  removeEventListener?(type: string, listener: (event: never) => void): void;
  /** Ports that have addEventListener deliver only then. */
  start?(): void;
  ref?(): void;
  unref?(): void;
}

/** Calls back with the message or the error itself. Returns what undoes it. */
export function listenTo(target: object, type: string, listener: (value: unknown) => void): () => void {
  const events = target as Events;
  if (events.on && events.off) {
    events.on(type, listener);
    return () => events.off?.(type, listener);
  }
  const unwrap = (event: MessageEvent) => listener(event.data);
  events.addEventListener?.(type, unwrap);
  return () => events.removeEventListener?.(type, unwrap);
}

const KEY = "stable-conduit";

/** Posts a link's far end; the acceptor there listens with the same `kind`. */
export function handOff(target: MessageTarget, kind: string, end: object, transfer: object[]): void {
  target.postMessage({ [KEY]: kind, ...end }, transfer as never[]);
}

/** Makes links from what is handed off to this thread. */
export class HandoffServer<End> implements LinkServer {
  readonly #scope: Events;
  readonly #kind: string;
  readonly #toLink: (end: End) => Link;
  #stop: (() => void) | undefined;

  constructor(scope: object, kind: string, toLink: (end: End) => Link) {
    this.#scope = scope;
    this.#kind = kind;
    this.#toLink = toLink;
  }

  async listen(onLink: (link: Link) => void, onError: (error: Error) => void): Promise<string> {
    this.#stop = listenTo(this.#scope, "message", (message) => {
      if ((message as { [KEY]?: unknown } | null)?.[KEY] !== this.#kind) return;
      let link: Link;
      try {
        link = this.#toLink(message as End);
      } catch (cause) {
        return onError(linkError(`what was handed off is no ${this.#kind}`, cause));
      }
      onLink(link);
    });
    this.#scope.start?.();
    return this.#kind;
  }

  async close(): Promise<void> {
    this.#stop?.();
  }

  ref(): void {
    this.#scope.ref?.();
  }

  unref(): void {
    this.#scope.unref?.();
  }
}
