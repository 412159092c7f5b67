// The seed's view of a conduit: a sending and a receiving half, with prepared items.
import type { Bytes } from "../link/link.js";
import type { Wait } from "./promises.js";
import type { StableConduit } from "./stable-conduit.js";

/** An item that is encoded and has no seq yet. Each sendPrepared() sends it as an item of its own. */
export interface Prepared {
  readonly bytes: Bytes;
}

/** What a sending half needs of a sender, which is none of the public types. */
interface Preparing<S> {
  encode(item: S): Bytes;
  writeBytes(bytes: Uint8Array, wait?: Wait): Promise<void>;
}

/** The sending half. */
export class ConduitTx<S = Uint8Array> {
  readonly #sender: Preparing<S>;
  readonly #end: (wait?: Wait) => Promise<void>;

  /** Not for applications: use conduit.split(). */
  constructor(sender: Preparing<S>, end: (wait?: Wait) => Promise<void>) {
    this.#sender = sender;
    this.#end = end;
  }

  /** Encodes an item now; sendPrepared() sends it later. The item may change afterwards. @throws ConduitError CONDUIT_ENCODE */
  prepareSend(item: S): Prepared {
    return { bytes: this.#sender.encode(item) };
  }

  /** As conduit.write(): waits for room, in order. */
  sendPrepared(prepared: Prepared, wait?: Wait): Promise<void> {
    return this.#sender.writeBytes(prepared.bytes, wait);
  }

  /** As conduit.end(). */
  close(wait?: Wait): Promise<void> {
    return this.#end(wait);
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
