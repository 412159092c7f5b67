// One way over loopback TCP, between two processes. All systems take turns within one run, several rounds of them,
// because only ratios of one run can be trusted on a machine that does other things too. Each measurement has
// processes of its own. CPU time is what both processes took together: it says what an item costs even where other
// work on the machine slows the clock.
import { PeerPair, profiling } from "../peer.js";
import { availableOf, inRounds } from "../rounds.js";
import { median, range, ratio, rounded } from "../statistics.js";
import { figure, short, size as sizeOf } from "../tables.js";

/** @typedef {import("../bench.js").Options} Options */
/** @typedef {import("../system.js").System} System */

/**
 * @typedef {object} Result
 * @property {string} system
 * @property {number} size bytes of an item
 * @property {number} messagesPerSecond median of the rounds
 * @property {number} megabytesPerSecond of items, 1e6 bytes; median of the rounds
 * @property {[number, number]} messagesPerSecondRange slowest and fastest round
 * @property {number[]} rounds messages per second, in the order of the rounds
 * @property {number | null} senderNsPerItem CPU time, all threads of the process; median of the rounds; null = it is not ours
 * @property {number | null} receiverNsPerItem
 * @property {number | null} leastNsPerItem CPU time of both, of the best round: other work only ever adds
 * @property {number | null} senderHeapBytesPerItem JavaScript heap, garbage included; null = as above
 * @property {number | null} receiverHeapBytesPerItem
 */

/** Sizes in the chart; the table has them all. */
const CHARTED = [64, 1024, 16_384];

/** @typedef {{ messagesPerSecond: number, cpuNsPerItem: number, heapBytesPerItem: number }} Side */

export const about =
  "One way over loopback TCP, between two processes, at full speed, with everything on that the system promises. " +
  "`stable-conduit` is `send` per item and a view per item; `stable-conduit-batch` is `sendBatch` and spans; raw `net` " +
  "writes 64 KiB blocks and counts bytes. The line is the range of the rounds, the dot their median.";

export const defaults = {
  systems: ["stable-conduit", "stable-conduit-batch", "net", "ws", "socket.io", "capnweb", "vox-core"],
  sizes: [16, 64, 256, 1024, 4096, 16_384, 65_536],
  rounds: 5,
  seconds: 1.5,
  quick: {
    systems: ["stable-conduit", "stable-conduit-batch", "net", "ws"],
    sizes: [16, 64, 1024, 16_384],
    rounds: 3,
    seconds: 1,
  },
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
    options.sizes.flatMap((size) => systems.map((entry) => ({ ...entry, size }))),
    (entry) => measure(entry, options),
    progress,
    ({ system, size }, { receiver }) =>
      `${system.name}  ${size} B  ${Math.round(receiver.messagesPerSecond)} msg/s`,
  );
  const results = measured.map(({ measured: { system, size }, rounds }) => {
    const rates = rounds.map(({ receiver }) => Math.round(receiver.messagesPerSecond));
    const messagesPerSecond = Math.round(median(rates));
    /** @param {(round: { sender: Side, receiver: Side }) => number} of */
    const middle = (of) => (system.external ? null : rounded(median(rounds.map(of))));
    return {
      system: system.name,
      size,
      messagesPerSecond,
      megabytesPerSecond: Math.round((messagesPerSecond * size) / 1e4) / 100,
      messagesPerSecondRange: range(rates),
      rounds: rates,
      senderNsPerItem: middle(({ sender }) => sender.cpuNsPerItem),
      receiverNsPerItem: middle(({ receiver }) => receiver.cpuNsPerItem),
      leastNsPerItem: system.external
        ? null
        : rounded(
            Math.min(...rounds.map(({ sender, receiver }) => sender.cpuNsPerItem + receiver.cpuNsPerItem)),
          ),
      senderHeapBytesPerItem: middle(({ sender }) => sender.heapBytesPerItem),
      receiverHeapBytesPerItem: middle(({ receiver }) => receiver.heapBytesPerItem),
    };
  });
  return { results, skipped };
}

