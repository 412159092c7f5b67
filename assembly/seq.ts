// Sequence numbers modulo 2^32, compared by serial arithmetic [seq.serial].

/** a comes before b. Holds while they are less than 2^31 apart. */
export function seqBefore(a: u32, b: u32): bool {
  return <i32>(a - b) < 0;
}
