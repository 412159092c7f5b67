// Control records of the extended profile [ext.control]: u32 header with the top bit set, u8 type, fields.
// They are rare: plain TypeScript, no WASM.
import { violation } from "../errors.js";
import type { Bytes } from "../link/link.js";

export const TYPE_SETTINGS = 0x01;
export const TYPE_ACK = 0x02;
export const TYPE_PING = 0x03;
export const TYPE_PONG = 0x04;
export const TYPE_FIN = 0x05;
export const TYPE_ABORT = 0x06;
export const TYPE_GOAWAY = 0x07;
export const TYPE_VOLATILE = 0x40;
export const TYPE_SCHEMA = 0x41;

/** Unknown types from here on are skipped, below it they are a violation [ext.unknown]. */
const FIRST_OPTIONAL_TYPE = 0x40;
const CONTROL_BIT = 0x8000_0000;
const MAX_REASON_BYTES = 256;

/** Why a session ends (ABORT). */
export const AbortCode = {
  ended: 0,
  violation: 1,
  unauthorized: 2,
  expired: 3,
  unknown: 4,
  shutdown: 5,
  overloaded: 6,
  application: 7,
  handler: 8,
  schema: 9,
  decode: 10,
} as const;
export type AbortCode = (typeof AbortCode)[keyof typeof AbortCode];

/** What each side tells the other first on every link [ext.settings]. */
export interface Settings {
  maxFrameBytes?: number;
  receiveWindow?: number;
  keepaliveMs?: number;
  graceMs?: number;
  agent?: string;
  credentials?: Bytes;
  /** Of what this side reads [ext.schema]. */
  schemaFingerprint?: string;
  sessionId?: string;
  /** What its replay ring can hold: acks have to come before it is full [ack.delay]. */
  replayBytes?: number;
}

type SettingKind = "number" | "text" | "bytes";
const SETTINGS: readonly [id: number, name: keyof Settings, kind: SettingKind][] = [
  [1, "maxFrameBytes", "number"],
  [2, "receiveWindow", "number"],
  [3, "keepaliveMs", "number"],
  [4, "graceMs", "number"],
  [5, "agent", "text"],
  [6, "credentials", "bytes"],
  [7, "schemaFingerprint", "text"],
  [8, "sessionId", "text"],
  [9, "replayBytes", "number"],
];

export type Control =
  | { type: typeof TYPE_SETTINGS; settings: Settings }
  | { type: typeof TYPE_ACK; ack: number }
  | { type: typeof TYPE_PING | typeof TYPE_PONG; token: Bytes }
  | { type: typeof TYPE_FIN; seq: number }
  | { type: typeof TYPE_ABORT; code: number; retryAfterMs: number; reason: string }
  | { type: typeof TYPE_GOAWAY; retryAfterMs: number; address: string }
  | { type: typeof TYPE_VOLATILE; item: Bytes }
  | { type: typeof TYPE_SCHEMA; text: string }
  | { type: "skipped" };

export function settingsRecord(settings: Settings): Bytes {
  const writer = new Writer(TYPE_SETTINGS);
  for (const [id, name, kind] of SETTINGS) {
    const value = settings[name];
    if (value === undefined) continue;
    const bytes =
      kind === "number"
        ? varintBytes(value as number)
        : kind === "text"
          ? utf8(value as string)
          : (value as Bytes);
    writer.varint(id).varint(bytes.length).bytes(bytes);
  }
  return writer.record();
}

export function ackRecord(ack: number): Bytes {
  return new Writer(TYPE_ACK).varint(ack).record();
}

export function pingRecord(type: typeof TYPE_PING | typeof TYPE_PONG, token: Uint8Array): Bytes {
  return new Writer(type).bytes(token).record();
}

export function abortRecord(code: number, reason: string, retryAfterMs = 0): Bytes {
  return new Writer(TYPE_ABORT).varint(code).varint(retryAfterMs).bytes(shorten(reason)).record();
}

export function goawayRecord(retryAfterMs: number, address = ""): Bytes {
  return new Writer(TYPE_GOAWAY).varint(retryAfterMs).bytes(shorten(address)).record();
}

export function volatileRecord(item: Uint8Array): Bytes {
  return new Writer(TYPE_VOLATILE).bytes(item).record();
}

/** What the items of this direction are, as JSON [ext.schema]. */
export function schemaRecord(text: string): Bytes {
  return new Writer(TYPE_SCHEMA).bytes(utf8(text)).record();
}