/**
 * Both sides' figures. Afterwards nothing may be missing, nor be there twice.
 * @param {import("../rounds.js").Entry & { size: number }} measured
 * @param {Options} options
 * @returns {Promise<{ sender: Side, receiver: Side }>}
 */
async function measure({ module, system: { name, guarantees }, size }, { seconds, cpuProf }) {
  const warmupSeconds = Math.min(0.5, seconds / 2);
  const task = { system: module, size, seconds, warmupSeconds };
  const pair = new PeerPair(
    ["throughput/receiver.js", task, profiling(cpuProf, `${name}-${size}-receiver`)],
    ["throughput/sender.js", task, profiling(cpuProf, `${name}-${size}-sender`)],
  );
  return pair.use(async ({ receiver, sender }) => {
    const taken = await receiver.next();
    sender.tell({});
    const sent = await sender.next();
    receiver.tell(sent);
    const total = await receiver.next();
    const wrong =
      guarantees.boundaries && (total.messages !== sent.pushed || total.firstBytes !== sent.pushed);
    if (wrong || total.bytes !== sent.pushed * size) {
      throw new Error(
        `${name}: pushed ${sent.pushed} items of ${size} bytes, received ${JSON.stringify(total)}`,
      );
    }
    return { sender: sent, receiver: taken };
  });
}

/**
 * Rates, and how the first system compares with each of the others; then what an item costs.
 * @param {Result[]} results
 * @returns {import("../tables.js").Table[]}
 */
export function tables(results) {
  const names = [...new Set(results.map(({ system }) => system))];
  const [first, ...others] = names;
  const sorted = results.toSorted(
    (a, b) => a.size - b.size || names.indexOf(a.system) - names.indexOf(b.system),
  );
  const rates = sorted.map((result) => {
    const base = results.find(({ system, size }) => system === first && size === result.size);
    return [
      `${result.system}, ${sizeOf(result.size)}`,
      short(result.messagesPerSecond),
      result.messagesPerSecondRange.map(short).join(" - "),
      figure(result.megabytesPerSecond),
      base && base !== result ? figure(ratio(base.rounds, result.rounds)) : "",
    ];
  });
  const costs = sorted
    .filter(({ senderNsPerItem }) => senderNsPerItem !== null)
    .map((result) => [
      `${result.system}, ${sizeOf(result.size)}`,
      ...[
        result.senderNsPerItem,
        result.receiverNsPerItem,
        result.senderHeapBytesPerItem,
        result.receiverHeapBytesPerItem,
      ].map((value) => figure(Number(value))),
    ]);
  return [
    {
      title: `One way, items per second${others.length > 0 ? `, and ${first} as a multiple of each` : ""}`,
      head: ["system, item", "items/s", "range", "MB/s", `${first} is`],
      rows: rates,
    },
    {
      title: "What an item costs: CPU time of all threads, and JavaScript heap allocated",
      head: ["system, item", "sender ns", "receiver ns", "sender heap B", "receiver heap B"],
      rows: costs,
    },
  ];
}

/**
 * @param {Result[]} results
 * @returns {import("../chart.js").Chart[]}
 */
export function charts(results) {
  const shown = results.filter(({ size }) => CHARTED.includes(size));
  const groups = [...new Set((shown.length > 0 ? shown : results).map(({ size }) => size))]
    .toSorted((a, b) => a - b)
    .map((size) => ({
      label: `${sizeOf(size)} items`,
      rows: results
        .filter((result) => result.size === size)
        .map(({ system, messagesPerSecond, messagesPerSecondRange }) => ({
          label: system,
          value: messagesPerSecond,
          range: messagesPerSecondRange,
          text: `${short(messagesPerSecond)}/s`,
        })),
    }));
  const title = "One way over loopback, items per second";
  return [{ name: "throughput", title, axis: "items per second: more is better", groups }];
}
