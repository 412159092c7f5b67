// One way over loopback TCP, between two processes. All systems take turns within one run, several rounds of them,
// because only ratios of one run can be trusted on a machine that does other things too. Each measurement has
// processes of its own.
import { Peer } from "../peer.js";
import { loadSystem } from "../system.js";

/** @typedef {import("../bench.js").Options} Options */

/**
 * @typedef {object} Result
 * @property {string} system
 * @property {number} size bytes of an item
 * @property {number} messagesPerSecond median of the rounds
 * @property {number} megabytesPerSecond of items, 1e6 bytes; median of the rounds
 * @property {[number, number]} messagesPerSecondRange slowest and fastest round
 */

export const defaults = {
  systems: ["stable-conduit", "net", "ws"],
  sizes: [16, 64, 1024, 16_384],
  rounds: 5,
  seconds: 2,
  quick: { rounds: 3, seconds: 1 },
};

/**
 * @param {Options} options
 * @param {(line: string) => void} progress
 * @returns {Promise<{ results: Result[], skipped: Record<string, string> }>}
 */
export async function run(options, progress) {
  /** @type {Record<string, string>} */
  const skipped = {};
  const systems = [];
  for (const name of options.systems) {
    const available = await (await loadSystem(name)).available();
    if (available === true) systems.push(name);
    else skipped[name] = available;
  }

  /** @type {Map<string, { system: string, size: number, rates: number[] }>} */
  const measured = new Map();
  for (let round = 0; round < options.rounds; round++) {
    for (const size of options.sizes) {
      for (const system of systems) {
        const rate = await measure(system, size, options);
        const key = `${system} ${size}`;
        const entry = measured.get(key) ?? { system, size, rates: [] };
        entry.rates.push(rate);
        measured.set(key, entry);
        progress(`round ${round + 1}/${options.rounds}  ${system}  ${size} B  ${Math.round(rate)} msg/s`);
      }
    }
  }

  const results = [...measured.values()].map(({ system, size, rates }) => {
    rates.sort((a, b) => a - b);
    const median = (rates[(rates.length - 1) >> 1] + rates[rates.length >> 1]) / 2;
    return {
      system,
      size,
      messagesPerSecond: Math.round(median),
      megabytesPerSecond: Math.round((median * size) / 1e4) / 100,
      messagesPerSecondRange: /** @type {[number, number]} */ ([
        Math.round(rates[0]),
        Math.round(rates[rates.length - 1]),
      ]),
    };
  });
  return { results, skipped };
}

/**
 * Messages per second. Afterwards nothing may be missing, nor be there twice.
 * @param {string} system
 * @param {number} size
 * @param {Options} options
 */
async function measure(system, size, { seconds, cpuProf }) {
  const { boundaries } = (await loadSystem(system)).guarantees;
  /** @param {string} side */
  const profile = (side) =>
    cpuProf
      ? ["--cpu-prof", `--cpu-prof-dir=${cpuProf}`, `--cpu-prof-name=${system}-${size}-${side}.cpuprofile`]
      : [];
  const warmupSeconds = Math.min(0.5, seconds / 2);
  const task = { system, size, seconds, warmupSeconds };
  const receiver = new Peer("throughput/receiver.js", task, profile("receiver"));
  /** @type {Peer | null} */
  let sender = null;
  try {
    const { address } = await receiver.next();
    sender = new Peer("throughput/sender.js", { system, size, address }, profile("sender"));
    const taken = await Promise.race([receiver.next(), failing(sender)]);
    sender.tell({});
    const { pushed } = await sender.next();
    receiver.tell({ pushed });
    const total = await receiver.next();
    const wrong = boundaries && (total.messages !== pushed || total.firstBytes !== pushed);
    if (wrong || total.bytes !== pushed * size) {
      throw new Error(
        `${system}: pushed ${pushed} items of ${size} bytes, received ${JSON.stringify(total)}`,
      );
    }
    sender.tell({});
    receiver.tell({});
    await Promise.all([sender.exited, receiver.exited]);
    return taken.messages / taken.seconds;
  } finally {
    sender?.kill();
    receiver.kill();
  }
}

/**
 * Rejects when the sender ends too early.
 * @param {Peer} sender
 * @returns {Promise<never>}
 */
async function failing(sender) {
  await sender.exited;
  throw new Error("the sender has ended before the measurement");
}

/**
 * A table for people: rates, and how the first system compares with each of the others.
 * @param {Result[]} results
 */
export function table(results) {
  const others = [...new Set(results.map(({ system }) => system))].slice(1);
  const first = results[0]?.system;
  const rows = [
    ["system", "size", "msg/s", "range", "MB/s", ...others.map((other) => `x ${other}`)],
    ...results
      .toSorted((a, b) => a.size - b.size)
      .map((result) => [
        result.system,
        `${result.size} B`,
        count(result.messagesPerSecond),
        result.messagesPerSecondRange.map(count).join(" - "),
        result.megabytesPerSecond.toFixed(1),
        ...others.map((other) => {
          const base = results.find(({ system, size }) => system === other && size === result.size);
          const shown = base && result.system === first;
          return shown ? (result.messagesPerSecond / base.messagesPerSecond).toFixed(2) : "";
        }),
      ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "),
    )
    .join("\n");
}

/** @param {number} value */
function count(value) {
  return Math.round(value).toLocaleString("en-US");
}
