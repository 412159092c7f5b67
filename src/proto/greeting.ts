// An acceptor's link before it belongs to a session: its ClientHello, and in the extended profile its SETTINGS.
// Nothing here touches a session, so whatever is wrong with the link ends that link only [hello.bad].
import type { ConduitError } from "../errors.js";
import { linkError } from "../errors.js";
import type { Bytes, Framing } from "../link/link.js";
import type { ClientHello } from "../link/source.js";
import { AbortCode, abortRecord, decodeControl, type Settings, TYPE_SETTINGS } from "./control.js";
import {
  decodeClientHello,
  encodeServerHello,
  HelloReader,
  NO_KEY,
  payloadFor,
  type ServerHello,
} from "./handshake.js";

/** SETTINGS and what follows it until the takeover; credentials are the only large part. */
const MAX_GREETING_BYTES = 65_536;

/** "hello" and "settings": there now. "more": the next chunk may bring it. "bad": see `error`, close the link. */
export type GreetingStep = "more" | "hello" | "settings" | "bad";

export class Greeting {
  readonly framing: Framing;
  hello: ClientHello | null = null;
  settings: Settings | null = null;
  error: ConduitError | null = null;

  readonly #reader: HelloReader;
  #expectsSettings = false;
  #rest: Bytes[] = [];
  #restBytes = 0;

  /** @param hello when somebody else has read it already */
  constructor(framing: Framing, hello: ClientHello | null = null) {
    this.framing = framing;
    this.hello = hello;
    this.#reader = new HelloReader(framing);
  }

  handleBytes(chunk: Bytes): GreetingStep {
    if (this.error) return "bad";
    if (this.hello === null) {
      const payload = this.#reader.push(chunk);
      if (payload === null) return "more";
      this.hello = payload === "bad" ? null : decodeClientHello(payload);
      if (this.hello === null) return this.#bad("the link does not begin with a ClientHello [hello.bad]");
      if (this.#reader.rest) this.#keep(this.#reader.rest);
      return "hello";
    }
    this.#keep(chunk);
    if (this.#restBytes > MAX_GREETING_BYTES)
      return this.#bad("too much was sent before the session was open");
    return this.#readSettings();
  }

  /** The ServerHello took the extended profile: the first record must be SETTINGS. */
  expectSettings(): GreetingStep {
    this.#expectsSettings = true;
    return this.#readSettings();
  }

  /** What the session is to read next. */
  takeRest(): Bytes[] {
    const rest = this.#rest;
    this.#rest = [];
    return rest;
  }

  #keep(chunk: Bytes): void {
    if (chunk.length === 0) return;
    this.#rest.push(chunk);
    this.#restBytes += chunk.length;
  }

  #readSettings(): GreetingStep {
    if (!this.#expectsSettings || this.settings) return "more";
    const bytes = this.#joined();
    if (bytes.length < 4) return "more";
    const header = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const length = header & 0x7fff_ffff;
    if (header >>> 31 === 0) return this.#bad("the first record is not SETTINGS [ext.settings]");
    if (length > MAX_GREETING_BYTES) return this.#bad("SETTINGS is too long [ext.settings]");
    if (bytes.length < 4 + length) return "more";
    try {
      const control = decodeControl(bytes.subarray(4, 4 + length));
      if (control.type !== TYPE_SETTINGS) return this.#bad("the first record is not SETTINGS [ext.settings]");
      this.settings = control.settings;
    } catch (error) {
      return this.#bad("SETTINGS cannot be read [ext.settings]", error);
    }
    this.#rest = [];
    this.#restBytes = 0;
    this.#keep(bytes.subarray(4 + length));
    return "settings";
  }

  #joined(): Bytes {
    if (this.#rest.length === 1) return this.#rest[0];
    const joined = new Uint8Array(this.#restBytes);
    let at = 0;
    for (const part of this.#rest) {
      joined.set(part, at);
      at += part.length;
    }
    this.#rest = [joined];
    return joined;
  }

  #bad(what: string, cause?: unknown): "bad" {
    this.error = linkError(what, cause);
    this.#rest = [];
    return "bad";
  }
}

/** How a session ended, kept under its keys for graceMs [resume.reject] [ext.fin]. */
export interface Grave {
  /** Both directions had ended: a late resume is told so instead of being rejected. */
  readonly clean: boolean;
  readonly code: AbortCode;
  readonly reason: string;
  readonly retryAfterMs: number;
  readonly lastReceived: number | null;
}

/** Payloads that refuse a link: REJECTED, then in the extended profile ABORT with the reason [resume.reject]. */
export function rejection(framing: Framing, hello: ClientHello, grave: Grave | null): Bytes[] {
  const rejected = !(grave?.clean && hello.extended);
  const answer: ServerHello = {
    rejected,
    extended: hello.extended,
    resumeKey: rejected ? NO_KEY : (hello.resumeKey ?? NO_KEY),
    lastReceived: rejected ? null : (grave?.lastReceived ?? null),
  };
  const payloads = [payloadFor(framing, encodeServerHello(answer))];
  if (hello.extended) {
    const { code, reason, retryAfterMs } = grave ?? UNKNOWN;
    payloads.push(abortRecord(code, reason, retryAfterMs));
  }
  return payloads;
}

const UNKNOWN = { code: AbortCode.unknown, reason: "unknown resume key", retryAfterMs: 0 };
