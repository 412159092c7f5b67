// What the codec suite compares. To add a system, write systems/<name>.js with a default export of type CodecSystem.

import { importSystem, UnknownSystem } from "../system.js";

/** @typedef {import("./cases.js").Case} Case */

/**
 * An encoded value among others, for each system to take as it likes best.
 * @typedef {object} Message
 * @property {Uint8Array} chunk as from a socket: many messages one after another
 * @property {number} start
 * @property {number} end
 * @property {Buffer} alone a view of the message
 */

/**
 * How a system encodes one case. Both are what a program that cares would write: objects are set up once, output goes
 * to memory that is there.
 * @typedef {object} Coder
 * @property {(value: any) => any} [adapt] the value as this system takes it; not measured
 * @property {(value: any) => number} encode returns how many bytes it became
 * @property {(value: any) => Uint8Array} bytes the same as bytes of their own; not measured
 * @property {(message: Message) => any} decode
 * @property {(decoded: any) => any} [restore] the value as it was; not measured
 */

/**
 * @typedef {object} CodecSystem
 * @property {string} name
 * @property {(name: Case) => Coder | null} coder null: nothing to measure in this case
 */

/**
 * @param {string} name of a file in systems/
 * @returns {Promise<CodecSystem>}
 */
export async function loadSystem(name) {
  if (!/^[\w.-]+$/.test(name)) throw new UnknownSystem(name);
  return importSystem(new URL(`systems/${name}.js`, import.meta.url), name);
}
