// How long to wait before the next attempt [resume.retry]: exponential with full jitter, so that the clients of
// a restarted server do not come back at the same moment.

/**
 * @param attempt failed attempts since the last progress, from 0
 * @param random uniform in [0, 1)
 * @returns milliseconds, uniform in [0, min(capMs, baseMs * 2^attempt))
 */
export function backoffMs(attempt: number, baseMs: number, capMs: number, random: number): number {
  return random * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 52));
}
