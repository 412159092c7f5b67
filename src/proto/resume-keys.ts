// The acceptor's keys of one session [resume.commit]: one confirmed, at most one offered, both valid. The offered
// one is repeated until the initiator shows that it has it, so neither a lost ServerHello nor a late ClientHello
// strands anybody.
import type { Bytes } from "../link/link.js";
import { sameKey } from "./handshake.js";

export class ResumeKeys {
  #confirmed: Bytes | null = null;
  #offered: Bytes | null = null;

  /** The keys that find this session. */
  get valid(): Bytes[] {
    return [this.#confirmed, this.#offered].filter((key) => key !== null);
  }

  get unconfirmed(): boolean {
    return this.#offered !== null;
  }

  holds(key: Uint8Array | null): boolean {
    return sameKey(key, this.#confirmed) || sameKey(key, this.#offered);
  }

  /** The key for the next ServerHello: the one that is already on offer, or `fresh`. */
  offer(fresh: Bytes): Bytes {
    this.#offered ??= fresh;
    return this.#offered;
  }

  /** The initiator presented `key`: an offered one is confirmed by that. */
  present(key: Uint8Array | null): void {
    if (sameKey(key, this.#offered)) this.confirm();
  }

  /** The initiator has shown that it has the offered key: the older one is void. */
  confirm(): void {
    if (this.#offered === null) return;
    this.#confirmed = this.#offered;
    this.#offered = null;
  }
}
