// A suspended session as text, for sessionStorage: JSON, because a browser's storage takes strings and a truncated one
// does not parse. Whoever has it can go on with the session, so it is as secret as the key in it. Reading checks
// every field before anything is made of it, and costs at most in proportion to maxStateBytes.
import { ConduitError } from "../errors.js";
import type { Bytes } from "../link/link.js";
import { KEY_BYTES } from "../proto/handshake.js";
import type { SavedSession, SchemaNames } from "../proto/machine.js";

/** A state of another version of this format is refused. */
const VERSION = 1;
const SEQS = 2 ** 32;
/** So many bytes are one argument list of String.fromCharCode. */
const PIECE_BYTES = 8_192;

export interface SuspendedState {
  /** The same for all states of a session, for its Web Lock. */
  readonly session: string;
  /** Counts the suspensions of the session: no two states have both. */
  readonly nth: number;
  /** Conduit.id, for logs. */
  readonly id: string;
  /** Fingerprints of the schemas, null = bytes. The items are of that type. */
  readonly sends: string | null;
  readonly reads: string | null;
  readonly saved: SavedSession;
}

/** @throws ConduitError CONDUIT_STATE when the text would be longer than `maxStateBytes` */
export function encodeState(state: SuspendedState, maxStateBytes: number): string {
  const { saved, ...names } = state;
  // Found out before the text is made: it may be a hundred times too large.
  if (base64Length(saved.items.length) > maxStateBytes) throw tooLarge(maxStateBytes);
  const text = JSON.stringify({
    version: VERSION,
    ...names,
    ...saved,
    key: saved.key && toBase64(saved.key),
    items: toBase64(saved.items),
  });
  if (text.length > maxStateBytes) throw tooLarge(maxStateBytes);
  return text;
}

/** @throws ConduitError CONDUIT_STATE for everything that encodeState() has not written */
export function decodeState(text: string, maxStateBytes: number): SuspendedState {
  if (typeof text !== "string") throw invalid("it is no string");
  if (text.length > maxStateBytes) throw invalid(`it is longer than maxStateBytes (${maxStateBytes})`);
  const fields = new Fields(text);
  if (fields.value("version") !== VERSION) throw invalid("it is of another version");
  const key = fields.orNull("key", (name) => fields.bytes(name));
  if (key && key.length !== KEY_BYTES) throw invalid("key");
  const saved: SavedSession = {
    profile: fields.oneOf("profile", ["base", "extended"]),
    opened: fields.flag("opened"),
    key,
    ackedSeq: fields.count("ackedSeq", SEQS - 1),
    anyAcked: fields.flag("anyAcked"),
    ...fields.items(),
    written: fields.count("written", SEQS - 1),
    end: fields.oneOf("end", ["open", "wanted", "entered", "acked"]),
    handedSeq: fields.count("handedSeq", SEQS - 1),
    anyHanded: fields.flag("anyHanded"),
    peerEnded: fields.flag("peerEnded"),
    maxFrameBytes: fields.count("maxFrameBytes", SEQS - 1),
    peerMaxFrameBytes: fields.orNull("peerMaxFrameBytes", (name) =>
      fields.count(name, Number.MAX_SAFE_INTEGER),
    ),
    peerGraceMs: fields.orNull("peerGraceMs", (name) => fields.count(name, Number.MAX_SAFE_INTEGER)),
  };
  checkConsistent(saved);
  return {
    session: fields.text("session"),
    nth: fields.count("nth", Number.MAX_SAFE_INTEGER),
    id: fields.text("id"),
    sends: fields.orNull("sends", (name) => fields.text(name)),
    reads: fields.orNull("reads", (name) => fields.text(name)),
    saved,
  };
}

/** The session that a state is of; of a state that is not looked at any further. @throws ConduitError CONDUIT_STATE */
export function sessionOf(text: string): string {
  return new Fields(text).text("session");
}

