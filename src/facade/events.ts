// What a platform may lack of a WebSocket's events, and the tasks that they come in.

/** The platform's, or one with the same members: Node 20 has none. */
export const CloseEvent: typeof globalThis.CloseEvent =
  globalThis.CloseEvent ??
  class CloseEvent extends Event {
    readonly wasClean: boolean;
    readonly code: number;
    readonly reason: string;

    constructor(type: string, init: CloseEventInit = {}) {
      super(type, init);
      this.wasClean = init.wasClean ?? false;
      this.code = init.code ?? 0;
      this.reason = init.reason ?? "";
    }
  };

type Run = () => void;

/**
 * Resolves in a task of its own. Each message has one, as in a browser: whoever awaits an event between two messages has
 * come back before the second.
 */
export const nextTask: () => Promise<void> = makeNextTask();

function makeNextTask(): () => Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (run: Run) => unknown };
  if (setImmediate) return () => new Promise((resolve) => setImmediate(resolve));
  const waiting: Run[] = [];
  let channel: MessageChannel | null = null;
  return () =>
    new Promise((resolve) => {
      channel ??= openChannel(waiting);
      waiting.push(resolve);
      channel.port1.postMessage(null);
    });
}

function openChannel(waiting: Run[]): MessageChannel {
  const channel = new MessageChannel();
  channel.port2.onmessage = () => waiting.shift()!();
  return channel;
}

/** The attributes onopen, onmessage, ...: a handler keeps its place among the listeners when it is replaced. */
export class Handlers {
  readonly #target: EventTarget;
  readonly #entries = new Map<string, { handler: unknown; listener: (event: Event) => void }>();

  constructor(target: EventTarget) {
    this.#target = target;
  }

  get(type: string): unknown {
    return this.#entries.get(type)?.handler ?? null;
  }

  /** What is no object is null, and a null is no listener. */
  set(type: string, handler: unknown): void {
    const entry = this.#entries.get(type);
    const usable = typeof handler === "function" || (typeof handler === "object" && handler !== null);
    if (!usable) {
      if (entry) this.#target.removeEventListener(type, entry.listener);
      this.#entries.delete(type);
    } else if (entry) {
      entry.handler = handler;
    } else {
      const added = {
        handler: handler as unknown,
        listener: (event: Event) => {
          if (typeof added.handler === "function") added.handler.call(this.#target, event);
        },
      };
      this.#entries.set(type, added);
      this.#target.addEventListener(type, added.listener);
    }
  }
}
