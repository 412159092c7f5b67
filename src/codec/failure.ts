// A value or message that does not follow its schema, on its way up: each level adds its step to the path.
import { ConduitError } from "../errors.js";

export class Failure {
  readonly what: string;
  /** Where in the message, bytes from its start; null while encoding. */
  readonly offset: number | null;
  /** Set when the value's own code threw, a getter say. */
  readonly cause: unknown;
  path = "";

  constructor(what: string, offset: number | null = null, cause?: unknown) {
    this.what = what;
    this.offset = offset;
    this.cause = cause;
  }

  toError(root: string): ConduitError {
    const where = root + this.path;
    return this.offset === null
      ? new ConduitError("CONDUIT_ENCODE", "local", `${where}: ${this.what}`, {
          fatal: false,
          cause: this.cause,
        })
      : new ConduitError("CONDUIT_DECODE", "peer", `${where}, byte ${this.offset}: ${this.what}`, {
          fatal: false,
        });
  }
}

/** What a value is, for a message: short, and without running its code. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length > 32 ? `a string of ${value.length}` : JSON.stringify(value);
    case "bigint":
    case "number":
    case "boolean":
    case "undefined":
      return String(value);
    case "object":
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object";
    default:
      return `a ${typeof value}`;
  }
}
