// What the module exports: pure functions over addresses. It allocates nothing and holds no state of a conduit.
export { copyBytes } from "./copy";
export { deframe } from "./deframe";
export { headerSize as frameHeaderSize, parseFrame as frameParse } from "./frame";
export {
  batchCommit,
  controlCommit,
  frameEnter,
  ringAck,
  ringCommit,
  ringMove,
  ringPin,
  ringReserve,
  ringRewind,
  ringTake,
  ringUnpin,
} from "./ring";
export { scatterPlace, scatterSize } from "./scatter";
export { seqBefore } from "./seq";
export { varintSizeU32 } from "./varint";
import { writeHeader } from "./frame";
import * as varint from "./varint";

/** Writes a frame's header; returns the address of its item. */
export function frameWrite(at: usize, seq: u32, hasAck: bool, ack: u32, length: u32): usize {
  return writeHeader(at, seq, hasAck, ack, length);
}

/** Returns the address behind the varint. */
export function varintWriteU32(at: usize, value: u32): usize {
  return varint.writeU32(at, value);
}

/** Reads into `result` (u32). Returns the address behind it, or 0: truncated or more than 32 bits. */
export function varintReadU32(at: usize, end: usize, result: usize): usize {
  store<u32>(result, varint.readU32(at, end));
  return varint.varintEnd;
}

// 64-bit values cross as two u32, low half first: a BigInt per call is slow.

export function varintSizeU64(low: u32, high: u32): u32 {
  return varint.varintSizeU64(join(low, high));
}

export function varintWriteU64(at: usize, low: u32, high: u32): usize {
  return varint.writeU64(at, join(low, high));
}

/** Reads into `result` (u64). Returns the address behind it, or 0: truncated or more than 64 bits. */
export function varintReadU64(at: usize, end: usize, result: usize): usize {
  store<u64>(result, varint.readU64(at, end));
  return varint.varintEnd;
}

function join(low: u32, high: u32): u64 {
  return (<u64>high << 32) | low;
}
