// Promises that may be left alone, and waiting that can be given up.
import { refTimer } from "./clock.js";

/** How long to wait: an abort rejects with signal.reason, the time with a TimeoutError. */
export interface Wait {
  signal?: AbortSignal;
  timeoutMs?: number;
}

/** Above it a timer fires at once. */
export const MAX_TIMEOUT_MS = 0x7fff_ffff;

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/** A promise whose rejection is nobody's crash: whoever awaits it gets it, and nobody has to. */
export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise: quiet(promise), resolve, reject };
}

/** Marks a rejection as handled; awaiting the promise still throws. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** An iterator whose promises may be left alone. */
export function quietly<T>(iterator: AsyncGenerator<T, void, undefined>): AsyncIterableIterator<T> {
  return {
    next: () => quiet(iterator.next()),
    return: () => quiet(iterator.return()),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** A rejected promise that nobody has to handle. */
export function rejected(reason: unknown): Promise<never> {
  return quiet(Promise.reject(reason));
}

export function ignore(): void {
  // A rejection that is reported elsewhere.
}

/**
 * Calls `giveUp` with the reason when the wait is over before the returned function is called.
 * An aborted signal calls it at once. `keepsAlive`: whether the time keeps the process alive.
 */
export function watchWait(
  wait: Wait | undefined,
  giveUp: (reason: unknown) => void,
  keepsAlive = true,
): () => void {
  if (!wait) return ignore;
  const { signal, timeoutMs } = wait;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => {
    stop();
    giveUp(signal!.reason);
  };
  const stop = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  };
  if (signal?.aborted) {
    giveUp(signal.reason);
    return ignore;
  }
  signal?.addEventListener("abort", onAbort, { once: true });
  // Longer than a timer can count is longer than anybody waits.
  if (timeoutMs !== undefined && timeoutMs <= MAX_TIMEOUT_MS) {
    timer = setTimeout(() => {
      stop();
      giveUp(new DOMException(`not done within ${timeoutMs} ms`, "TimeoutError"));
    }, timeoutMs);
    refTimer(timer, keepsAlive);
  }
  return stop;
}

/** Promises that wait for the same thing, each with its own patience. */
export class Waiters {
  /** Made when somebody waits: most conduits are idle. */
  #waiting: Set<Deferred<void>> | null = null;

  get size(): number {
    return this.#waiting?.size ?? 0;
  }

  /** Settles with resolveAll(), rejectAll(), or when `wait` is over. */
  add(wait?: Wait): Promise<void> {
    const { promise, resolve, reject } = deferred<void>();
    let over = false;
    const finish = (settle: () => void) => {
      if (over) return;
      over = true;
      this.#waiting?.delete(waiter);
      stop();
      settle();
    };
    const waiter: Deferred<void> = {
      promise,
      resolve: () => finish(resolve),
      reject: (reason) => finish(() => reject(reason)),
    };
    let stop = ignore;
    this.#waiting ??= new Set();
    this.#waiting.add(waiter);
    stop = watchWait(wait, waiter.reject);
    return promise;
  }

  resolveAll(): void {
    for (const waiter of [...(this.#waiting ?? [])]) waiter.resolve();
  }

  rejectAll(reason: unknown): void {
    for (const waiter of [...(this.#waiting ?? [])]) waiter.reject(reason);
  }
}
