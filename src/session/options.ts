// What an application can set, checked once.
import { type ConduitError, optionsError } from "../errors.js";
import type { Limits } from "../limits.js";
import type { Bytes, LinkInfo } from "../link/link.js";
import type { Attempt } from "../link/source.js";
import type { MemoryBudget } from "../memory-budget.js";
import type { Undelivered } from "../proto/replay.js";
import type { Schemas } from "./messages.js";
import type { PageWindow } from "./page-life.js";
import type { RetryOptions } from "./reconnect.js";
import type { StableConduit } from "./stable-conduit.js";

export type Awaitable<T> = T | PromiseLike<T>;

/** What both sides can set for a session. */
export interface SessionOptions extends Limits {
  /**
   * "extended" (default): offered to the peer, or taken when it offers; the base profile where it does not.
   * "base": only what vox-core 0.4.0 speaks.
   */
  profile?: "extended" | "base";
  /** true: this side goes on sending after the peer has ended. Default false: it ends too, once the peer's end was read. */
  allowHalfOpen?: boolean;
}

export interface ConnectOptions<S = Uint8Array, R = Bytes> extends SessionOptions {
  /** Typed messages, with schemas of "stable-conduit/schema". Default: bytes both ways. */
  schema?: Schemas<S, R>;
  /** Rules the conduit's whole life: when it aborts, the conduit does. */
  signal?: AbortSignal;
  /** The first link must be open by then, or the conduit ends. Milliseconds, default 30 000, Infinity = never. */
  connectTimeoutMs?: number;
  /** Asked on every attempt, because tokens expire. Sent in the extended profile only. */
  credentials?: (attempt: Attempt) => Awaitable<Uint8Array | string>;
  /** Full-jitter exponential backoff between attempts. */
  retry?: RetryOptions;
  /**
   * Follow the life of the page: attempts are rare while it is hidden or offline, its link is given up before it is frozen,
   * and it has a new one at once when it is back. Default true, which does nothing where there is no `document`, as in Node
   * and in workers; or the window to follow.
   */
  pageLife?: boolean | PageWindow;
}

/** What is granted to a session. Limits given here are this session's. */
export interface Grant<D> extends Limits {
  /** Becomes `conduit.data`. */
  data: D;
  /** Charged with the session's ring, on top of maxMemoryBytes. */
  budget?: MemoryBudget;
}

export interface AuthorizeRequest<S, R, D> {
  kind: "new" | "resume";
  /** The session that would be resumed; null for a new one. */
  conduit: StableConduit<S, R, D> | null;
  /** What the initiator sent; null in the base profile, or when it sent none. */
  credentials: Uint8Array<ArrayBuffer> | null;
  link: LinkInfo;
  /** Aborted when the link dies or the handshake takes too long. */
  signal: AbortSignal;
}

export interface ListenOptions<S, R, D> extends SessionOptions {
  /** Typed messages, of all sessions. Default: bytes both ways. */
  schema?: Schemas<S, R>;
  /** More are refused by closing their link; a session that never spoke makes room first. Default 65 536. */
  maxSessions?: number;
  /** Links whose handshake is not complete; more are closed at once. Default 1 024. */
  maxPendingHandshakes?: number;
  /**
   * Runs for new sessions and for resumes, before the takeover and before any key is committed. null refuses this
   * link; the session of a refused resume lives on. A throw closes the link too, and the initiator may try again.
   */
  authorize?(request: AuthorizeRequest<S, R, D>): Awaitable<Grant<D> | null>;
}

export type Status =
  | {
      readonly state: "connecting" | "reconnecting";
      /** Failed attempts since the last progress. */
      readonly attempt: number;
      /** When the next attempt starts, milliseconds since the epoch; null = it is under way. */
      readonly retryAt: number | null;
      /**
       * When the acceptor forgets the session, milliseconds since the epoch; null = not known. An initiator learns of it
       * from the acceptor only: without one it goes on trying until `retry.giveUpMs`.
       */
      readonly expiresAt: number | null;
      readonly error: ConduitError | null;
    }
  | { readonly state: "open"; readonly profile: "base" | "extended"; readonly rttMs: number | null }
  | { readonly state: "suspended" | "closing" | "closed" };

/** How a session ended. */
export type Close<S> =
  | { readonly clean: true }
  | {
      readonly clean: false;
      readonly error: ConduitError;
      /**
       * What was sent and not acknowledged, oldest first, copied out of the ring. Items before `firstUnsent` were
       * written to a link and may have been delivered; the others were not. With a schema they are values again; what is
       * not of the type, which sendBatch() and sendInto() do not check, is there as its bytes.
       */
      readonly undelivered: Iterable<S> & { readonly length: number; readonly firstUnsent: number };
    };

export function undeliveredOf<S>({ items, firstUnsent }: Undelivered, { send }: Schemas<S, unknown>) {
  const decode = send?.messages.decoder("owned");
  const asSent = (item: Bytes): S => {
    try {
      return decode!(item, 0, item.length);
    } catch {
      return item as unknown as S; // the session has to end in any case, and nothing is to be lost with it
    }
  };
  const values = decode ? items.map(asSent) : (items as unknown as S[]);
  return Object.assign(values, { firstUnsent });
}

export interface Events<S, R> {
  status: Status;
  /** `downMs`: since the link before it died. `replayed`: items written again. */
  linkUp: { resumed: boolean; replayed: number; downMs: number };
  linkDown: { error: ConduitError };
  /** An item without replay [ext.control]; owned. */
  volatile: R;
  /** The peer has ended and everything before that was handed over. */
  end: undefined;
  close: Close<S>;
}

/** Counters (since the start) and gauges (now). */
export interface Stats {
  readonly sentItems: number;
  readonly receivedItems: number;
  /** Items that the consumer is done with. */
  readonly handedItems: number;
  readonly links: number;
  readonly resumes: number;
  readonly replayedItems: number;
  /** Base profile: how often items were found missing behind one that came too early. Late ones fill the gap. */
  readonly gaps: number;
  /** Base profile: how often a link was given up to have missing items sent again. */
  readonly gapResumes: number;
  readonly volatileDropped: number;
  /** Bytes unacknowledged, written or not. */
  readonly ringBytes: number;
  /** Linear memory that the ring has now. */
  readonly ringCapacityBytes: number;
  /** Bytes accepted and not yet written to a link, pending writes included. */
  readonly unsentBytes: number;
  /** Bytes received and not handed over. */
  readonly unhandedBytes: number;
  readonly unackedItems: number;
  readonly rttMs: number | null;
}

/** @throws ConduitError CONDUIT_OPTIONS */
export function checkSessionOptions(options: SessionOptions): void {
  const { profile, allowHalfOpen } = options;
  if (profile !== undefined && profile !== "extended" && profile !== "base") {
    throw optionsError(`profile must be "extended" or "base", got ${String(profile)}`);
  }
  if (allowHalfOpen !== undefined && typeof allowHalfOpen !== "boolean") {
    throw optionsError("allowHalfOpen must be true or false");
  }
}

/** @throws ConduitError CONDUIT_OPTIONS */
export function checkMs(name: string, value: number | undefined, fallback: number): number {
  const ms = value ?? fallback;
  if (typeof ms !== "number" || Number.isNaN(ms) || ms < 0) {
    throw optionsError(`${name} must be a number of milliseconds, 0 or more, got ${String(value)}`);
  }
  return ms;
}
