// The hot path alone, in one thread: WebAssembly, in both builds, against a careful TypeScript twin of the same
// functions. encode: an item into the ring, by a call of its own; batch: by one call for 64 KiB of them; scan: from a
// chunk as a socket brings it to the list of its items; ack: released by acks that come every 64 KiB; rewind: taken
// from the ring again after a new link.
import { SYSTEMS } from "../core/core.js";
import { Peer, profiling } from "../peer.js";
import { inRounds } from "../rounds.js";
import { median, range, ratio, rounded } from "../statistics.js";
import { UnknownSystem } from "../system.js";
import { figure, size as sizeOf } from "../tables.js";

/** @typedef {import("../bench.js").Options} Options */
/** @typedef {"encode" | "batch" | "scan" | "ack" | "rewind"} Operation */

/**
 * @typedef {object} Result
 * @property {string} system
 * @property {number} size bytes of an item
 * @property {Operation} operation
 * @property {number} nsPerItem median of the rounds
 * @property {[number, number]} nsPerItemRange fastest and slowest round
 * @property {number[]} rounds in their order
 */

/** @type {Operation[]} */
const OPERATIONS = ["encode", "batch", "scan", "ack", "rewind"];

export const about =
  "The hot path alone in one thread: AssemblyScript compiled for shared and for plain memory, against a careful " +
  "TypeScript twin of the same functions (`bench/core-twin.js`), which a test holds to the same " +
  "bytes. WASM has to copy what it reads into its memory, the twin reads it where it is: both are in these figures.";

export const defaults = {
  systems: SYSTEMS,
  sizes: [16, 64, 256, 1024, 4096, 16_384, 65_536],
  rounds: 5,
  seconds: 0.3,
  quick: { sizes: [16, 64, 1024], rounds: 2, seconds: 0.1 },
};

/**
 * @param {Options} options
 * @param {(line: string) => void} progress
 * @returns {Promise<{ results: Result[], skipped: Record<string, string> }>}
 */
export async function run({ systems, sizes, rounds: times, seconds, cpuProf }, progress) {
  for (const system of systems) if (!SYSTEMS.includes(system)) throw new UnknownSystem(system);
  const measured = await inRounds(
    times,
    sizes.flatMap((size) => systems.map((system) => ({ system, size }))),
    (task) => measure({ ...task, seconds }, profiling(cpuProf, `${task.system}-${task.size}`)),
    progress,
    ({ system, size }, ns) =>
      `${system}  ${size} B  ${OPERATIONS.map((operation) => `${operation} ${figure(ns[operation])}`).join("  ")} ns`,
  );
  const results = measured.flatMap(({ measured: { system, size }, rounds }) =>
    OPERATIONS.map((operation) => {
      const taken = rounds.map((ns) => rounded(ns[operation]));
      const nsPerItem = rounded(median(taken));
      return { system, size, operation, nsPerItem, nsPerItemRange: range(taken), rounds: taken };
    }),
  );
  return { results, skipped: {} };
}

/**
 * @param {object} task
 * @param {string[]} execArgv
 * @returns {Promise<Record<Operation, number>>}
 */
async function measure(task, execArgv) {
  const peer = new Peer("core/measure.js", task, execArgv);
  try {
    const taken = await peer.next();
    await peer.exited;
    return taken;
  } finally {
    peer.kill();
  }
}

/**
 * @param {Result[]} results
 * @returns {import("../tables.js").Table[]}
 */
export function tables(results) {
  const systems = [...new Set(results.map(({ system }) => system))];
  const sizes = [...new Set(results.map(({ size }) => size))];
  return [
    {
      title: "The hot path alone: nanoseconds per item, and the twin's time as a multiple",
      head: ["operation, item", ...systems, ...systems.slice(0, -1).map((system) => `twin / ${system}`)],
      rows: OPERATIONS.flatMap((operation) =>
        sizes.map((size) => {
          const row = systems.flatMap(
            (system) =>
              results.find(
                (result) =>
                  result.system === system && result.size === size && result.operation === operation,
              ) ?? [],
          );
          const twin = row[row.length - 1];
          return [
            `${operation}, ${sizeOf(size)}`,
            ...row.map(({ nsPerItem }) => figure(nsPerItem)),
            ...row.slice(0, -1).map(({ rounds }) => figure(ratio(twin.rounds, rounds))),
          ];
        }),
      ),
    },
  ];
}

/**
 * @param {Result[]} results
 * @returns {import("../chart.js").Chart[]}
 */
export function charts(results) {
  const shown = results.filter(({ size }) => size === 64 || size === 1024);
  const groups = OPERATIONS.flatMap((operation) =>
    [...new Set(shown.map(({ size }) => size))].map((size) => ({
      label: `${operation}, ${sizeOf(size)} items`,
      rows: shown
        .filter((result) => result.operation === operation && result.size === size)
        .map(({ system, nsPerItem, nsPerItemRange }) => ({
          label: system,
          value: nsPerItem,
          range: nsPerItemRange,
          text: `${figure(nsPerItem)} ns`,
        })),
    })),
  );
  return [
    { name: "core", title: "The hot path alone, per item", axis: "nanoseconds: less is better", groups },
  ];
}
