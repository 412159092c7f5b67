// Postcard's scalars, as far as they do not fit on one inlined line of a compiled codec. The one-byte forms are
// written out by the compilers; what is called here is the rest.
//
// A write returns the offset behind it and relies on its caller to have room for the largest form. A read relies on
// nothing: behind the end of the array it finds `undefined`, and every comparison here is one that undefined fails.

/** A write's result when there is no room before the end. */
export const NO_ROOM = -1;
/** A write's result when the value is not of the type. */
export const WRONG = -2;

/** What a read returns beside its result: valid until the next one. */
export const out = {
  /** The offset behind what was read. */
  at: 0,
  /** Elements without bytes that this message may still have. */
  emptyLeft: 0,
  /** The two halves of a 64-bit integer. */
  low: 0,
  high: 0,
};

/** Thrown by reads, without a stack: the codec finds out what was wrong and says it. */
export const MALFORMED = Symbol("malformed");

const pair64 = new BigUint64Array(1);
const signed64 = new BigInt64Array(pair64.buffer);
const halves = new Uint32Array(pair64.buffer);
const bigEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;
const LOW = bigEndian ? 1 : 0;
const HIGH = 1 - LOW;
const TWO_32 = 2 ** 32;
const SAFE_HIGH = 2 ** 21;

// ---- writing

/** A varint of up to 5 bytes; `value` is a u32. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  while (value > 127) {
    target[at++] = (value & 127) | 128;
    value >>>= 7;
  }
  target[at++] = value;
  return at;
}

/** A varint of up to 10 bytes from two halves, both u32. */
function writeHalves(target: Uint8Array, at: number, low: number, high: number): number {
  while (high !== 0) {
    target[at++] = (low & 127) | 128;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  return writeVarint(target, at, low);
}

/** WRONG: not a u64. */
export function writeU64(target: Uint8Array, at: number, value: unknown): number {
  if (typeof value !== "bigint") return WRONG;
  pair64[0] = value;
  if (pair64[0] !== value) return WRONG;
  return writeHalves(target, at, halves[LOW], halves[HIGH]);
}

/** WRONG: not an i64. */
export function writeI64(target: Uint8Array, at: number, value: unknown): number {
  if (typeof value !== "bigint") return WRONG;
  signed64[0] = value;
  if (signed64[0] !== value) return WRONG;
  const low = halves[LOW];
  const high = halves[HIGH];
  const sign = (high | 0) >> 31;
  return writeHalves(target, at, ((low << 1) ^ sign) >>> 0, (((high << 1) | (low >>> 31)) ^ sign) >>> 0);
}

/** u64 and u128 as number. WRONG: not a safe integer, or negative. */
export function writeSafeUnsigned(target: Uint8Array, at: number, value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) return WRONG;
  return writeHalves(target, at, (value as number) >>> 0, ((value as number) / TWO_32) >>> 0);
}

/** i64 and i128 as number. WRONG: not a safe integer. */
export function writeSafeSigned(target: Uint8Array, at: number, value: unknown): number {
  if (!Number.isSafeInteger(value)) return WRONG;
  const negative = (value as number) < 0 ? 1 : 0;
  // zigzag(-n) = 2(n - 1) + 1, and 2^54 would not be exact as a number.
  const magnitude = negative === 1 ? -(value as number) - 1 : (value as number);
  const low = magnitude >>> 0;
  const high = (magnitude / TWO_32) >>> 0;
  return writeHalves(target, at, ((low << 1) | negative) >>> 0, ((high << 1) | (low >>> 31)) >>> 0);
}

/** WRONG: not a u128. */
export function writeU128(target: Uint8Array, at: number, value: unknown): number {
  if (typeof value !== "bigint" || BigInt.asUintN(128, value) !== value) return WRONG;
  let rest = value;
  while (rest > 127n) {
    target[at++] = Number(rest & 127n) | 128;
    rest >>= 7n;
  }
  target[at++] = Number(rest);
  return at;
}

/** WRONG: not an i128. */
export function writeI128(target: Uint8Array, at: number, value: unknown): number {
  if (typeof value !== "bigint" || BigInt.asIntN(128, value) !== value) return WRONG;
  return writeU128(target, at, BigInt.asUintN(128, (value << 1n) ^ (value >> 127n)));
}

// ---- reading

/** The rest of a varint whose first byte, at `at - 1`, was `first` >= 128; at most 3 bytes and 16 bits in all. */
export function readRest16(source: Uint8Array, at: number, first: number): number {
  let value = first & 127;
  let byte = source[at++];
  value |= (byte & 127) << 7;
  if (byte > 127) {
    byte = source[at++];
    if (!(byte < 4)) throw MALFORMED;
    value |= byte << 14;
  } else if (byte === undefined) throw MALFORMED;
  out.at = at;
  return value;
}

