// Copies within linear memory.

/** memory.copy is a call out of WASM, worth it from about this many bytes on. */
const CALL_WORTH_BYTES: u32 = 128;

/** Copies `length` bytes between places that do not overlap. */
export function copyBytes(to: usize, from: usize, length: u32): void {
  if (length < 8 || length > CALL_WORTH_BYTES) {
    memory.copy(to, from, length);
    return;
  }
  // In words; the last one overlaps the one before.
  const last = length - 8;
  for (let i: u32 = 0; i < last; i += 8) store<u64>(to + i, load<u64>(from + i));
  store<u64>(to + last, load<u64>(from + last));
}
