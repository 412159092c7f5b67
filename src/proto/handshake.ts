// The two hellos that open every link: 25 bytes each way, in both profiles [hello.client] [hello.server].
import type { Bytes, Framing } from "../link/link.js";
import type { ClientHello } from "../link/source.js";

export const HELLO_BYTES = 25;
export const KEY_BYTES = 16;

const CLIENT_MAGIC = 0x48434f56; // "VOCH", little endian
const SERVER_MAGIC = 0x48534f56; // "VOSH"

const CLIENT_HAS_KEY = 0x01;
const SERVER_REJECTED = 0x01;
const HAS_LAST_RECEIVED = 0x02;
const EXTENDED = 0x80;

/** The acceptor's answer [hello.server]. */
export interface ServerHello {
  readonly rejected: boolean;
  readonly extended: boolean;
  /** The key to present on the next link; zeros when rejected. */
  readonly resumeKey: Bytes;
  readonly lastReceived: number | null;
}

export const NO_KEY: Bytes = new Uint8Array(KEY_BYTES);

export function encodeClientHello(hello: ClientHello): Bytes {
  const flags = (hello.resumeKey ? CLIENT_HAS_KEY : 0) | commonFlags(hello);
  return encode(CLIENT_MAGIC, flags, hello.resumeKey ?? NO_KEY, hello.lastReceived);
}

export function encodeServerHello(hello: ServerHello): Bytes {
  const flags = (hello.rejected ? SERVER_REJECTED : 0) | commonFlags(hello);
  return encode(SERVER_MAGIC, flags, hello.resumeKey, hello.lastReceived);
}

/** null: not a ClientHello [hello.bad]. Unknown flags are ignored, and so is a field whose flag is clear [hello.flags]. */
export function decodeClientHello(payload: Uint8Array): ClientHello | null {
  const fields = decode(CLIENT_MAGIC, payload);
  if (!fields) return null;
  const { flags, resumeKey, lastReceived } = fields;
  return {
    resumeKey: flags & CLIENT_HAS_KEY ? resumeKey : null,
    lastReceived: flags & HAS_LAST_RECEIVED ? lastReceived : null,
    extended: (flags & EXTENDED) !== 0,
  };
}

/** null: not a ServerHello [hello.bad]. */
export function decodeServerHello(payload: Uint8Array): ServerHello | null {
  const fields = decode(SERVER_MAGIC, payload);
  if (!fields) return null;
  const { flags, resumeKey, lastReceived } = fields;
  return {
    rejected: (flags & SERVER_REJECTED) !== 0,
    extended: (flags & EXTENDED) !== 0,
    resumeKey,
    lastReceived: flags & HAS_LAST_RECEIVED ? lastReceived : null,
  };
}

/** A payload as a link carries it: behind its length on a stream [link.stream], alone on a message link [link.message]. */
export function payloadFor(framing: Framing, payload: Bytes): Bytes {
  if (framing === "message") return payload;
  const framed = new Uint8Array(4 + payload.length);
  new DataView(framed.buffer).setUint32(0, payload.length, true);
  framed.set(payload, 4);
  return framed;
}

/** Collects a link's first payload, which must be a hello, from chunks of any size. */
export class HelloReader {
  readonly #framing: Framing;
  readonly #buffer = new Uint8Array(4 + HELLO_BYTES);
  #length = 0;
  /** What followed the hello in its chunk. */
  rest: Bytes | null = null;

  constructor(framing: Framing) {
    this.#framing = framing;
  }

  /** The hello's 25 bytes, null = more is needed, "bad" = this link does not open with a hello [hello.bad]. */
  push(chunk: Bytes): Bytes | null | "bad" {
    if (this.#framing === "message") return chunk.length === HELLO_BYTES ? chunk : "bad";
    const taken = Math.min(chunk.length, this.#buffer.length - this.#length);
    this.#buffer.set(chunk.subarray(0, taken), this.#length);
    this.#length += taken;
    // The length is judged as soon as it is there, before anything more is waited for [link.max].
    if (this.#length >= 4 && new DataView(this.#buffer.buffer).getUint32(0, true) !== HELLO_BYTES)
      return "bad";
    if (this.#length < this.#buffer.length) return null;
    if (taken < chunk.length) this.rest = chunk.subarray(taken);
    return this.#buffer.subarray(4);
  }
}

export function sameKey(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (!a || !b || a.length !== b.length) return false;
  // Every byte is looked at: how long it takes says nothing about where two keys differ.
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

function commonFlags(hello: { extended: boolean; lastReceived: number | null }): number {
  return (hello.extended ? EXTENDED : 0) | (hello.lastReceived === null ? 0 : HAS_LAST_RECEIVED);
}

function encode(magic: number, flags: number, key: Uint8Array, lastReceived: number | null): Bytes {
  const bytes = new Uint8Array(HELLO_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  bytes[4] = flags;
  bytes.set(key, 5);
  view.setUint32(21, lastReceived ?? 0, true);
  return bytes;
}

function decode(magic: number, payload: Uint8Array) {
  if (payload.length !== HELLO_BYTES) return null;
  const view = new DataView(payload.buffer, payload.byteOffset, HELLO_BYTES);
  if (view.getUint32(0, true) !== magic) return null;
  return {
    flags: payload[4],
    resumeKey: payload.slice(5, 21) as Bytes,
    lastReceived: view.getUint32(21, true),
  };
}
