// After a cut: the time from the cut to the first replayed item at the other side's application, and the time to
// replay much that was accepted while there was no link, from the moment a link may be had. A system without replay
// connects anew and sends the same bytes again: what the network alone costs.
import { setTimeout } from "node:timers/promises";
import { PeerPair, profiling } from "../peer.js";
import { availableOf, inRounds } from "../rounds.js";
import { median, percentile, range, ratio, rounded } from "../statistics.js";
import { figure, size as sizeOf } from "../tables.js";

/** @typedef {import("../bench.js").Options} Options */

/**
 * @typedef {object} Result
 * @property {string} system
 * @property {number} size bytes to replay; 0 = until the first item
 * @property {number} ms median of the rounds
 * @property {number} p99 milliseconds, of all cuts; of a bulk replay the slowest
 * @property {[number, number]} msRange fastest and slowest round
 * @property {number[]} rounds milliseconds, in the order of the rounds; for size 0 each round's median
 * @property {number} megabytesPerSecond 1e6 bytes; 0 for size 0
 */

/** Items of a bulk replay. */
const ITEM_BYTES = 1_024;
/** Items that a cut leaves to be replayed. */
const CUT_ITEMS = 16;
/** A link is cut when it has been of use for so long: one that is cut at once is not followed at once. */
const LINK_LIVES_MS = 60;

export const about =
  "What a cut costs. A link that was of use is followed at once, later attempts wait (full jitter, so that the clients " +
  "of a restarted server do not come all at once). Raw `net` replays nothing: it connects anew and sends the same bytes again.";

export const defaults = {
  systems: ["stable-conduit", "net"],
  sizes: [2 ** 20, 2 ** 24, 2 ** 26],
  rounds: 5,
  seconds: 2,
  quick: { sizes: [2 ** 20, 2 ** 24], rounds: 3, seconds: 0.5 },
};

/**
 * @param {Options} options
 * @param {(line: string) => void} progress
 * @returns {Promise<{ results: Result[], skipped: Record<string, string> }>}
 */
export async function run(options, progress) {
  const { systems, skipped } = await availableOf(options.systems);
  const measured = await inRounds(
    options.rounds,
    [0, ...options.sizes].flatMap((size) => systems.map((entry) => ({ ...entry, size }))),
    (entry) => (entry.size === 0 ? cuts(entry, options) : bulk(entry, options)),
    progress,
    ({ system, size }, times) =>
      `${system.name}  ${size === 0 ? "first item" : sizeOf(size)}  ${figure(median(times))} ms`,
  );
  const results = measured.map(({ measured: { system, size }, rounds }) => {
    const medians = rounds.map((times) => rounded(median(times)));
    const ms = rounded(median(medians));
    return {
      system: system.name,
      size,
      ms,
      p99: rounded(percentile(Float64Array.from(rounds.flat()).sort(), 0.99)),
      msRange: range(medians),
      rounds: medians,
      megabytesPerSecond: rounded(size / ms / 1_000),
    };
  });
  return { results, skipped };
}

/**
 * Milliseconds from a cut to the first item that is replayed, of each cut.
 * @param {import("../rounds.js").Entry} entry
 * @param {Options} options
 */
async function cuts(entry, { seconds, cpuProf }) {
  return pairOf(entry, 64, undefined, cpuProf).use(async (peers) => {
    const times = [];
    await replay(peers, CUT_ITEMS, 64, false); // warm-up
    for (let i = 0; i < Math.max(1, (seconds * 1_000) / LINK_LIVES_MS); i++) {
      await setTimeout(LINK_LIVES_MS);
      const { cutAt, firstAt } = await replay(peers, CUT_ITEMS, 64, false);
      times.push(firstAt - cutAt);
    }
    return times;
  });
}

/**
 * Milliseconds from the moment when a link may be had until everything has come, of one replay.
 * @param {import("../rounds.js").Entry & { size: number }} entry
 * @param {Options} options
 */
async function bulk(entry, { cpuProf }) {
  return pairOf(entry, ITEM_BYTES, entry.size, cpuProf).use(async (peers) => {
    const items = Math.ceil(entry.size / ITEM_BYTES);
    await replay(peers, items, ITEM_BYTES, true); // warm-up: what is cut has run for a while
    const { restoredAt, allAt } = await replay(peers, items, ITEM_BYTES, true);
    return [allAt - restoredAt];
  });
}

/**
 * @param {import("../rounds.js").Entry} entry
 * @param {number} size of an item
 * @param {number | undefined} holdBytes
 * @param {string | undefined} cpuProf
 */
function pairOf({ module, system: { name } }, size, holdBytes, cpuProf) {
  const task = { system: module, size, holdBytes };
  return new PeerPair(
    ["resume/receiver.js", task, profiling(cpuProf, `${name}-${holdBytes ?? "cuts"}-receiver`)],
    ["resume/sender.js", task, profiling(cpuProf, `${name}-${holdBytes ?? "cuts"}-sender`)],
  );
}

/**
 * One cut.
 * @param {{ receiver: import("../peer.js").Peer, sender: import("../peer.js").Peer }} peers
 * @param {number} items
 * @param {number} size of an item
 * @param {boolean} hold the items are accepted while there is no link
 * @returns {Promise<{ cutAt: number, restoredAt: number, firstAt: number, allAt: number }>}
 */
async function replay({ receiver, sender }, items, size, hold) {
  receiver.tell({ expect: items * size });
  await receiver.next();
  sender.tell({ items, hold });
  const [sent, came] = await Promise.all([sender.next(), receiver.next()]);
  return { ...sent, ...came };
}

/**
 * @param {Result[]} results
 * @returns {import("../tables.js").Table[]}
 */
export function tables(results) {
  const names = [...new Set(results.map(({ system }) => system))];
  const sorted = results.toSorted(
    (a, b) => a.size - b.size || names.indexOf(a.system) - names.indexOf(b.system),
  );
  const raw = names.at(-1);
  return [
    {
      title: "From a cut to the first replayed item",
      head: ["system", "p50 ms", "range of rounds", "p99 ms"],
      rows: sorted
        .filter(({ size }) => size === 0)
        .map(({ system, ms, msRange, p99 }) => [
          system,
          figure(ms),
          msRange.map(figure).join(" - "),
          figure(p99),
        ]),
    },
    {
      title: `Replay of what was accepted without a link, ${sizeOf(ITEM_BYTES)} items`,
      head: ["system, bytes", "ms", "range", "MB/s", `speed / ${raw}`],
      rows: sorted
        .filter(({ size }) => size > 0)
        .map(({ system, size, ms, msRange, megabytesPerSecond, rounds }) => {
          const base = results.find((other) => other.system === raw && other.size === size);
          return [
            `${system}, ${sizeOf(size)}`,
            figure(ms),
            msRange.map(figure).join(" - "),
            figure(megabytesPerSecond),
            base && system !== raw ? figure(ratio(base.rounds, rounds)) : "",
          ];
        }),
    },
  ];
}

/**
 * @param {Result[]} results
 * @returns {import("../chart.js").Chart[]}
 */
export function charts(results) {
  const groups = [...new Set(results.map(({ size }) => size))].map((size) => ({
    label: size === 0 ? "from a cut to the first replayed item" : `replay of ${sizeOf(size)}`,
    rows: results
      .filter((result) => result.size === size)
      .map(({ system, ms, msRange }) => ({
        label: system,
        value: ms,
        range: msRange,
        text: `${figure(ms)} ms`,
      })),
  }));
  return [{ name: "resume", title: "After a cut", axis: "milliseconds: less is better", groups }];
}
