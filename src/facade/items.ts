// What a WebSocket's messages and its close look like as items: one byte that says what it is, by the numbers that a
// WebSocket frame has for it, and the rest. docs/stable-websocket.md has it as a table.
import { ConduitError } from "../errors.js";
import type { Bytes } from "../link/link.js";

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;

/** The reason of a close has at most so many bytes as UTF-8, as in a WebSocket's close frame. */
export const MAX_REASON_BYTES = 123;

export type Message =
  | { kind: "text"; data: string }
  /** A copy, with an ArrayBuffer of its own. */
  | { kind: "binary"; data: Bytes }
  | { kind: "close"; code: number | null; reason: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Lone surrogates become U+FFFD. */
export function textItem(text: string): Bytes {
  return withKind(TEXT, encoder.encode(text));
}

/** Copies the bytes. */
export function binaryItem(bytes: Uint8Array): Bytes {
  return withKind(BINARY, bytes);
}

export function closeItem(code: number | null, reason: string): Bytes {
  if (code === null) return withKind(CLOSE, new Uint8Array(0));
  return withKind(CLOSE, new Uint8Array([code >>> 8, code & 0xff, ...encoder.encode(reason)]));
}

function withKind(kind: number, body: Uint8Array): Bytes {
  const item = new Uint8Array(1 + body.length);
  item[0] = kind;
  item.set(body, 1);
  return item;
}

/** @throws ConduitError CONDUIT_PROTOCOL, blame peer, for an item that is none of these. */
export function readItem(item: Uint8Array): Message {
  const body = item.subarray(1);
  switch (item[0]) {
    case TEXT:
      return { kind: "text", data: decodeText(body) };
    case BINARY:
      return { kind: "binary", data: body.slice() as Bytes };
    case CLOSE: {
      if (body.length === 0) return { kind: "close", code: null, reason: "" };
      const code = (body[0] << 8) | body[1];
      if (body.length < 2 || body.length > 2 + MAX_REASON_BYTES || !isSendable(code)) break;
      return { kind: "close", code, reason: decodeText(body.subarray(2)) };
    }
  }
  throw malformed("an item that is neither text, nor bytes, nor a close");
}

/** Bytes of the message that an item is: a close has none. */
export function messageBytes(item: Uint8Array): number {
  return item[0] === CLOSE ? 0 : item.length - 1;
}

/** Whether a close may carry the code: the others say what no peer can say, or nothing. */
export function isSendable(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999)
  );
}

function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw malformed("a text that is not UTF-8");
  }
}

function malformed(what: string): ConduitError {
  return new ConduitError("CONDUIT_PROTOCOL", "peer", what);
}
