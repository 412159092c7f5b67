// Listeners of a conduit: a few types, few listeners, nothing on the hot path.

import { ignore } from "./promises.js";

export interface ListenerOptions {
  signal?: AbortSignal;
  once?: boolean;
}

export class Listeners<Events extends object> {
  /** Made with the first listener: most conduits have none. */
  #byType: Map<keyof Events, Set<(event: never) => void>> | null = null;

  /** Returns a function that removes the listener. */
  add<K extends keyof Events>(
    type: K,
    listener: (event: Events[K]) => void,
    options: ListenerOptions = {},
  ): () => void {
    const { signal, once } = options;
    if (signal?.aborted) return ignore;
    const entry = once
      ? (event: Events[K]) => {
          remove();
          listener(event);
        }
      : (event: Events[K]) => listener(event);
    const remove = () => {
      this.#byType?.get(type)?.delete(entry as (event: never) => void);
      signal?.removeEventListener("abort", remove);
    };
    this.#byType ??= new Map();
    let listeners = this.#byType.get(type);
    if (!listeners) this.#byType.set(type, (listeners = new Set()));
    listeners.add(entry as (event: never) => void);
    signal?.addEventListener("abort", remove, { once: true });
    return remove;
  }

  /** A listener that throws is the application's mistake: it surfaces as an uncaught exception, and disturbs nobody here. */
  emit<K extends keyof Events>(type: K, event: Events[K]): void {
    for (const listener of [...(this.#byType?.get(type) ?? [])]) {
      try {
        (listener as (event: Events[K]) => void)(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
