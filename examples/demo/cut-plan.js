// When the demo's links are cut: at random bytes, spread over the whole run, some of them within a handshake.
import { randomFrom } from "./chaos-proxy.js";

/** One cut in so many strikes within the first bytes of a link: its hello, its settings, the start of the replay. */
const EARLY_ONE_IN = 8;
const EARLY_BYTES = 256;
/** By time, a cut that found no link strikes within so many bytes of the next: enough for some progress. */
const LATE_BYTES = 65_536;
/** The first link lives so long: until the session exists there is nothing to resume. */
const FIRST_BYTES = 512;

/**
 * @typedef {object} Plan
 * @property {() => number | null} nextLink a link opens: after how many bytes, both ways together, is it cut?
 * @property {() => void} stop no further cuts
 */

/**
 * For a run of a known size. What has still to arrive is divided by the cuts that are left, anew for each link.
 *
 * @param {object} options
 * @param {number} options.cuts
 * @param {number} options.seed
 * @param {number} options.totalBytes that have to arrive, both ways together
 * @param {() => number} options.arrivedBytes that have arrived; the peers tell it when a link dies
 * @param {() => number} options.passedBytes through the proxy: what a cut destroys passes again
 * @returns {Plan}
 */
export function planByBytes({ cuts, seed, totalBytes, arrivedBytes, passedBytes }) {
  const random = randomFrom(seed);
  let left = cuts;
  let first = true;

  return {
    nextLink() {
      if (left === 0) return null;
      const arrived = arrivedBytes();
      const remaining = Math.max(0, totalBytes - arrived);
      const average = remaining / (left + 1);
      left--;
      if (first) {
        first = false;
        return FIRST_BYTES + Math.floor(random() * average);
      }
      if (random() < 1 / EARLY_ONE_IN) return 1 + Math.floor(random() * EARLY_BYTES);
      // More passes than arrives, but that cannot be relied on: the last cut has to come before the end.
      const stretch = Math.min(3, Math.max(1, passedBytes() / Math.max(1, arrived)));
      const most = Math.max(EARLY_BYTES, Math.min(2 * average * stretch, remaining / 3));
      return 1 + Math.floor(random() * most);
    },
    stop() {
      left = 0;
    },
  };
}

/**
 * For a run of a known time: cuts at random moments. One that comes while no link is there strikes the next.
 *
 * @param {object} options
 * @param {number} options.cuts
 * @param {number} options.seed
 * @param {number} options.milliseconds
 * @param {() => number} options.cutsSoFar
 * @param {() => void} options.cutNow cuts what is connected
 * @returns {Plan}
 */
export function planByTime({ cuts, seed, milliseconds, cutsSoFar, cutNow }) {
  const random = randomFrom(seed);
  let due = 0;
  const strike = () => {
    due++;
    cutNow();
  };
  /** @type {NodeJS.Timeout[] | null} */
  let timers = null;

  return {
    nextLink() {
      // From the first link on, and not in the last moments: the last cuts are to be survived within the time too.
      timers ??= Array.from({ length: cuts }, () =>
        setTimeout(strike, (0.03 + 0.92 * random()) * milliseconds),
      );
      if (cutsSoFar() >= due) return null;
      const early = random() < 1 / EARLY_ONE_IN;
      return 1 + Math.floor(random() * (early ? EARLY_BYTES : LATE_BYTES));
    },
    stop() {
      for (const timer of timers ?? []) clearTimeout(timer);
      due = 0;
    },
  };
}
