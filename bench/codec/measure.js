// Measures one system in one case, in a process of its own: engines optimise for what a process did before.
import { deepStrictEqual } from "node:assert/strict";
import { leave, task, tell } from "../child.js";
import { CASES, VALUES } from "./cases.js";
import { loadSystem } from "./system.js";

/** A measurement is many short ones, the median of which counts: what else the machine does hits some of them. */
const SLICE_MS = 4;

/** @typedef {import("./cases.js").Case} Case */

/** @type {{ system: string, name: Case, seconds: number }} */
const { system, name, seconds } = task();
const coder = (await loadSystem(system)).coder(name);
if (coder === null) {
  tell({ left: true });
  leave();
} else {
  const { adapt = (value) => value, restore = (value) => value, encode, bytes, decode } = coder;
  const originals = CASES[name]();
  const values = originals.map(adapt);
  const encoded = values.map((value) => Buffer.from(bytes(value)));
  const chunk = new Uint8Array(Buffer.concat(encoded));
  let end = 0;
  const messages = encoded.map(({ length }) => {
    const start = end;
    end += length;
    return { chunk, start, end, alone: Buffer.from(chunk.buffer, start, length) };
  });
  originals.forEach((original, i) => {
    deepStrictEqual(plain(restore(decode(messages[i]))), plain(original));
    deepStrictEqual(encode(values[i]), encoded[i].length);
  });

  let sink = 0;
  const mask = VALUES - 1;
  /** @param {number} times */
  const encodes = (times) => {
    for (let i = 0; i < times; i++) sink += encode(values[i & mask]);
  };
  /** @type {unknown} */
  let last;
  /** @param {number} times */
  const decodes = (times) => {
    for (let i = 0; i < times; i++) last = decode(messages[i & mask]);
  };
  const result = {
    bytes: Math.round(chunk.length / VALUES),
    encode: nanoseconds(encodes, seconds),
    decode: nanoseconds(decodes, seconds),
  };
  if (sink === 0 || last === undefined) throw new Error("nothing was done");
  tell(result);
  leave();
}

/**
 * Of one call, median.
 * @param {(times: number) => void} run
 * @param {number} seconds
 */
function nanoseconds(run, seconds) {
  let times = 1;
  const warmUntil = performance.now() + Math.min(500, seconds * 500);
  for (let took = 0; took < SLICE_MS || performance.now() < warmUntil; ) {
    const start = performance.now();
    run(times);
    took = performance.now() - start;
    if (took < SLICE_MS) times *= 2;
  }
  const slices = [];
  for (let until = performance.now() + seconds * 1_000; performance.now() < until; ) {
    const start = performance.now();
    run(times);
    slices.push(((performance.now() - start) * 1e6) / times);
  }
  return slices.sort((a, b) => a - b)[slices.length >> 1];
}

/**
 * Without what only the kind of object tells: classes, properties that are undefined, Buffers.
 * @param {unknown} value
 * @returns {unknown}
 */
function plain(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("latin1");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const known = Object.entries(value).filter(([, part]) => part !== undefined && part !== null);
  return Object.fromEntries(known.map(([key, part]) => [key, plain(part)]).sort());
}
