// Every way a conduit can fail: one class, a code to switch on, and who is to blame [error.blame].

/** What went wrong. README has a line for each. */
export type ErrorCode =
  | "CONDUIT_OPTIONS"
  | "CONDUIT_CLOSED"
  | "CONDUIT_REPLAY_FULL"
  | "CONDUIT_MEMORY"
  | "CONDUIT_HANDLER"
  | "CONDUIT_FRAME_TOO_LARGE"
  | "CONDUIT_ENCODE"
  | "CONDUIT_DECODE"
  | "CONDUIT_SCHEMA"
  | "CONDUIT_STATE"
  | "CONDUIT_LINK"
  | "CONDUIT_HANDSHAKE_TIMEOUT"
  | "CONDUIT_PROTOCOL"
  | "CONDUIT_SESSION_LOST"
  | "CONDUIT_ABORTED"
  | "CONDUIT_UNAUTHORIZED";

/** Who broke it: `local` misused the API, `peer` broke a rule of PROTOCOL.md, `link` is the transport. */
export type Blame = "local" | "peer" | "link";

/** Why a session could not go on (CONDUIT_SESSION_LOST). */
export type LostReason =
  | "rejected"
  | "expired"
  | "peer-restarted"
  | "gap"
  | "sequence-exhausted"
  | "source-ended";

export interface ConduitErrorDetails {
  /** false: a later attempt may succeed (a link that died); true: this session is over. Default true. */
  fatal?: boolean;
  cause?: unknown;
  /** The rule of PROTOCOL.md that was broken (CONDUIT_PROTOCOL). */
  rule?: string;
  /** CONDUIT_SESSION_LOST only. */
  reason?: LostReason;
  /** The peer asked not to come back earlier, milliseconds. */
  retryAfterMs?: number;
}

/** The only error class that this package throws, rejects or reports. */
export class ConduitError extends Error {
  override readonly name = "ConduitError";
  readonly code: ErrorCode;
  readonly blame: Blame;
  readonly fatal: boolean;
  readonly rule: string | undefined;
  readonly reason: LostReason | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, blame: Blame, message: string, details: ConduitErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.blame = blame;
    this.fatal = details.fatal ?? true;
    this.rule = details.rule;
    this.reason = details.reason;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** The peer broke a rule: fatal, with the rule's id in the message [error.fatal]. */
export function violation(rule: string, what: string): ConduitError {
  return new ConduitError("CONDUIT_PROTOCOL", "peer", `${what} [${rule}]`, { rule });
}

/** A link failed; the session goes on and the next attempt may do better. */
export function linkError(what: string, cause?: unknown): ConduitError {
  const error = new ConduitError("CONDUIT_LINK", "link", what, { fatal: false, cause });
  // A stack that nobody has looked at holds the objects of its frames. A session keeps this error for as long as it has
  // no link, and would keep the dead link and its socket with it.
  error.stack = `${error.name}: ${what}`;
  if (cause instanceof Error) void cause.stack;
  return error;
}

/** The session cannot go on and nobody misbehaved (or nobody that is still there). */
export function sessionLost(reason: LostReason, what: string, cause?: unknown): ConduitError {
  const blame = reason === "source-ended" ? "link" : reason === "sequence-exhausted" ? "local" : "peer";
  return new ConduitError("CONDUIT_SESSION_LOST", blame, what, { reason, cause });
}

/** The caller passed something that cannot work; nothing has changed. */
export function optionsError(what: string): ConduitError {
  return new ConduitError("CONDUIT_OPTIONS", "local", what, { fatal: false });
}
