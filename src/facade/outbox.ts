// Messages on their way into a conduit, in the order of send(). Almost always there is nothing here: a message goes straight
// into the replay ring. What has to wait, for room in the ring or for a Blob to be read, waits here and holds up what follows.
import { ConduitError } from "../errors.js";
import type { StableConduit } from "../session/stable-conduit.js";
import { binaryItem } from "./items.js";

interface Waiting {
  /** An item, or a Blob whose bytes will be one. */
  message: Uint8Array | Blob;
  /** Of the message, without what makes it an item. */
  size: number;
}

/** Forget what was sent from the front of the queue once it is so long: shifting each would move all. */
const COMPACT_AT = 1_024;

export class Outbox {
  readonly #conduit: StableConduit;
  readonly #maxBytes: number;
  readonly #onFailed: (error: unknown) => void;
  #queue: Waiting[] = [];
  #first = 0;
  #queuedBytes = 0;
  #pumping = false;
  #whenEmpty: (() => void) | null = null;
  /** Bytes of messages given to the conduit since it last had nothing to write. */
  #givenBytes = 0;

  /**
   * @param maxBytes what may wait here; more is CONDUIT_REPLAY_FULL
   * @param onFailed a message that waited was refused, or a Blob cannot be read: what follows it is not sent
   */
  constructor(conduit: StableConduit, maxBytes: number, onFailed: (error: unknown) => void) {
    this.#conduit = conduit;
    this.#maxBytes = maxBytes;
    this.#onFailed = onFailed;
  }

  /** Bytes of messages that were not yet written to a link, about: exact when none of them was, and when all were. */
  get bufferedBytes(): number {
    return this.#queuedBytes + Math.min(this.#givenBytes, this.#unsentBytes());
  }

  /** @throws ConduitError CONDUIT_FRAME_TOO_LARGE, CONDUIT_REPLAY_FULL, CONDUIT_CLOSED. */
  push(message: Uint8Array | Blob, size: number): void {
    if (this.#empty && message instanceof Uint8Array && this.#send(message, size)) return;
    if (this.#queuedBytes + size > this.#maxBytes) {
      const what = `more than maxBufferedBytes (${this.#maxBytes}) wait to be sent`;
      throw new ConduitError("CONDUIT_REPLAY_FULL", "local", what);
    }
    this.#queuedBytes += size;
    this.#queue.push({ message, size });
    if (!this.#pumping) this.#pump();
  }

  /** Calls it once nothing waits any more. */
  whenEmpty(call: () => void): void {
    if (this.#empty) call();
    else this.#whenEmpty = call;
  }

  /** What waits is not sent. */
  clear(): void {
    this.#queue = [];
    this.#first = 0;
    this.#queuedBytes = 0;
  }

  get #empty(): boolean {
    return this.#first === this.#queue.length && !this.#pumping;
  }

  /** What the conduit has not written to a link, with the frames around it. */
  #unsentBytes(): number {
    const { unsentBytes } = this.#conduit.stats();
    if (unsentBytes === 0) this.#givenBytes = 0;
    return unsentBytes;
  }

  /** false = no room now. */
  #send(item: Uint8Array, size: number): boolean {
    this.#unsentBytes();
    try {
      this.#conduit.send(item);
    } catch (error) {
      const { code } = error as ConduitError;
      if (code === "CONDUIT_REPLAY_FULL" || code === "CONDUIT_MEMORY") return false;
      throw error;
    }
    this.#givenBytes += size;
    return true;
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.#first < this.#queue.length) {
        const entry = this.#queue[this.#first];
        const { message, size } = entry;
        const item =
          message instanceof Uint8Array ? message : binaryItem(new Uint8Array(await message.arrayBuffer()));
        if (this.#queue[this.#first] !== entry) continue; // cleared meanwhile
        if (!this.#send(item, size)) {
          await this.#conduit.write(item);
          this.#givenBytes += size;
        }
        if (this.#queue[this.#first] !== entry) continue;
        this.#queuedBytes -= size;
        if (++this.#first >= COMPACT_AT) this.#compact();
      }
    } catch (error) {
      this.clear();
      this.#onFailed(error);
    } finally {
      this.#pumping = false;
    }
    this.#whenEmpty?.();
    this.#whenEmpty = null;
  }

  #compact(): void {
    this.#queue = this.#queue.slice(this.#first);
    this.#first = 0;
  }
}
