// The thread's WebAssembly instance before the first conduit needs it.
import { Core, hasCore, provideCore, threadCore } from "../wasm/core.js";
import { binaryOf, exportsOf, importsOf, refused } from "../wasm/instantiate.js";
import { LinearMemory } from "../wasm/memory.js";

let preparing: Promise<void> | null = null;

/**
 * Prepares the WebAssembly of this thread (6 KB, nothing is loaded) without synchronous compilation. Needed only where a page's
 * main thread must not compile synchronously: Chromium before about version 114, and WebViews of that age. Anywhere else the first conduit
 * does initSync() by itself. Each thread has its own; calling it again, or when a conduit is there already, costs nothing.
 *
 * Rejects with ConduitError CONDUIT_OPTIONS where WebAssembly is not allowed at all, such as under a
 * Content-Security-Policy without 'wasm-unsafe-eval', and CONDUIT_MEMORY when there is no memory; it may be called again then.
 */
export function init(): Promise<void> {
  preparing ??= prepare().catch((error) => {
    preparing = null;
    throw error;
  });
  return preparing;
}

async function prepare(): Promise<void> {
  if (hasCore()) return;
  const memory = LinearMemory.best();
  // Of a module Chromium's old limit would forbid even the instance; from bytes to instance in one step is free of it.
  const compiled = WebAssembly.instantiate(binaryOf(memory.build), importsOf(memory.memory));
  const { instance } = await compiled.catch((cause) => {
    throw refused(cause);
  });
  provideCore(new Core(memory, exportsOf(instance)));
}

/**
 * The same synchronously, so that the first conduit does not pay for it. In Node, in workers and in today's pages.
 * @throws ConduitError CONDUIT_OPTIONS where init() is needed, or WebAssembly is not allowed at all
 */
export function initSync(): void {
  threadCore();
}
