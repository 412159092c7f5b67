// A bound on replay ring memory that several sessions share: those of one tenant, or all of a thread.
import { optionsError } from "./errors.js";

/**
 * Shared by the sessions that `authorize` returns it for. A ring that would grow beyond it fails with
 * CONDUIT_MEMORY (or write() waits); 64 KiB per session are always granted.
 */
export class MemoryBudget {
  /** The bound in bytes. */
  readonly bytes: number;
  #used = 0;
  readonly #waiting = new Set<() => void>();

  constructor(bytes: number) {
    if (!Number.isInteger(bytes) || bytes < 0) {
      throw optionsError(`a MemoryBudget must be a whole number of bytes, got ${bytes}`);
    }
    this.bytes = bytes;
  }

  /** Bytes of all rings that are charged to it, in regions, not in items. */
  get used(): number {
    return this.#used;
  }

  /** Whether `bytes` more stay within the bound. */
  fits(bytes: number): boolean {
    return this.#used + bytes <= this.bytes;
  }

  /** Charges (or, negative, returns) bytes. @internal */
  charge(bytes: number): void {
    this.#used += bytes;
    if (bytes < 0 && this.#waiting.size > 0) queueMicrotask(() => this.#wake());
  }

  /** Calls back once, after some of it was returned: there may be room now. @internal */
  whenReturned(wake: () => void): void {
    this.#waiting.add(wake);
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
