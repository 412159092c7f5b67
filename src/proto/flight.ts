// How much to have on its way to the peer [ext.flight]: what keeps the path busy, not what fills the buffers along it.
// A kernel takes several megabytes that nobody has received; all of it only makes later items wait, the replay ring
// large, and both fall out of the processor's caches. The bound is the one of BBR (draft-ietf-ccwg-bbr): a multiple
// of the best rate of delivery times the shortest time from a write to its ack.

/** Always allowed: more than loopback and a local network need, and several acks' worth [ack.delay]. */
export const LEAST_FLIGHT_BYTES = 1_048_576;
/** Room for acks that come late and in lumps, and to find out that the path can do more. */
const GAIN = 2;
/** A shortest time older than this is measured again, with little on the way. */
const PATH_CHANGES_MS = 10_000;
/** Clocks of pages are coarse. */
const LEAST_RTT_MS = 0.1;
/** What is left of the best rate with each measurement that does not reach it. */
const RATE_DECAY = 0.9;

export class Flight {
  /** Bytes that may be unacknowledged now. */
  limit = LEAST_FLIGHT_BYTES;
  /** This limit has kept something back since the last measurement: what it shows is the path's rate, not the application's. */
  limited = false;

  // One measurement at a time, from a write to the ack that covers it. Positions are bytes of this link.
  #written = 0;
  #target = 0; // 0 = none is under way
  #startedAt = 0;
  #ackedAtStart = 0;

  #bytesPerMs = 0;
  #shortestMs = Number.POSITIVE_INFINITY;
  #measuredAt = 0; // when it was
  #draining = false; // until it is measured again

  /** @param inFlight bytes that are unacknowledged, these included */
  written(bytes: number, inFlight: number, now: number): void {
    this.#written += bytes;
    // A record that is larger than the least is alone on the way when there is little.
    if (this.#target > 0 || (this.#draining && inFlight > Math.max(LEAST_FLIGHT_BYTES, bytes))) return;
    this.#target = this.#written;
    this.#startedAt = now;
    this.#ackedAtStart = this.#written - inFlight;
  }

  /** @param inFlight bytes that are still unacknowledged */
  acked(inFlight: number, now: number): void {
    const acked = this.#written - inFlight;
    if (this.#target === 0 || acked < this.#target) return;
    this.#target = 0;
    const ms = Math.max(LEAST_RTT_MS, now - this.#startedAt);
    const bytesPerMs = (acked - this.#ackedAtStart) / ms;
    if (this.limited || bytesPerMs > this.#bytesPerMs)
      this.#bytesPerMs = Math.max(bytesPerMs, this.#bytesPerMs * RATE_DECAY);
    this.limited = false;
    if (ms <= this.#shortestMs || this.#draining) {
      this.#shortestMs = ms;
      this.#measuredAt = now;
      this.#draining = false;
    } else {
      this.#draining = now - this.#measuredAt > PATH_CHANGES_MS;
    }
    const useful = GAIN * this.#bytesPerMs * this.#shortestMs;
    this.limit = this.#draining ? LEAST_FLIGHT_BYTES : Math.max(LEAST_FLIGHT_BYTES, useful);
  }
}
