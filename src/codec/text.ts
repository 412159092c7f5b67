// Strings to and from UTF-8. Short ones in JavaScript, where a call into the engine costs more than the work; long ones
// by TextEncoder and TextDecoder, or in Node by what its Buffers have, which costs two thirds of that.
//
// Measured in Node 20: 1.4 ns a character here, against 60 ns for encodeInto() and 75 for decode() of any length up to
// a few hundred, 44 for utf8Write() and 46 for latin1Slice().
import { MALFORMED, NO_ROOM, viewOf, WRONG } from "./wire.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** One character for each byte: right for ASCII, which is all it is used for. */
const byteDecoder = new TextDecoder("latin1");
const { fromCharCode } = String;
const buffers = nodeBuffers();

/** Strings of at most this many UTF-16 units are encoded here: at most 42, whose length always is one byte. */
const SHORT_CHARS = 42;
/** ASCII of at most this many bytes is decoded here. */
const SHORT_BYTES = 12;
/** Beyond, to find out first whether text is ASCII costs more than TextDecoder. */
const LATIN1_BYTES = 256;
/**
 * Bytes of a message whose text is made at once, for the strings in it to share: what one of them that is kept holds on
 * to. An order of 45 strings takes 1.25 us with the small window, 1.1 with the large one, 1.75 without.
 */
export const OWNED_WINDOW_BYTES = 256;
export const BORROWED_WINDOW_BYTES = 1024;

// ---- writing

/** A varint length and the text. Returns the offset behind, NO_ROOM, or WRONG for a lone surrogate. */
export function writeString(target: Uint8Array, at: number, end: number, text: string): number {
  const { length } = text;
  if (length > SHORT_CHARS) return writeLong(target, at, end, text);
  if (end - at <= length) return NO_ROOM;
  let to = at + 1;
  let i = 0;
  for (; i + 4 <= length; i += 4, to += 4) {
    const a = text.charCodeAt(i);
    const b = text.charCodeAt(i + 1);
    const c = text.charCodeAt(i + 2);
    const d = text.charCodeAt(i + 3);
    if ((a | b | c | d) > 127) return writeWide(target, at, end, text);
    target[to] = a;
    target[to + 1] = b;
    target[to + 2] = c;
    target[to + 3] = d;
  }
  for (; i < length; i++, to++) {
    const code = text.charCodeAt(i);
    if (code > 127) return writeWide(target, at, end, text);
    target[to] = code;
  }
  target[at] = length;
  return to;
}

/** A short string that is not ASCII. */
function writeWide(target: Uint8Array, at: number, end: number, text: string): number {
  const { length } = text;
  if (end - at <= length * 3) return writeLong(target, at, end, text);
  let to = at + 1;
  for (let i = 0; i < length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) target[to++] = code;
    else if (code < 0x800) {
      target[to++] = 0xc0 | (code >> 6);
      target[to++] = 0x80 | (code & 63);
    } else if ((code & 0xf800) !== 0xd800) {
      target[to++] = 0xe0 | (code >> 12);
      target[to++] = 0x80 | ((code >> 6) & 63);
      target[to++] = 0x80 | (code & 63);
    } else {
      const low = i + 1 < length ? text.charCodeAt(++i) : 0;
      if (code > 0xdbff || (low & 0xfc00) !== 0xdc00) return WRONG;
      code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
      target[to++] = 0xf0 | (code >> 18);
      target[to++] = 0x80 | ((code >> 12) & 63);
      target[to++] = 0x80 | ((code >> 6) & 63);
      target[to++] = 0x80 | (code & 63);
    }
  }
  target[at] = to - at - 1;
  return to;
}

