// A receiver's watch, in a page or in Node: from the first arrival after the warm-up to the first one `seconds` later.

export class Meter {
  /** All that came, before and after the measurement too. */
  messages = 0;
  /** Sum of the items' first bytes: each was looked at. */
  firstBytes = 0;
  /** Items per second; NaN until it is measured. */
  rate = Number.NaN;
  #warmUntil = Number.NaN;
  #start = { at: 0, messages: 0 };
  #warmupMs;
  #measureMs;

  /**
   * @param {number} warmupSeconds
   * @param {number} seconds
   */
  constructor(warmupSeconds, seconds) {
    this.#warmupMs = warmupSeconds * 1_000;
    this.#measureMs = seconds * 1_000;
  }

  /**
   * @param {number} messages
   * @param {number} firstBytes
   */
  received(messages, firstBytes) {
    this.messages += messages;
    this.firstBytes += firstBytes;
    const at = performance.now();
    if (this.#start.at > 0) {
      const elapsed = at - this.#start.at;
      if (Number.isNaN(this.rate) && elapsed >= this.#measureMs) {
        this.rate = (this.messages - this.#start.messages) / (elapsed / 1_000);
      }
    } else if (Number.isNaN(this.#warmUntil)) {
      this.#warmUntil = at + this.#warmupMs;
    } else if (at >= this.#warmUntil) {
      this.#start = { at, messages: this.messages };
    }
  }
}
