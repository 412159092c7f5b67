// Strings to and from UTF-8. Short ones in JavaScript, where a call into the engine costs more than the work;
// long ones by TextEncoder and TextDecoder. Measured in Node 20: a call costs about 60 and 70 ns,
// a character 1.5 ns on the way out and 1.3 ns on the way in.
import { MALFORMED, NO_ROOM, WRONG } from "./wire.js";

/** Strings of at most this many UTF-16 units are encoded in JavaScript. */
export const SHORT_CHARS = 40;
/** ASCII of at most this many bytes is decoded here. */
const SHORT_BYTES = 12;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const { fromCharCode } = String;

/** A varint length and the text. Returns the offset behind, NO_ROOM, or WRONG for a lone surrogate. */
export function writeString(target: Uint8Array, at: number, end: number, text: string): number {
  const { length } = text;
  if (length > SHORT_CHARS) return writeLong(target, at, end, text);
  if (end - at <= length) return NO_ROOM;
  // SHORT_CHARS of up to 3 bytes fit a length of one byte, nearly: the rest goes the long way.
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return writeWide(target, at, end, text);
    target[at + 1 + i] = code;
  }
  target[at] = length;
  return at + 1 + length;
}

/** A short string that is not ASCII. */
function writeWide(target: Uint8Array, at: number, end: number, text: string): number {
  const { length } = text;
  const head = at;
  // 42 characters of 3 bytes still have a length of one byte.
  if (length > 42) return writeLong(target, at, end, text);
  if (end - ++at < length * 3) return writeLong(target, head, end, text);
  for (let i = 0; i < length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) target[at++] = code;
    else if (code < 0x800) {
      target[at++] = 0xc0 | (code >> 6);
      target[at++] = 0x80 | (code & 63);
    } else if ((code & 0xf800) !== 0xd800) {
      target[at++] = 0xe0 | (code >> 12);
      target[at++] = 0x80 | ((code >> 6) & 63);
      target[at++] = 0x80 | (code & 63);
    } else {
      const low = i + 1 < length ? text.charCodeAt(++i) : 0;
      if (code > 0xdbff || (low & 0xfc00) !== 0xdc00) return WRONG;
      code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
      target[at++] = 0xf0 | (code >> 18);
      target[at++] = 0x80 | ((code >> 12) & 63);
      target[at++] = 0x80 | ((code >> 6) & 63);
      target[at++] = 0x80 | (code & 63);
    }
  }
  target[head] = at - head - 1;
  return at;
}

/** Placed as if it were ASCII, and moved when its length turns out to need another byte. */
function writeLong(target: Uint8Array, at: number, end: number, text: string): number {
  const guess = varintBytes(text.length);
  const start = at + guess;
  if (end - start < text.length) return NO_ROOM;
  const { read, written } = encodeInto(text, target, start, end);
  if (read < text.length) return NO_ROOM;
  if (written !== text.length && !isWellFormed(text)) return WRONG;
  const needed = varintBytes(written);
  if (needed !== guess) {
    if (end - at < needed + written) return NO_ROOM;
    target.copyWithin(at + needed, start, start + written);
  }
  let length = written;
  while (length > 127) {
    target[at++] = (length & 127) | 128;
    length >>>= 7;
  }
  target[at++] = length;
  return at + written;
}

/** An upper bound of what a string takes, length included; exact for a long string would be a second pass. */
export function stringBound(text: string): number {
  return 5 + text.length * 3;
}

export function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

// Browsers refuse views of shared memory in both directions; Node does not. Found out once.
let sharedWorks: boolean | undefined;
function isShared(bytes: Uint8Array): boolean {
  return typeof SharedArrayBuffer !== "undefined" && bytes.buffer instanceof SharedArrayBuffer;
}
function sharedIsRefused(): boolean {
  if (sharedWorks === undefined) {
    try {
      encoder.encodeInto("", new Uint8Array(new SharedArrayBuffer(1)));
      decoder.decode(new Uint8Array(new SharedArrayBuffer(1)));
      sharedWorks = true;
    } catch {
      sharedWorks = false;
    }
  }
  return !sharedWorks;
}

let scratch = new Uint8Array(0);

function encodeInto(text: string, target: Uint8Array, start: number, end: number) {
  const room = target.subarray(start, end);
  if (!isShared(target) || !sharedIsRefused()) return encoder.encodeInto(text, room);
  const most = Math.min(text.length * 3, room.length);
  if (scratch.length < most) scratch = new Uint8Array(Math.min(most * 2, 1 << 20, room.length));
  const staged = scratch.length < most ? new Uint8Array(most) : scratch;
  const result = encoder.encodeInto(text, staged.subarray(0, most));
  room.set(staged.subarray(0, result.written));
  return result;
}

function isWellFormed(text: string): boolean {
  const native = (text as { isWellFormed?: () => boolean }).isWellFormed;
  return native === undefined ? !/\p{Surrogate}/u.test(text) : native.call(text);
}

/** Throws MALFORMED when the bytes are not UTF-8. They have to be there. */
export function readString(source: Uint8Array, at: number, length: number): string {
  return (length <= SHORT_BYTES ? readAscii(source, at, length) : null) ?? readText(source, at, length);
}

/** The same for text that is long, or not ASCII. */
export function readText(source: Uint8Array, at: number, length: number): string {
  const text = source.subarray(at, at + length);
  try {
    return decoder.decode(isShared(source) && sharedIsRefused() ? text.slice() : text);
  } catch {
    throw MALFORMED;
  }
}

/** null: not ASCII. generate.ts has one that is twice as fast and takes more. */
function readAscii(source: Uint8Array, at: number, length: number): string | null {
  let text = "";
  const end = at + length;
  for (; end - at >= 4; at += 4) {
    const a = source[at];
    const b = source[at + 1];
    const c = source[at + 2];
    const d = source[at + 3];
    if ((a | b | c | d) > 127) return null;
    text += fromCharCode(a, b, c, d);
  }
  for (; at < end; at++) {
    if (source[at] > 127) return null;
    text += fromCharCode(source[at]);
  }
  return text;
}
