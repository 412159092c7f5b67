// When to give up a link that works, for what the peer will say and send on the next one: the base profile has no other
// way to ask. There are two questions: what has it received, when we need an ack that does not come [base.probe]; and what
// may it have kept back at the last reconnect, when it is silent [base.again].

/** A question that brought nothing is asked again after twice the time, so often at most. */
const MAX_DOUBLINGS = 6;
const NEVER = Number.POSITIVE_INFINITY;

export class Asking {
  /** The peer offered the extended profile: it has not the reference's habits, and keeps nothing back. */
  keepsNothingBack = false;

  readonly #probeMs: number;
  #links = 0; // that were used, with or without a handshake
  #openedAt = 0; // the newest of them
  #ackAt = 0; // the newest ack came
  #neededSince = NEVER; // an ack is
  #fruitless = 0; // probes since the last ack
  #again = 0; // links given up to ask again since an item came

  constructor(probeMs: number) {
    this.#probeMs = probeMs;
  }

  // ------------------------------------------------------------------ what happens

  handleLink(now: number): void {
    this.#links++;
    this.#openedAt = now;
  }

  handleOpen(now: number): void {
    this.#openedAt = this.#ackAt = now;
  }

  handleLinkGone(): void {
    this.#neededSince = NEVER;
  }

  handleAck(now: number): void {
    this.#ackAt = now;
    this.#neededSince = NEVER;
    this.#fruitless = 0;
  }

  handleItem(): void {
    this.#again = 0;
  }

  /** The session had a link before it was suspended: the next one is not its first. */
  handleRestored(): void {
    this.#links = 1;
  }

  // ------------------------------------------------------------------ for an ack [base.probe]

  /** @param needed an ack is, and the answer can do no harm */
  probeAt(needed: boolean, now: number): number {
    if (!needed) this.#neededSince = NEVER;
    else if (this.#neededSince === NEVER) this.#neededSince = now;
    // On a link too slow for one frame in this time, probing at the same pace would stop all progress.
    return Math.max(this.#neededSince, this.#ackAt, this.#openedAt) + this.#patience(this.#fruitless);
  }

  handleProbe(): void {
    this.#neededSince = NEVER;
    this.#fruitless++;
  }

  // ------------------------------------------------------------------ for what was kept back [base.again]

  /** @param lastHeard when the peer last said something on this link */
  againAt(lastHeard: number): number {
    if (this.#links < 2 || this.keepsNothingBack) return NEVER;
    return lastHeard + this.#patience(this.#again);
  }

  handleAgain(): void {
    this.#again++;
  }

  #patience(vain: number): number {
    return this.#probeMs * 2 ** Math.min(vain, MAX_DOUBLINGS);
  }
}
