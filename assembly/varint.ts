// Postcard varints: seven bits a byte, lowest first, the top bit says that more follow [frame.minimal].

/** Why the last read failed. */
export const TRUNCATED: u32 = 1;
export const OVERFLOW: u32 = 2;

/** Address behind the varint that was read last; 0 after a failure. */
export let varintEnd: usize = 0;
/** TRUNCATED or OVERFLOW after a failure. */
export let varintError: u32 = 0;

export function varintSizeU32(value: u32): u32 {
  // 32 - clz is the number of significant bits; 9/64 is close enough to 1/7 for every value up to 64 bits.
  return ((32 - <u32>clz(value | 1)) * 9 + 64) >> 6;
}

export function varintSizeU64(value: u64): u32 {
  return ((64 - <u32>clz(value | 1)) * 9 + 64) >> 6;
}

/** Returns the address behind the last byte. */
// @ts-ignore: decorator
@inline
export function writeU32(at: usize, value: u32): usize {
  while (value >= 0x80) {
    store<u8>(at++, <u8>(value | 0x80));
    value >>= 7;
  }
  store<u8>(at, <u8>value);
  return at + 1;
}

export function writeU64(at: usize, value: u64): usize {
  while (value >= 0x80) {
    store<u8>(at++, <u8>(value | 0x80));
    value >>= 7;
  }
  store<u8>(at, <u8>value);
  return at + 1;
}

/**
 * The varint that a word of four bytes begins with: its value, and above bit 32 its length; 0 = it is longer.
 * Branches, one per length: a stream's varints are nearly all of one length, so they are predicted.
 */
// @ts-ignore: decorator
@inline
export function shortVarint(word: u32): u64 {
  if (!(word & 0x80)) return (1 << 32) | <u64>(word & 0x7f);
  if (!(word & 0x8000)) return (2 << 32) | <u64>((word & 0x7f) | ((word >> 1) & 0x3f80));
  const low = (word & 0x7f) | ((word >> 1) & 0x3f80) | ((word >> 2) & 0x1f_c000);
  if (!(word & 0x80_0000)) return (3 << 32) | <u64>low;
  if (!(word & 0x8000_0000)) return (4 << 32) | <u64>(low | ((word >> 3) & 0xfe0_0000));
  return 0;
}

/** Sets varintEnd. Overlong forms of at most 5 bytes are read; bits beyond 32 are an overflow. */
export function readU32(at: usize, end: usize): u32 {
  let value: u32 = 0;
  for (let shift: u32 = 0; shift < 35; shift += 7) {
    if (at >= end) return fail(TRUNCATED);
    const byte = <u32>load<u8>(at++);
    if (shift == 28 && byte > 0x0f) return fail(OVERFLOW);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      varintEnd = at;
      return value;
    }
  }
  return fail(OVERFLOW);
}

export function readU64(at: usize, end: usize): u64 {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (at >= end) return fail(TRUNCATED);
    const byte = <u64>load<u8>(at++);
    if (shift == 63 && byte > 1) return fail(OVERFLOW);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      varintEnd = at;
      return value;
    }
  }
  return fail(OVERFLOW);
}

function fail(why: u32): u32 {
  varintEnd = 0;
  varintError = why;
  return 0;
}
