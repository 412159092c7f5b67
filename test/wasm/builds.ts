// Runs one suite on both builds: they come from one source and must not differ.
import { describe } from "vitest";
import { Core } from "../../src/wasm/core.js";
import type { Build } from "../../src/wasm/instantiate.js";
import { LinearMemory } from "../../src/wasm/memory.js";

export const BUILDS: readonly Build[] = ["shared", "plain"];

export function onBothBuilds(suite: (core: Core, build: Build) => void): void {
  for (const build of BUILDS)
    describe(`${build} build`, () => suite(new Core(new LinearMemory(build)), build));
}

/** A u32 of the linear memory, for example a field of a block. */
export function peek(core: Core, address: number): number {
  return core.memory.u32[address >>> 2];
}

export function poke(core: Core, address: number, value: number): void {
  core.memory.u32[address >>> 2] = value;
}

/** A view for comparisons, good until the memory grows. */
export function bytesAt(core: Core, address: number, length: number): Buffer {
  return Buffer.from(core.memory.memory.buffer, address, length);
}
