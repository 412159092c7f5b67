// From the embedded binary to an instance. Both builds export the same functions over addresses.
import { ConduitError } from "../errors.js";
import { flagsAt, hex } from "./binary.generated.js";

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

/** The module's bytes, a new array for each call. */
export function binaryOf(build: Build): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  if (build === "shared") bytes[flagsAt] |= 2; // all that the two builds differ in; build-wasm.js makes sure
  return bytes;
}

/** What a module imports. */
export function importsOf(memory: WebAssembly.Memory): WebAssembly.Imports {
  return { env: { memory } };
}

/** @throws ConduitError CONDUIT_OPTIONS where WebAssembly may not be compiled (at once). */
export function instantiate(build: Build, memory: WebAssembly.Memory): CoreExports {
  try {
    return exportsOf(new WebAssembly.Instance(new WebAssembly.Module(binaryOf(build)), importsOf(memory)));
  } catch (cause) {
    throw refused(cause);
  }
}

export function exportsOf({ exports }: WebAssembly.Instance): CoreExports {
  return exports as unknown as CoreExports;
}

/** Engines do not say in one way what they have against a module, so this names both things that can be done. */
export function refused(cause: unknown): ConduitError {
  return new ConduitError(
    "CONDUIT_OPTIONS",
    "local",
    `WebAssembly was refused (${cause}): where a page must not compile synchronously, call init() first and wait for it; a Content-Security-Policy has to allow 'wasm-unsafe-eval'`,
    { fatal: false, cause },
  );
}