/** The items of a state are of these types: a page of another version cannot go on with it. @throws ConduitError CONDUIT_SCHEMA */
export function checkSchemas({ sends, reads }: SuspendedState, schemas: SchemaNames): void {
  if (sends === (schemas.writes?.fingerprint ?? null) && reads === schemas.reads) return;
  const what = "the suspended session has other schemas [ext.schema]";
  throw new ConduitError("CONDUIT_SCHEMA", "local", what, { fatal: false });
}

/** States that this thread has restored, as far as it remembers: each is good for one restore(). */
const restored = new Set<string>();
const RESTORED_KEPT = 1_024;

/** @throws ConduitError CONDUIT_STATE when this thread has restored the state before */
export function checkUnused(state: SuspendedState): void {
  if (restored.has(nameOf(state))) throw invalid("it was restored before");
}

export function markUsed(state: SuspendedState): void {
  restored.add(nameOf(state));
  if (restored.size > RESTORED_KEPT) restored.delete(restored.values().next().value!);
}

function nameOf({ session, nth }: SuspendedState): string {
  return `${nth} ${session}`;
}

/** What each field allows and all of them together do not. */
function checkConsistent(saved: SavedSession): void {
  const { profile, opened, key, lengths, end, ackedSeq, handedSeq } = saved;
  const records = lengths.length + (end === "entered" ? 1 : 0);
  const holds =
    saved.written <= records &&
    (opened ? key !== null : !saved.anyHanded && (end === "open" || end === "wanted")) &&
    (end !== "acked" || lengths.length === 0) &&
    (saved.anyAcked || end !== "acked") &&
    (saved.anyHanded || !saved.peerEnded) &&
    (profile === "extended" ||
      (end !== "entered" &&
        end !== "acked" &&
        !saved.peerEnded &&
        saved.anyAcked === ackedSeq > 0 &&
        saved.anyHanded === handedSeq > 0 &&
        ackedSeq + records < SEQS));
  if (!holds) throw invalid("its fields contradict each other");
}

/** The fields of a JSON object, each checked as it is read. */
class Fields {
  readonly #fields: Record<string, unknown>;

  constructor(text: string) {
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch (cause) {
      throw invalid("it is damaged", cause);
    }
    if (typeof parsed !== "object" || parsed === null) throw invalid("it is no state");
    this.#fields = parsed as Record<string, unknown>;
  }

  value(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  flag(name: string): boolean {
    const value = this.value(name);
    if (typeof value !== "boolean") throw invalid(name);
    return value;
  }

  text(name: string): string {
    const value = this.value(name);
    if (typeof value !== "string") throw invalid(name);
    return value;
  }

  count(name: string, max: number): number {
    return checkCount(name, this.value(name), max);
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T {
    const value = this.value(name);
    if (!values.includes(value as T)) throw invalid(name);
    return value as T;
  }

  orNull<T>(name: string, read: (name: string) => T): T | null {
    return this.value(name) === null ? null : read(name);
  }

  bytes(name: string): Bytes {
    return fromBase64(name, this.text(name));
  }

  items(): { items: Bytes; lengths: number[] } {
    const items = this.bytes("items");
    const lengths = this.value("lengths");
    if (!Array.isArray(lengths)) throw invalid("lengths");
    let left = items.length;
    for (const length of lengths) left -= checkCount("lengths", length, left);
    if (left !== 0) throw invalid("lengths");
    return { items, lengths };
  }
}

function checkCount(name: string, value: unknown, max: number): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > max) throw invalid(name);
  return value as number;
}

function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    binary += String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES));
  }
  return btoa(binary);
}

function fromBase64(name: string, text: string): Bytes {
  let binary: string;
  try {
    binary = atob(text);
  } catch (cause) {
    throw invalid(name, cause);
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function invalid(what: string, cause?: unknown): ConduitError {
  return new ConduitError("CONDUIT_STATE", "local", `this is no state of suspend(): ${what}`, {
    fatal: false,
    cause,
  });
}

function tooLarge(maxStateBytes: number): ConduitError {
  const what = `the state would be longer than maxStateBytes (${maxStateBytes})`;
  return new ConduitError("CONDUIT_STATE", "local", what, { fatal: false });
}
