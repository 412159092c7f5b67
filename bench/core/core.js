// The implementations of the hot path that the core suite compares.
import { twinCore } from "./twin.js";
import { wasmCore } from "./wasm.js";

export const SYSTEMS = ["wasm-shared", "wasm-plain", "twin"];

/** A ring as one session under load has it. */
export const OPTIONS = { capacity: 2 ** 20, maxItem: 2 ** 17, entries: 8_192 };

/**
 * @param {string} system
 * @param {typeof OPTIONS} [options]
 */
export function coreOf(system, options = OPTIONS) {
  if (system === "twin") return twinCore(options);
  if (system === "wasm-shared") return wasmCore("shared", options);
  if (system === "wasm-plain") return wasmCore("plain", options);
  throw new Error(`not an implementation: ${system}`);
}
