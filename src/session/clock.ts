// Where time and randomness enter. Everything below session/ gets them as arguments.
import type { Bytes } from "../link/link.js";

/** Milliseconds of a clock that never goes back. */
export function now(): number {
  return performance.now();
}

/** Whether a timer keeps the process alive, as Node's do unless told otherwise; a browser's are numbers and do not. */
export function refTimer(timer: unknown, keepsAlive: boolean): void {
  const handle = timer as { ref?(): void; unref?(): void } | undefined;
  if (keepsAlive) handle?.ref?.();
  else handle?.unref?.();
}

/** A CSPRNG's bytes: resume keys are secrets [resume.key]. */
export function randomBytes(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** For logs only, so it need not be long. */
export function randomId(): string {
  return Array.from(randomBytes(8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