/** Placed as if it were ASCII, and moved when its length turns out to need another byte. */
function writeLong(target: Uint8Array, at: number, end: number, text: string): number {
  const { length } = text;
  const guess = varintBytes(length);
  const start = at + guess;
  if (end - start < length) return NO_ROOM;
  let written: number;
  if (buffers !== null && end - start >= length * 3) {
    written = buffers.utf8Write.call(target, text, start, length * 3);
  } else {
    const result = encodeInto(text, target, start, end);
    if (result.read < length) return NO_ROOM;
    written = result.written;
  }
  if (written !== length && !isWellFormed(text)) return WRONG;
  const needed = varintBytes(written);
  if (needed !== guess) {
    if (end - at < needed + written) return NO_ROOM;
    target.copyWithin(at + needed, start, start + written);
  }
  let rest = written;
  while (rest > 127) {
    target[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at + written;
}

/** An upper bound of what a string takes, length included; exact for a long string would be a second pass. */
export function stringBound(text: string): number {
  return 5 + text.length * 3;
}

export function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

let scratch = new Uint8Array(0);

function encodeInto(text: string, target: Uint8Array, start: number, end: number) {
  const room = target.subarray(start, end);
  if (!sharedIsRefused() || !isShared(target)) return encoder.encodeInto(text, room);
  const most = Math.min(text.length * 3, room.length);
  if (scratch.length < most) scratch = new Uint8Array(Math.min(most * 2, 1 << 20));
  const staged = scratch.length < most ? new Uint8Array(most) : scratch;
  const result = encoder.encodeInto(text, staged.subarray(0, most));
  room.set(staged.subarray(0, result.written));
  return result;
}

function isWellFormed(text: string): boolean {
  const native = (text as { isWellFormed?: () => boolean }).isWellFormed;
  return native === undefined ? !/\p{Surrogate}/u.test(text) : native.call(text);
}

// ---- reading

/** Throws MALFORMED when the bytes are not UTF-8. They have to be there. */
export function readString(source: Uint8Array, at: number, length: number): string {
  return (length <= SHORT_BYTES ? readAscii(source, at, length) : null) ?? readText(source, at, length);
}

/** The same for text that is long, or not ASCII. */
export function readText(source: Uint8Array, at: number, length: number): string {
  if (buffers !== null && length <= LATIN1_BYTES && isAscii(source, at, length)) {
    return buffers.latin1Slice.call(source, at, at + length);
  }
  const text = source.subarray(at, at + length);
  try {
    return decoder.decode(sharedIsRefused() && isShared(source) ? text.slice() : text);
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

// Strings that may hold on to the text around them: it is made at once for a window of the message, and they are parts
// of it, which the engine does not copy. 12 ns each.
let windowText = "";
let windowStart = 0;
let windowEnd = 0;

/** Begins a message: what is known of the last one's text is not to be used. */
export function closeWindow(): void {
  windowEnd = 0;
}

/** As readString(), for what is before `end`; the result may hold on to `windowBytes` of the message's text. */
export function shareString(
  source: Uint8Array,
  at: number,
  length: number,
  end: number,
  windowBytes: number,
): string {
  // Longer strings have their own text, so that a window serves several.
  if (length > windowBytes >>> 2 || !isAscii(source, at, length)) return readText(source, at, length);
  const behind = at + length;
  if (at < windowStart || behind > windowEnd) {
    if (end - behind < length) return readText(source, at, length); // hardly another one follows
    windowStart = at;
    windowEnd = Math.min(end, at + windowBytes);
    if (buffers !== null) windowText = buffers.latin1Slice.call(source, windowStart, windowEnd);
    else {
      const bytes = source.subarray(windowStart, windowEnd);
      windowText = byteDecoder.decode(sharedIsRefused() && isShared(source) ? bytes.slice() : bytes);
    }
  }
  return windowText.slice(at - windowStart, behind - windowStart);
}

/** Four bytes at a time: byte by byte this would take as long as to make the string. */
function isAscii(source: Uint8Array, at: number, length: number): boolean {
  const view = viewOf(source);
  const end = at + length;
  let bits = 0;
  for (; end - at >= 4; at += 4) bits |= view.getInt32(at, true);
  for (; at < end; at++) bits |= (source[at] << 24) >> 24;
  return (bits & 0x8080_8080) === 0;
}

// ---- the platform

interface NodeBuffers {
  /** Returns how many bytes it wrote; whole characters only. */
  utf8Write(this: Uint8Array, text: string, at: number, most: number): number;
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}

/** What Node's Buffers have and any Uint8Array can use; null where there is no such thing, or it does not do that. */
function nodeBuffers(): NodeBuffers | null {
  try {
    const found = (globalThis as { Buffer?: { prototype: NodeBuffers } }).Buffer?.prototype;
    if (found === undefined) return null;
    const bytes = new Uint8Array(4);
    const works =
      found.utf8Write.call(bytes, "é", 1, 3) === 2 && found.latin1Slice.call(bytes, 1, 3) === "\xc3\xa9";
    return works ? found : null;
  } catch {
    return null;
  }
}

// Browsers refuse views of shared memory in both directions; Node does not. Found out once.
let sharedWorks: boolean | undefined;

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

function isShared(bytes: Uint8Array): boolean {
  return typeof SharedArrayBuffer !== "undefined" && bytes.buffer instanceof SharedArrayBuffer;
}
