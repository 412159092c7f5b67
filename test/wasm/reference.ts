// Varints and frames once more, in plain TypeScript over bigint: slow, obvious, and independent of assembly/.

export type VarintFailure = "truncated" | "overflow";

export function varintBytes(value: bigint | number): number[] {
  const bytes: number[] = [];
  for (let rest = BigInt(value); ; rest /= 128n) {
    if (rest < 128n) return [...bytes, Number(rest)];
    bytes.push(Number(rest % 128n) + 128);
  }
}

/** The same value in exactly `size` bytes, which may be more than it needs. */
export function overlongVarint(value: bigint | number, size: number): number[] {
  const bytes = varintBytes(value);
  while (bytes.length < size) {
    bytes[bytes.length - 1] += 128;
    bytes.push(0);
  }
  return bytes;
}

export function readVarint(
  bytes: ArrayLike<number>,
  at: number,
  end: number,
  bits: 32 | 64,
): { value: bigint; end: number } | VarintFailure {
  let value = 0n;
  for (let i = 0; i < Math.ceil(bits / 7); i++) {
    if (at + i >= end) return "truncated";
    const byte = bytes[at + i];
    value += BigInt(byte % 128) << BigInt(7 * i);
    if (byte < 128) return value < 1n << BigInt(bits) ? { value, end: at + i + 1 } : "overflow";
  }
  // A byte that cannot be the last one; cut off or not, what it carries is beyond the last bit.
  return "overflow";
}

export function u32Bytes(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}

export function readU32(bytes: ArrayLike<number>, at: number): number {
  return bytes[at] + bytes[at + 1] * 2 ** 8 + bytes[at + 2] * 2 ** 16 + bytes[at + 3] * 2 ** 24;
}

export function headerBytes(seq: number, ack: number | null, length: number): number[] {
  const option = ack === null ? [0] : [1, ...varintBytes(ack)];
  return [...varintBytes(seq), ...option, ...u32Bytes(length)];
}

export function frameBytes(seq: number, ack: number | null, item: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = headerBytes(seq, ack, item.length);
  const frame = new Uint8Array(header.length + item.length);
  frame.set(header);
  frame.set(item, header.length);
  return frame;
}

export interface ParsedFrame {
  seq: number;
  ack: number | null;
  /** Offset of the item, which ends with the frame. */
  item: number;
}

/** The frame that fills at..end; "frame": [frame.exact], "varint": [frame.minimal]. */
export function parseFrame(
  bytes: ArrayLike<number>,
  at: number,
  end: number,
): ParsedFrame | "frame" | "varint" {
  const failure = (read: VarintFailure) => (read === "overflow" ? "varint" : "frame");
  const seq = readVarint(bytes, at, end, 32);
  if (typeof seq === "string") return failure(seq);
  let next = seq.end;
  if (next === end) return "frame";
  const tag = bytes[next++];
  if (tag > 1) return "frame";
  let ack: number | null = null;
  if (tag === 1) {
    const read = readVarint(bytes, next, end, 32);
    if (typeof read === "string") return failure(read);
    ack = Number(read.value);
    next = read.end;
  }
  if (end - next < 4 || readU32(bytes, next) !== end - next - 4) return "frame";
  return { seq: Number(seq.value), ack, item: next + 4 };
}
