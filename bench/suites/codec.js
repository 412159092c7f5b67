// Values to bytes and back, one thread. Each measurement has a process of its own; all systems take turns within one
// run, several rounds of them, and the fastest round counts: other work on the machine only ever adds.
import { loadSystem } from "../codec/system.js";
import { Peer } from "../peer.js";

/** @typedef {import("../bench.js").Options} Options */

/**
 * @typedef {object} Result
 * @property {string} system
 * @property {string} case
 * @property {"encode" | "decode"} operation
 * @property {number} nsPerOp fastest round; within a round the median
 * @property {number} bytes of an encoded value, mean
 * @property {[number, number]} nsPerOpRange fastest and slowest round
 */

const CASES = ["state", "order", "blob"];
/** @type {("encode" | "decode")[]} */
const OPERATIONS = ["encode", "decode"];

export const defaults = {
  systems: [
    "stable-conduit",
    "stable-conduit-borrowed",
    "stable-conduit-closures",
    "msgpackr",
    "protobufjs",
    "avsc",
    "json",
    "msgpack",
    "copy",
  ],
  sizes: /** @type {number[]} */ ([]),
  rounds: 5,
  seconds: 0.4,
  quick: { rounds: 2, seconds: 0.15 },
};

/**
 * @param {Options} options
 * @param {(line: string) => void} progress
 * @returns {Promise<{ results: Result[], skipped: Record<string, string> }>}
 */
export async function run(options, progress) {
  const { systems, rounds, seconds, cpuProf } = options;
  for (const system of systems) await loadSystem(system);
  /** @type {Map<string, { system: string, case: string, operation: "encode" | "decode", bytes: number, times: number[] }>} */
  const measured = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const name of CASES) {
      for (const system of systems) {
        const profile = cpuProf
          ? ["--cpu-prof", `--cpu-prof-dir=${cpuProf}`, `--cpu-prof-name=${system}-${name}.cpuprofile`]
          : [];
        const peer = new Peer("codec/measure.js", { system, name, seconds }, profile);
        const taken = await peer.next();
        await peer.exited;
        if (taken.left) continue;
        for (const operation of OPERATIONS) {
          const key = `${system} ${name} ${operation}`;
          const bytes = Number(taken.bytes);
          /** @type {number[]} */
          const times = [];
          const entry = measured.get(key) ?? { system, case: name, operation, bytes, times };
          entry.times.push(Number(taken[operation]));
          measured.set(key, entry);
          progress(`round ${round + 1}/${rounds}  ${key}  ${Math.round(taken[operation])} ns`);
        }
      }
    }
  }
  const results = [...measured.values()].map(({ times, ...rest }) => {
    const fastest = Math.min(...times);
    const range = /** @type {[number, number]} */ ([tenths(fastest), tenths(Math.max(...times))]);
    return { ...rest, nsPerOp: tenths(fastest), nsPerOpRange: range };
  });
  return { results, skipped: {} };
}

/**
 * A table for people: times, and how much longer each system takes than the first.
 * @param {Result[]} results
 */
export function table(results) {
  const first = results[0]?.system;
  const rows = [["case", "operation", "system", "ns", "range", "bytes", `x ${first}`]];
  for (const name of CASES) {
    for (const operation of OPERATIONS) {
      const group = results.filter((result) => result.case === name && result.operation === operation);
      const base = group.find(({ system }) => system === first);
      for (const { system, nsPerOp, nsPerOpRange, bytes } of group) {
        const ratio = base ? (nsPerOp / base.nsPerOp).toFixed(2) : "";
        rows.push([
          name,
          operation,
          system,
          nsPerOp.toFixed(0),
          nsPerOpRange.map(Math.round).join(" - "),
          String(bytes),
          ratio,
        ]);
      }
    }
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "),
    )
    .join("\n");
}

/** @param {number} value */
function tenths(value) {
  return Math.round(value * 10) / 10;
}