/** The body of a FIN: it lies in the replay ring, so the record's header is the ring's business [ext.fin]. */
export function finBody(seq: number): Bytes {
  return new Writer(TYPE_FIN).varint(seq).body();
}

/**
 * Reads a control record's body. The result owns its bytes.
 * @throws ConduitError CONDUIT_PROTOCOL for an unknown type [ext.unknown] or fields that do not fit it [ext.control].
 */
export function decodeControl(body: Uint8Array): Control {
  const reader = new Reader(body);
  const type = reader.byte();
  switch (type) {
    case TYPE_SETTINGS:
      return { type, settings: readSettings(reader) };
    case TYPE_ACK: {
      const ack = reader.varint32();
      reader.expectEnd();
      return { type, ack };
    }
    case TYPE_PING:
    case TYPE_PONG: {
      const token = reader.take(8).slice() as Bytes;
      reader.expectEnd();
      return { type, token };
    }
    case TYPE_FIN: {
      const seq = reader.varint32();
      reader.expectEnd();
      return { type, seq };
    }
    case TYPE_ABORT:
      return {
        type,
        code: reader.number(),
        retryAfterMs: reader.number(),
        reason: reader.text(MAX_REASON_BYTES),
      };
    case TYPE_GOAWAY:
      return { type, retryAfterMs: reader.number(), address: reader.text(MAX_REASON_BYTES) };
    case TYPE_SCHEMA:
      return { type, text: new TextDecoder().decode(reader.rest()) };
    case TYPE_VOLATILE:
      return { type, item: reader.rest().slice() as Bytes };
    default:
      if (type < FIRST_OPTIONAL_TYPE)
        throw violation("ext.unknown", `control record of unknown type ${type}`);
      return { type: "skipped" };
  }
}

function readSettings(reader: Reader): Settings {
  const settings: Record<string, unknown> = {};
  while (!reader.done) {
    const id = reader.number();
    const value = new Reader(reader.take(reader.number()));
    const known = SETTINGS.find(([knownId]) => knownId === id);
    if (!known) continue;
    const [, name, kind] = known;
    if (kind === "number") {
      settings[name] = value.number();
      value.expectEnd();
    } else {
      settings[name] = kind === "text" ? value.text(MAX_REASON_BYTES) : value.rest().slice();
    }
  }
  return settings as Settings;
}

class Writer {
  // Room for the header, filled in by record().
  readonly #parts: Uint8Array[] = [new Uint8Array(4)];

  constructor(type: number) {
    this.#parts.push(Uint8Array.of(type));
  }

  varint(value: number): this {
    return this.bytes(varintBytes(value));
  }

  bytes(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  record(): Bytes {
    const record = this.#join();
    new DataView(record.buffer).setUint32(0, (CONTROL_BIT | (record.length - 4)) >>> 0, true);
    return record;
  }

  body(): Bytes {
    return this.#join().subarray(4);
  }

  #join(): Bytes {
    const joined = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    return this.take(1)[0];
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw violation("ext.control", "control record is too short");
    return this.#bytes.subarray(this.#at, (this.#at += length));
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#at);
  }

  /** Up to 53 bits: what JavaScript counts exactly. */
  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER)
        throw violation("ext.control", "number in a control record is too large");
      if (byte < 0x80) return value;
      if (scale > 2 ** 49) throw violation("ext.control", "varint in a control record is too long");
    }
  }

  varint32(): number {
    const value = this.number();
    if (value > 0xffff_ffff)
      throw violation("frame.minimal", "seq in a control record has more than 32 bits");
    return value;
  }

  text(maxBytes: number): string {
    const bytes = this.rest();
    if (bytes.length > maxBytes) throw violation("ext.control", "text in a control record is too long");
    return new TextDecoder().decode(bytes);
  }

  expectEnd(): void {
    if (!this.done) throw violation("ext.control", "control record is too long");
  }
}

function varintBytes(value: number): Bytes {
  const bytes: number[] = [];
  while (value >= 0x80) {
    bytes.push((value % 128) | 0x80);
    value = Math.floor(value / 128);
  }
  bytes.push(value);
  return Uint8Array.from(bytes);
}

function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/** At most MAX_REASON_BYTES of UTF-8, cut between characters. */
function shorten(text: string): Bytes {
  const bytes = new Uint8Array(MAX_REASON_BYTES);
  const { written } = new TextEncoder().encodeInto(text, bytes);
  return bytes.subarray(0, written);
}