/** The same with at most 5 bytes and 32 bits. */
export function readRest32(source: Uint8Array, at: number, first: number): number {
  let value = first & 127;
  let byte = 0;
  for (let shift = 7; shift < 28; shift += 7) {
    byte = source[at++];
    value |= (byte & 127) << shift;
    if (byte < 128) {
      out.at = at;
      return value;
    }
  }
  byte = source[at++];
  if (!(byte < 16)) throw MALFORMED;
  out.at = at;
  return (value | (byte << 28)) >>> 0;
}

/** A varint of at most 10 bytes and 64 bits, into `out`. */
function readHalves(source: Uint8Array, at: number): void {
  let low = 0;
  let high = 0;
  let byte = 0;
  out.high = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    byte = source[at++];
    low |= (byte & 127) << shift;
    if (byte < 128) {
      out.low = low;
      out.at = at;
      return;
    }
  }
  byte = source[at++];
  low |= (byte & 15) << 28;
  high = (byte & 127) >> 4;
  for (let shift = 3; byte > 127 && shift < 31; shift += 7) {
    byte = source[at++];
    high |= (byte & 127) << shift;
  }
  if (byte > 127) {
    byte = source[at++];
    if (!(byte < 2)) throw MALFORMED;
    high |= byte << 31;
  } else if (byte === undefined) throw MALFORMED;
  out.low = low >>> 0;
  out.high = high >>> 0;
  out.at = at;
}

export function readU64(source: Uint8Array, at: number): bigint {
  readHalves(source, at);
  halves[LOW] = out.low;
  halves[HIGH] = out.high;
  return pair64[0];
}

export function readI64(source: Uint8Array, at: number): bigint {
  readHalves(source, at);
  const { low, high } = out;
  const sign = -(low & 1);
  halves[LOW] = ((low >>> 1) | (high << 31)) ^ sign;
  halves[HIGH] = (high >>> 1) ^ sign;
  return signed64[0];
}

/** Beyond 2^53 - 1 it is malformed. */
export function readSafeUnsigned(source: Uint8Array, at: number): number {
  readHalves(source, at);
  if (out.high >= SAFE_HIGH) throw MALFORMED;
  return out.high * TWO_32 + out.low;
}

/** Beyond ±(2^53 - 1) it is malformed. */
export function readSafeSigned(source: Uint8Array, at: number): number {
  readHalves(source, at);
  const { low, high } = out;
  const half = (high >>> 1) * TWO_32 + (((low >>> 1) | (high << 31)) >>> 0);
  const value = (low & 1) === 0 ? half : -half - 1;
  if (!Number.isSafeInteger(value)) throw MALFORMED;
  return value;
}

/** At most 19 bytes and 128 bits. */
export function readU128(source: Uint8Array, at: number): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 126n; shift += 7n) {
    const byte = source[at++];
    if (byte === undefined) throw MALFORMED;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) {
      out.at = at;
      return value;
    }
  }
  const byte = source[at++];
  if (!(byte < 4)) throw MALFORMED;
  out.at = at;
  return value | (BigInt(byte) << 126n);
}

export function readI128(source: Uint8Array, at: number): bigint {
  const zigzag = readU128(source, at);
  return BigInt.asIntN(128, (zigzag >> 1n) ^ -(zigzag & 1n));
}

/** u128 as number. */
export function readSafeU128(source: Uint8Array, at: number): number {
  return safe(readU128(source, at));
}

/** i128 as number. */
export function readSafeI128(source: Uint8Array, at: number): number {
  return safe(readI128(source, at));
}

function safe(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw MALFORMED;
  return number;
}

// ---- byte strings

/** A copy that is never a view of shared memory, nor a Buffer. */
export function ownBytes(source: Uint8Array, at: number, size: number): Uint8Array {
  // slice() makes what its object is; a third faster than a copy by hand for short ones.
  if (source.constructor === Uint8Array) return source.slice(at, at + size);
  const copy = new Uint8Array(size);
  copy.set(source.subarray(at, at + size));
  return copy;
}

export function viewBytes(source: Uint8Array, at: number, size: number): Uint8Array {
  return new Uint8Array(source.buffer, source.byteOffset + at, size);
}

// ---- floats

let view: DataView = new DataView(new ArrayBuffer(0));
let viewed: Uint8Array = new Uint8Array(0);

/** A DataView of the whole array; the last one is kept, since items come many to a chunk and go many to a ring. */
export function viewOf(bytes: Uint8Array): DataView {
  if (viewed !== bytes) {
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    viewed = bytes;
  }
  return view;
}
