// Every bound of a session: its unit, default, reason and the error that tells it was reached.
// README's table of options is checked against this file by test/readme.test.ts.
import { optionsError } from "./errors.js";

const KIB = 1024;
const MIB = 1024 * KIB;

interface LimitSpec {
  unit: "bytes" | "ms" | "count";
  default: number;
  min: number;
  max: number;
}

/** A 31-bit timer overflows above this; 24.8 days is "for ever" for a link. */
const MAX_MS = 0x7fff_ffff;

/** Each with the reason for its default and what happens at the bound, as comments: pages load this file too. */
export const LIMITS = {
  /** Bound of the replay ring, taken on demand; full: CONDUIT_REPLAY_FULL, or write() waits [replay.bound]. */
  replayBytes: {
    unit: "bytes",
    default: 16 * MIB,
    min: 4 * KIB,
    max: 512 * MIB,
  },
  /** Accepted and not yet written to a link; above it `congested` is true. 1 MiB keeps a fast link busy. */
  highWaterBytes: {
    unit: "bytes",
    default: 1 * MIB,
    min: 1,
    max: 512 * MIB,
  },
  /**
   * Largest item, both ways; at most half of replayBytes. Larger: CONDUIT_FRAME_TOO_LARGE, or a violation
   * [link.max].
   */
  maxFrameBytes: {
    unit: "bytes",
    default: 8 * MIB,
    min: 1,
    max: 256 * MIB,
  },
  /**
   * Received and not yet handed over; default replayBytes. The peer stops at it [ext.window], or its link is
   * paused (base).
   */
  receiveWindow: {
    unit: "bytes",
    default: 16 * MIB,
    min: 4 * KIB,
    max: 1024 * MIB,
  },
  /**
   * All rings of this thread; a ring that would grow beyond it fails with CONDUIT_MEMORY. 64 KiB each are
   * always granted.
   */
  maxMemoryBytes: {
    unit: "bytes",
    default: 1024 * MIB,
    min: 64 * KIB,
    max: 1536 * MIB,
  },
  /** Text of a suspended session, longer: CONDUIT_STATE. Browsers keep 5 million characters per origin [resume.suspend]. */
  maxStateBytes: {
    unit: "bytes",
    default: 2 * MIB,
    min: 1 * KIB,
    max: 512 * MIB,
  },
  /** Handed over since the last ack: one is sent at once [ack.delay]. */
  ackBytes: {
    unit: "bytes",
    default: 256 * KIB,
    min: 1,
    max: 512 * MIB,
  },
  /** An ack waits this long for a frame to ride on or for more to acknowledge [ack.delay]. */
  ackDelayMs: {
    unit: "ms",
    default: 20,
    min: 0,
    max: MAX_MS,
  },
  /** Base profile: no ack for so long while one is needed drops the link, the resume brings it [base.probe]. */
  probeMs: {
    unit: "ms",
    default: 1_000,
    min: 1,
    max: MAX_MS,
  },
  /**
   * Base profile: how long a missing frame may be late before the link is dropped to get it again
   * [recv.gap].
   */
  gapTimeoutMs: {
    unit: "ms",
    default: 1_000,
    min: 1,
    max: MAX_MS,
  },
  /** From link to open session; then CONDUIT_HANDSHAKE_TIMEOUT and the link is closed [hello.timeout]. */
  handshakeTimeoutMs: {
    unit: "ms",
    default: 10_000,
    min: 1,
    max: MAX_MS,
  },
  /** Silence of the peer before a PING; 0 = never [ext.ping]. */
  keepaliveMs: {
    unit: "ms",
    default: 15_000,
    min: 0,
    max: MAX_MS,
  },
  /** Silence after a PING before the link is given up [ext.ping]. */
  keepaliveTimeoutMs: {
    unit: "ms",
    default: 10_000,
    min: 1,
    max: MAX_MS,
  },
  /** Base profile, which has no PING: silence of the peer before its link is given up; 0 = never [base.idle]. */
  idleTimeoutMs: {
    unit: "ms",
    default: 0,
    min: 0,
    max: MAX_MS,
  },
  /** Acceptor: a session without a link is kept so long, then CONDUIT_SESSION_LOST `expired` [resume.grace]. */
  graceMs: {
    unit: "ms",
    default: 120_000,
    min: 0,
    max: MAX_MS,
  },
  /** close() aborts with CONDUIT_ABORTED when the peer has not ended by then [close.unread]. */
  closeTimeoutMs: {
    unit: "ms",
    default: 10_000,
    min: 1,
    max: MAX_MS,
  },
} as const satisfies Record<string, LimitSpec>;

/** Bounds of a session, each with the unit in its name. LIMITS has defaults and reasons. */
export type Limits = { [K in keyof typeof LIMITS]?: number };
export type ResolvedLimits = { readonly [K in keyof typeof LIMITS]: number };

/**
 * Fills in defaults and checks every bound.
 * @throws ConduitError CONDUIT_OPTIONS for a value that is no whole number or out of range, or bounds that contradict each other.
 */
export function resolveLimits(given: Limits, defaults?: ResolvedLimits): ResolvedLimits {
  // Most sessions of an acceptor have its limits, and there may be many.
  if (defaults && !Object.values(given).some((value) => value !== undefined)) return defaults;
  const limits: Record<string, number> = {};
  for (const [name, spec] of Object.entries(LIMITS) as [keyof Limits, LimitSpec][]) {
    const value = given[name] ?? defaults?.[name] ?? spec.default;
    if (!Number.isInteger(value) || value < spec.min || value > spec.max) {
      throw optionsError(
        `${name} must be a whole number of ${spec.unit} from ${spec.min} to ${spec.max}, got ${value}`,
      );
    }
    limits[name] = value;
  }
  const { replayBytes } = limits;
  if (given.receiveWindow === undefined && !defaults) limits.receiveWindow = replayBytes;
  if (given.maxFrameBytes === undefined)
    limits.maxFrameBytes = Math.min(limits.maxFrameBytes, replayBytes / 2);
  if (limits.maxFrameBytes > replayBytes / 2) {
    throw optionsError(
      `maxFrameBytes (${limits.maxFrameBytes}) must be at most half of replayBytes (${replayBytes})`,
    );
  }
  limits.maxFrameBytes = Math.floor(limits.maxFrameBytes);
  return limits as unknown as ResolvedLimits;
}
