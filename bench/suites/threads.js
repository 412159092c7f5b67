// One way between two worker threads of one process.
import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";
import { inRounds } from "../rounds.js";
import { median, range, ratio } from "../statistics.js";
import { UnknownSystem } from "../system.js";
import { figure, short, size as sizeOf } from "../tables.js";
import { WAYS } from "../threads/ways.js";

/** @typedef {import("../bench.js").Options} Options */
/** @typedef {{ system: string, size: number, messagesPerSecond: number, messagesPerSecondRange: [number, number], rounds: number[] }} Result */

export const about =
  "One way between two worker threads: a conduit over two rings in shared memory, one over a MessagePort, and " +
  "`postMessage` with a message per item.";

export const defaults = {
  systems: ["shared-memory", "message-port", "postMessage"],
  sizes: [64, 1024, 16_384],
  rounds: 5,
  seconds: 1.5,
  quick: { sizes: [64], rounds: 3, seconds: 0.7 },
};

/**
 * @param {Options} options
 * @param {(line: string) => void} progress
 * @returns {Promise<{ results: Result[], skipped: Record<string, string> }>}
 */
export async function run({ systems, sizes, rounds: times, seconds }, progress) {
  for (const system of systems) if (!(system in WAYS)) throw new UnknownSystem(system);
  const measured = await inRounds(
    times,
    sizes.flatMap((size) => systems.map((system) => ({ system, size }))),
    ({ system, size }) => measure(system, size, seconds),
    progress,
    ({ system, size }, rate) => `${system}  ${size} B  ${rate} msg/s`,
  );
  const results = measured.map(({ measured: { system, size }, rounds }) => ({
    system,
    size,
    messagesPerSecond: median(rounds),
    messagesPerSecondRange: range(rounds),
    rounds,
  }));
  return { results, skipped: {} };
}

/**
 * Items per second. Afterwards nothing may be missing, nor be there twice.
 * @param {string} way
 * @param {number} size
 * @param {number} seconds
 */
async function measure(way, size, seconds) {
  const { port1, port2 } = new MessageChannel();
  /** @param {string} side @param {import("node:worker_threads").MessagePort} port */
  const start = (side, port) =>
    new Worker(new URL("../threads/worker.js", import.meta.url), {
      workerData: { way, side, port, size, seconds, warmupSeconds: Math.min(0.5, seconds / 2) },
      transferList: [port],
    });
  const receiver = start("receiver", port1);
  const sender = start("sender", port2);
  try {
    const [{ pushed }] = await once(sender, "message");
    receiver.postMessage({});
    const [{ items, firstBytes, rate }] = await once(receiver, "message");
    if (items !== pushed || firstBytes !== pushed)
      throw new Error(`${way}: pushed ${pushed} items, received ${items}`);
    return Math.round(rate);
  } finally {
    await Promise.all([sender.terminate(), receiver.terminate()]);
  }
}

/**
 * @param {Result[]} results
 * @returns {import("../tables.js").Table[]}
 */
export function tables(results) {
  const base = results.at(-1)?.system;
  return [
    {
      title: `Between threads, items per second, and each as a multiple of ${base}`,
      head: ["system, item", "items/s", "range", `multiple of ${base}`],
      rows: results.map(({ system, size, messagesPerSecond, messagesPerSecondRange, rounds }) => {
        const other = results.find((result) => result.system === base && result.size === size);
        return [
          `${system}, ${sizeOf(size)}`,
          short(messagesPerSecond),
          messagesPerSecondRange.map(short).join(" - "),
          other && system !== base ? figure(ratio(rounds, other.rounds)) : "",
        ];
      }),
    },
  ];
}
