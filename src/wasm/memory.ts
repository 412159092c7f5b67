// The one linear memory of a thread: hands out power-of-two regions and is the only maker of views.
//
//   0      64        128                      top
//   | null | RESULT  | regions, buddy system   | not grown yet
//
// A region of 2^k bytes is aligned to 2^k; its buddy is the region at address ^ 2^k. Freed buddies merge.
import { RESULT_BYTES } from "../../assembly/abi.js";
import { ConduitError } from "../errors.js";
import type { Bytes } from "../link/link.js";
import type { Build } from "./instantiate.js";

const PAGE = 65_536;
const INITIAL_PAGES = 16;
/** 2 GiB: addresses stay positive when WebAssembly's i32 become JavaScript numbers. */
const MAX_PAGES = 32_768;
/** The smallest region is a conduit's block. */
const MIN_ORDER = 7;
const MAX_ORDER = 30;

/** Address of the result block that every scan and reader of this thread writes to. */
export const RESULT = 64;

export class LinearMemory {
  readonly build: Build;
  readonly shared: boolean;
  readonly memory: WebAssembly.Memory;
  /** The whole memory. Replaced when it grows: read it from here each time, keep it never. */
  u8: Uint8Array;
  u32: Uint32Array;
  /** They were replaced. */
  onGrown: (() => void) | null = null;

  #top = RESULT + RESULT_BYTES;
  readonly #free: Set<number>[] = Array.from({ length: MAX_ORDER + 1 }, () => new Set());
  #used = 0;

  /**
   * That of the shared build, where there is such memory: pages that are not isolated have none, and phones refuse to set 2 GiB
   * of addresses aside, which plain memory needs not.
   * @throws ConduitError CONDUIT_MEMORY
   */
  static best(): LinearMemory {
    if (typeof SharedArrayBuffer === "undefined") return new LinearMemory("plain");
    try {
      return new LinearMemory("shared");
    } catch {
      return new LinearMemory("plain");
    }
  }

  /** @throws ConduitError CONDUIT_MEMORY when the engine gives none */
  constructor(build: Build) {
    this.build = build;
    this.shared = build === "shared";
    this.memory = newMemory(this.shared);
    // An engine that knows no such memory gives a plain one, which the shared build cannot import.
    if (this.shared && this.memory.buffer instanceof ArrayBuffer) throw noMemory();
    this.u8 = new Uint8Array(this.memory.buffer);
    this.u32 = new Uint32Array(this.memory.buffer);
  }

  /** Bytes in regions that are handed out. */
  get usedBytes(): number {
    return this.#used;
  }

  /** Size of the memory: it grows, it never shrinks. */
  get totalBytes(): number {
    return this.u8.length;
  }

  /** The region size that a request of `bytes` gets. */
  static regionSize(bytes: number): number {
    return 2 ** orderOf(bytes);
  }

  /** A region of at least `bytes`, its content undefined; 0 when the memory has no room for it. May replace the views. */
  allocate(bytes: number): number {
    const order = orderOf(bytes);
    if (order > MAX_ORDER) return 0;
    let from = order;
    while (from <= MAX_ORDER && this.#free[from].size === 0) from++;
    let address: number;
    if (from > MAX_ORDER) {
      address = this.#takeTop(order);
      if (address === 0) return 0;
    } else {
      address = this.#takeFree(from);
      // Split what is too large: the upper halves become free.
      while (from > order) {
        from--;
        this.#free[from].add(address + 2 ** from);
      }
    }
    this.#used += 2 ** order;
    return address | 0; // a small integer again: powers have made it a double, which the hot path would box
  }

  /** Gives back a region that allocate(bytes) returned. */
  free(address: number, bytes: number): void {
    const order = orderOf(bytes);
    this.#used -= 2 ** order;
    this.#addFree(address, order);
  }

  /** A view of the memory, for a link to write from. With a plain memory it dies when the memory grows. */
  view(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }

  /** Bytes copied out into memory of their own. */
  copyOut(address: number, length: number): Bytes {
    return this.u8.slice(address, address + length) as Bytes;
  }

  /** Merges with the buddy as long as that one is free as well. */
  #addFree(address: number, order: number): void {
    let region = address;
    let size = order;
    while (size < MAX_ORDER && this.#free[size].delete(region ^ (2 ** size))) {
      region &= ~(2 ** size);
      size++;
    }
    this.#free[size].add(region);
  }

  #takeFree(order: number): number {
    const [address] = this.#free[order];
    this.#free[order].delete(address);
    return address;
  }

  /** A new region at the top of the memory; the gap that alignment leaves becomes free regions. */
  #takeTop(order: number): number {
    const size = 2 ** order;
    const start = Math.ceil(this.#top / size) * size;
    const end = start + size;
    if (end > MAX_PAGES * PAGE || !this.#growTo(end)) return 0;
    while (this.#top < start) {
      const gap = this.#top & -this.#top;
      // Below the gap there may be a free buddy that had none to merge with until now.
      this.#addFree(this.#top, 31 - Math.clz32(gap));
      this.#top += gap;
    }
    this.#top = end;
    return start;
  }

  #growTo(bytes: number): boolean {
    const missing = Math.ceil((bytes - this.u8.length) / PAGE);
    if (missing <= 0) return true;
    try {
      this.memory.grow(missing);
    } catch {
      return false; // the system has no more memory for us; the caller reports CONDUIT_MEMORY
    }
    this.u8 = new Uint8Array(this.memory.buffer);
    this.u32 = new Uint32Array(this.memory.buffer);
    this.onGrown?.();
    return true;
  }
}

function newMemory(shared: boolean): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAX_PAGES, shared });
  } catch (cause) {
    throw noMemory(cause);
  }
}

function noMemory(cause?: unknown): ConduitError {
  return new ConduitError("CONDUIT_MEMORY", "local", "there is no linear memory", { fatal: false, cause });
}

function orderOf(bytes: number): number {
  return bytes <= 2 ** MIN_ORDER ? MIN_ORDER : 32 - Math.clz32(bytes - 1);
}
