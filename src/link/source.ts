// Where a conduit gets its next link from: the seed's LinkSource and Attachment.
import type { ConduitError } from "../errors.js";
import type { Bytes, Link } from "./link.js";

/** The initiator's first payload [hello.client], read. */
export interface ClientHello {
  /** 16 bytes, or null for a new session. */
  readonly resumeKey: Bytes | null;
  /** Last seq that was handed over, null for none. */
  readonly lastReceived: number | null;
  /** Offers the extended profile. */
  readonly extended: boolean;
}

/** One attempt to get a link. */
export interface Attempt {
  /** 0 for the first link, then counting up; back to 1 after progress. */
  readonly number: number;
  /** Why the attempt before this one failed or its link died. */
  readonly error: ConduitError | null;
  /** Aborted when the conduit does not want the link any more. */
  readonly signal: AbortSignal;
}

/**
 * Makes one attempt per call. It does not wait and does not retry: the backoff belongs to the conduit.
 * A rejection is a failed attempt; one with CONDUIT_SESSION_LOST `source-ended` ends the session.
 */
export interface LinkSource {
  nextLink(attempt: Attempt): Promise<Attachment>;
}

/** A link that is ready for the conduit's handshake: fresh for an initiator, with its ClientHello for an acceptor. */
export class Attachment {
  readonly link: Link;
  readonly clientHello: ClientHello | null;

  constructor(link: Link, clientHello: ClientHello | null) {
    this.link = link;
    this.clientHello = clientHello;
  }

  /** An initiator-side attachment: the conduit will write the ClientHello. */
  static initiator(link: Link): Attachment {
    return new Attachment(link, null);
  }
}
