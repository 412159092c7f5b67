// From the embedded binaries to an instance. Both builds export the same functions over addresses.
import { instantiateSync } from "@assemblyscript/loader";
import * as binary from "./binary.generated.js";

/** All results and arguments are u32, but JavaScript sees them as signed: addresses stay below 2 GiB. */
export interface CoreExports {
  copyBytes(to: number, from: number, length: number): void;
  deframe(
    block: number,
    from: number,
    visible: number,
    available: number,
    origin: number,
    result: number,
    table: number,
    index: number,
    capacity: number,
  ): number;
  frameHeaderSize(seq: number, hasAck: number, ack: number): number;
  frameParse(at: number, end: number, result: number): number;
  frameWrite(at: number, seq: number, hasAck: number, ack: number, length: number): number;
  frameEnter(block: number, source: number, length: number): number;
  batchCommit(block: number, items: number, lengths: number, count: number): number;
  controlCommit(block: number, length: number): number;
  ringReserve(block: number, length: number): number;
  ringCommit(block: number, item: number, length: number): void;
  ringTake(block: number, max: number, window: number): number;
  ringAck(block: number, ack: number): number;
  ringRewind(block: number): void;
  ringPin(block: number, offset: number, seq: number): void;
  ringUnpin(block: number): void;
  ringMove(block: number, base: number, capacity: number): void;
  scatterSize(plan: number, count: number): number;
  scatterPlace(plan: number, count: number, target: number): number;
  seqBefore(a: number, b: number): number;
  varintSizeU32(value: number): number;
  varintWriteU32(at: number, value: number): number;
  varintReadU32(at: number, end: number, result: number): number;
  varintSizeU64(low: number, high: number): number;
  varintWriteU64(at: number, low: number, high: number): number;
  varintReadU64(at: number, end: number, result: number): number;
}

/** `shared` needs SharedArrayBuffer (Node, isolated pages); `plain` runs everywhere. */
export type Build = "shared" | "plain";

/** Where SharedArrayBuffer is hidden (pages that are not isolated) only the plain build runs. */
export function bestBuild(): Build {
  return typeof SharedArrayBuffer === "undefined" ? "plain" : "shared";
}

export function instantiate(build: Build, memory: WebAssembly.Memory): CoreExports {
  const { instance } = instantiateSync(decodeBase64(binary[build].base64), { env: { memory } });
  return instance.exports as unknown as CoreExports;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
