// All runs share one memory, so that what a run leaves behind, or writes where it must not, is seen by another.
// Freed regions are overwritten at once: reading one shows.
import { Core } from "../../src/wasm/core.js";
import { LinearMemory } from "../../src/wasm/memory.js";

const FREED = 0xdd;
let core: Core | undefined;

export function sharedCore(): Core {
  if (core) return core;
  core = new Core(new LinearMemory("shared"));
  const { memory } = core;
  const free = memory.free.bind(memory);
  memory.free = (address, bytes) => {
    memory.u8.fill(FREED, address, address + bytes);
    free(address, bytes);
  };
  return core;
}
