// The seed's view of a conduit: a sending and a receiving half, with prepared items.
import { ConduitError } from "../errors.js";
import type { Bytes } from "../link/link.js";
import type { Wait } from "./promises.js";
import type { StableConduit } from "./stable-conduit.js";

/** An item that is encoded and has no seq yet; it can be sent once. */
export interface Prepared {
  readonly bytes: Bytes;
}

/** The sending half. */
export class ConduitTx<S = Uint8Array> {
  readonly #conduit: StableConduit<S>;

  constructor(conduit: StableConduit<S>) {
    this.#conduit = conduit;
  }

  /** Encodes an item now; sendPrepared() sends it later. The item may change afterwards. @throws ConduitError CONDUIT_ENCODE */
  prepareSend(item: S): Prepared {
    if (item instanceof Uint8Array) return { bytes: new Uint8Array(item) };
    throw new ConduitError("CONDUIT_ENCODE", "local", "an item must be a Uint8Array", { fatal: false });
  }

  /** As conduit.write(): waits for room, in order. */
  sendPrepared(prepared: Prepared, wait?: Wait): Promise<void> {
    return this.#conduit.write(prepared.bytes as unknown as S, wait);
  }

  /** As conduit.end(). */
  close(wait?: Wait): Promise<void> {
    return this.#conduit.end(wait);
  }
}

/** The receiving half. */
export class ConduitRx<R = Bytes> {
  readonly #conduit: StableConduit<never, R>;

  constructor(conduit: StableConduit<never, R>) {
    this.#conduit = conduit;
  }

  /** As conduit.recv(). */
  recv(wait?: Wait): Promise<R | undefined> {
    return this.#conduit.recv(wait);
  }
}
