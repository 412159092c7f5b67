// @ts-check
// What a player may cost: a purse that fills with time, out of which each message is paid.

const MOST = 240;
const PER_SECOND = 120;
/** Flying steers 20 times a second; actions are told to all others, and ignored when the purse is empty. */
const PRICES = { Join: 1, Steer: 1, Ping: 1, Act: 6 };

export class Budget {
  #left = MOST;
  #at = performance.now();

  /**
   * @param {keyof typeof PRICES} type of the message
   * @returns {boolean} false: not now
   */
  pay(type) {
    const now = performance.now();
    this.#left = Math.min(MOST, this.#left + ((now - this.#at) / 1_000) * PER_SECOND);
    this.#at = now;
    if (this.#left < PRICES[type]) return false;
    this.#left -= PRICES[type];
    return true;
  }
}
