// @ts-check
// Counts what numbered messages tell about their way: how many are missing, how many came again.

export class Arrivals {
  came = 0;
  lost = 0;
  repeated = 0;
  #next;

  /** @param {number} next the number that should come next */
  constructor(next = 0) {
    this.#next = next;
  }

  /** @param {number} n */
  note(n) {
    if (n < this.#next) {
      this.repeated++;
      return;
    }
    this.came++;
    this.lost += n - this.#next;
    this.#next = n + 1;
  }

  sum() {
    return { lost: this.lost, repeated: this.repeated };
  }
}
