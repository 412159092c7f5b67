// What an ABORT means to the side that gets it [ext.control].
import { ConduitError, sessionLost } from "../errors.js";
import { AbortCode } from "./control.js";

/** How the session ends, null = cleanly; or that only this link is refused, and the next one may fare better. */
export type AbortMeaning = { ends: ConduitError | null } | { dropsLink: ConduitError };

export interface AbortContext {
  /** Initiator, handshake not complete. */
  readonly greeting: boolean;
  /** Nothing was ever exchanged. */
  readonly fresh: boolean;
  /** Both directions had ended: whatever the reason, nothing is lost [ext.fin]. */
  readonly bothEnded: boolean;
}

export function meaningOfAbort(
  { code, retryAfterMs, reason }: { code: number; retryAfterMs: number; reason: string },
  { greeting, fresh, bothEnded }: AbortContext,
): AbortMeaning {
  const said = reason === "" ? "" : `: ${reason}`;
  const aborted = (what: string): AbortMeaning => ({
    ends: bothEnded
      ? null
      : new ConduitError("CONDUIT_ABORTED", "peer", `${what}${said}`, {
          retryAfterMs: retryAfterMs || undefined,
        }),
  });
  switch (code) {
    case AbortCode.ended:
      return aborted("the peer has ended the session");
    case AbortCode.violation:
      return { ends: new ConduitError("CONDUIT_PROTOCOL", "local", `the peer reports a violation${said}`) };
    case AbortCode.unauthorized: {
      const error = new ConduitError(
        "CONDUIT_UNAUTHORIZED",
        "peer",
        `the acceptor refused the credentials${said}`,
      );
      return greeting ? { dropsLink: error } : { ends: error };
    }
    case AbortCode.expired:
      return { ends: bothEnded ? null : sessionLost("expired", `the session has expired${said}`) };
    case AbortCode.unknown:
      return {
        ends: bothEnded ? null : sessionLost("rejected", `the acceptor does not know this session${said}`),
      };
    case AbortCode.shutdown:
      return aborted("the peer shuts down");
    case AbortCode.overloaded: {
      const what = `the acceptor is overloaded${said}`;
      if (!greeting || !fresh) return aborted("the peer is overloaded");
      return { dropsLink: new ConduitError("CONDUIT_LINK", "peer", what, { fatal: false, retryAfterMs }) };
    }
    case AbortCode.schema:
      return bothEnded
        ? { ends: null }
        : {
            ends: new ConduitError(
              "CONDUIT_SCHEMA",
              "local",
              `the schemas of the two sides do not fit${said}`,
            ),
          };
    case AbortCode.handler:
      return aborted("the peer's handler failed");
    case AbortCode.decode:
      return aborted("the peer could not decode an item");
    default:
      return aborted("the peer has aborted the session");
  }
}
