// The demo's command line.
import { parseArgs } from "node:util";
import { SMALLEST } from "./messages.js";

export const HELP = `Two processes exchange messages, both ways at once, over a link that is cut again and again.

  npm run demo -- [options]

  --messages N   messages each way, default 10000000
  --seconds N    send for so long instead
  --size N       bytes of a message, at least ${SMALLEST}, default 64
  --cuts N       how often the link is cut, default 200
  --profile P    extended (default), or base: what vox-core 0.4.0 speaks
  --seed N       of the cuts, default random
  --json         one JSON object on stdout instead of the table
  --help

The exit code is 0 when every message arrived once, in order and unchanged, and all cuts happened; 1 when not;
2 for an option that cannot be used.`;

/** An option cannot be used. */
export class UsageError extends Error {}

/** @typedef {ReturnType<typeof readOptions>} Options */

/** @throws UsageError */
export function readOptions() {
  const given = parse();
  /**
   * @param {"messages" | "seconds" | "size" | "cuts" | "seed"} name
   * @param {number} fallback
   * @param {number} min
   * @param {number} max
   */
  const whole = (name, fallback, min, max = 0xffff_ffff) => {
    const value = given[name] === undefined ? fallback : Number(given[name]);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, got "${given[name]}"`);
  };
  const { profile, json, help } = given;
  if (profile !== "base" && profile !== "extended") {
    throw new UsageError(`--profile must be base or extended, got "${profile}"`);
  }
  const timed = given.seconds !== undefined;
  if (timed && given.messages !== undefined) {
    throw new UsageError("--messages and --seconds exclude each other");
  }
  return {
    /** Each way; null: `milliseconds` says when to stop. */
    messages: timed ? null : whole("messages", 10_000_000, 1),
    milliseconds: timed ? 1_000 * whole("seconds", 0, 1, 86_400) : null,
    size: whole("size", 64, SMALLEST, 1 << 20),
    cuts: whole("cuts", 200, 0),
    seed: whole("seed", Math.floor(Math.random() * 0xffff_ffff), 0),
    profile: /** @type {"base" | "extended"} */ (profile),
    json,
    help,
  };
}

function parse() {
  try {
    const { values } = parseArgs({
      options: {
        messages: { type: "string" },
        seconds: { type: "string" },
        size: { type: "string" },
        cuts: { type: "string" },
        seed: { type: "string" },
        profile: { type: "string", default: "extended" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message);
  }
}
