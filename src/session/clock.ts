// Where time and randomness enter. Everything below session/ gets them as arguments.
import type { Bytes } from "../link/link.js";
import { MAX_TIMEOUT_MS } from "./promises.js";

/** Milliseconds of a clock that never goes back. */
export function now(): number {
  return performance.now();
}

/** A CSPRNG's bytes: resume keys are secrets [resume.key]. */
export function randomBytes(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** For logs only, so it need not be long. */
export function randomId(): string {
  return Array.from(randomBytes(8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * One timer that is set again and again. Setting it later than it stands costs nothing: it wakes up early once,
 * and whoever is woken asks for the deadline again.
 */
export class Alarm {
  readonly #wake: () => void;
  #handle: ReturnType<typeof setTimeout> | undefined;
  #at = Number.POSITIVE_INFINITY;
  #ref = true;

  constructor(wake: () => void) {
    this.#wake = wake;
  }

  set(at: number, currently: number): void {
    if (at >= this.#at) return;
    this.clear();
    if (at === Number.POSITIVE_INFINITY) return;
    this.#at = at;
    // Rounded up: a timer that fires a little early would find nothing to do and be set again.
    const delay = Math.min(Math.max(0, Math.ceil(at - currently)), MAX_TIMEOUT_MS);
    this.#handle = setTimeout(() => {
      this.#at = Number.POSITIVE_INFINITY;
      this.#handle = undefined;
      this.#wake();
    }, delay);
    if (!this.#ref) unrefTimer(this.#handle);
  }

  clear(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
    this.#at = Number.POSITIVE_INFINITY;
  }

  ref(keepsAlive: boolean): void {
    this.#ref = keepsAlive;
    if (this.#handle === undefined) return;
    if (keepsAlive) (this.#handle as { ref?(): void }).ref?.();
    else unrefTimer(this.#handle);
  }
}

/** Node's timers keep the process alive unless told otherwise; a browser's are numbers. */
function unrefTimer(handle: unknown): void {
  (handle as { unref?(): void }).unref?.();
}
