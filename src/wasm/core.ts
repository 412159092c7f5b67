// The hot path's WebAssembly instance with its memory: one per thread, for all conduits of it.
// Functions are fields, so that a call site is a plain call that the engine can inline.
import { BLOCK_BYTES } from "../../assembly/abi.js";
import { bytesOf } from "../bytes-of.js";
import { type Build, type CoreExports, instantiate } from "./instantiate.js";
import { LinearMemory } from "./memory.js";

/** Largest piece of a chunk that is copied in for one scan; a socket read is at most as large. */
export const SCAN_BYTES_MAX = 65_536;
/** Largest item that enter() takes. */
export const ENTER_BYTES_MAX = SCAN_BYTES_MAX;
/** So far an alignment moves what is staged. */
const ALIGNMENT = 8;
const STAGING_BYTES = SCAN_BYTES_MAX + ALIGNMENT;
/** From here on a copy at the wrong alignment costs more than to ask for the alignment. */
const ALIGN_FROM_BYTES = 256;
/** Items that one scan can list. */
export const TABLE_ENTRIES = 8_192;

/** Found here, not through the prototypes for each item: that is a third of what a small copy costs. */
const setBytes = Uint8Array.prototype.set;
const { length: lengthOf, buffer: bufferOf, byteOffset: byteOffsetOf } = bytesOf;

export class Core {
  readonly build: Build;
  readonly memory: LinearMemory;
  readonly exports: CoreExports;
  readonly frameEnter: CoreExports["frameEnter"];
  readonly deframe: CoreExports["deframe"];
  /** Where a chunk is copied to for its scan, and items on their way in. Used within one call only. */
  readonly chunk: number;
  /** That place and no more: a copy that is longer than was said, because another thread makes its buffer grow, ends here. */
  #staging: Uint8Array;
  /** Where a scan lists items, TABLE_ENTRIES pairs. Used within one call only. */
  readonly table: number;

  /** @throws ConduitError as instantiate() */
  constructor(memory = LinearMemory.best(), exports = instantiate(memory.build, memory.memory)) {
    this.build = memory.build;
    this.memory = memory;
    this.exports = exports;
    this.frameEnter = this.exports.frameEnter;
    this.deframe = this.exports.deframe;
    this.chunk = this.memory.allocate(STAGING_BYTES);
    this.#staging = this.memory.view(this.chunk, STAGING_BYTES);
    this.memory.onGrown = () => {
      this.#staging = this.memory.view(this.chunk, STAGING_BYTES);
    };
    this.table = this.memory.allocate(TABLE_ENTRIES * 8);
  }

  // The engine copies from JavaScript into shared memory byte by byte when source and target differ in alignment,
  // eight times slower. So bytes go to `chunk` at their own alignment first, and from there by WASM.

  /** Commits a frame with a copy of `item`, whose own length it is, at most ENTER_BYTES_MAX. false = refused, as frameEnter. */
  enter(block: number, item: Uint8Array, length: number): boolean {
    const phase = length < ALIGN_FROM_BYTES ? 0 : byteOffsetOf.call(item) & 7;
    try {
      setBytes.call(this.#staging, item, phase);
    } catch {
      return false; // it has grown
    }
    return this.frameEnter(block, this.chunk + phase, length) !== 0;
  }

  /** Copies the first `length` of `bytes` in, to the address `to`. */
  copyIn(bytes: Uint8Array, to: number, length = lengthOf.call(bytes)): void {
    const from = byteOffsetOf.call(bytes);
    const phase = from & 7;
    for (let at = 0; at < length; at += ENTER_BYTES_MAX) {
      const size = Math.min(ENTER_BYTES_MAX, length - at);
      setBytes.call(this.#staging, new Uint8Array(bufferOf.call(bytes), from + at, size), phase);
      this.exports.copyBytes(to + at, this.chunk + phase, size);
    }
  }

  /** A conduit's block, zeroed; 0 when there is no memory for it. */
  allocateBlock(): number {
    const block = this.memory.allocate(BLOCK_BYTES);
    if (block !== 0) this.memory.u8.fill(0, block, block + BLOCK_BYTES);
    return block;
  }

  freeBlock(block: number): void {
    this.memory.free(block, BLOCK_BYTES);
  }
}

let core: Core | undefined;

/**
 * This thread's instance. Made at the first call, synchronously, unless provideCore() was there before.
 * @throws ConduitError CONDUIT_OPTIONS where that is not allowed
 */
export function threadCore(): Core {
  core ??= new Core();
  return core;
}

/** For init(), which compiles asynchronously. There is one core for ever, so the first one counts. */
export function provideCore(provided: Core): void {
  core ??= provided;
}

export function hasCore(): boolean {
  return core !== undefined;
}
