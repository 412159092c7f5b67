// Request and response between two processes over loopback: the time from sending a request to its answer. Idle: one
// request at a time. Under load: always so many on their way, which shows what waiting in line costs.
import { PeerPair, profiling } from "../peer.js";
import { availableOf, inRounds } from "../rounds.js";
import { median, range, rounded } from "../statistics.js";
import { figure, short, size as sizeOf } from "../tables.js";

/** @typedef {import("../bench.js").Options} Options */

/**
 * @typedef {object} Result
 * @property {string} system
 * @property {number} size bytes of the request and of the answer
 * @property {number} inFlight requests on their way
 * @property {number} p50 microseconds, median of the rounds; so are the others
 * @property {number} p99
 * @property {number} p999
 * @property {[number, number]} p50Range fastest and slowest round
 * @property {number[]} rounds p50, in the order of the rounds
 * @property {number} requestsPerSecond
 */

/** @typedef {{ p50: number, p99: number, p999: number, requestsPerSecond: number }} Figures */

const IN_FLIGHT = [1, 64];

export const about =
  "Request and response between two processes over loopback: one request at a time, and always 64 on their way. " +
  "`vox-core-echo` is this package on one side (base profile) and vox-core in Rust echoing on the other.";

export const defaults = {
  systems: [
    "stable-conduit",
    "stable-conduit-ws",
    "net",
    "ws",
    "undici",
    "socket.io",
    "capnweb",
    "vox-core-echo",
  ],
  sizes: [64, 1024],
  rounds: 5,
  seconds: 1.5,
  quick: { systems: ["stable-conduit", "net", "ws"], rounds: 3, seconds: 0.7 },
};

/**
 * @param {Options} options
 * @param {(line: string) => void} progress
 * @returns {Promise<{ results: Result[], skipped: Record<string, string> }>}
 */
export async function run(options, progress) {
  const { systems, skipped } = await availableOf(options.systems);
  for (const { system } of systems) if (!system.echoes) skipped[system.name] = "it does not echo";
  const cases = options.sizes.flatMap((size) =>
    IN_FLIGHT.flatMap((inFlight) =>
      systems.filter(({ system }) => system.echoes).map((entry) => ({ ...entry, size, inFlight })),
    ),
  );
  const measured = await inRounds(
    options.rounds,
    cases,
    (entry) => measure(entry, options),
    progress,
    ({ system, size, inFlight }, { p50, p99 }) =>
      `${system.name}  ${size} B  ${inFlight} in flight  p50 ${figure(p50)} us  p99 ${figure(p99)} us`,
  );
  const results = measured.map(({ measured: { system, size, inFlight }, rounds }) => {
    const p50s = rounds.map(({ p50 }) => rounded(p50));
    return {
      system: system.name,
      size,
      inFlight,
      p50: rounded(median(p50s)),
      p99: rounded(median(rounds.map(({ p99 }) => p99))),
      p999: rounded(median(rounds.map(({ p999 }) => p999))),
      p50Range: range(p50s),
      rounds: p50s,
      requestsPerSecond: Math.round(median(rounds.map(({ requestsPerSecond }) => requestsPerSecond))),
    };
  });
  return { results, skipped };
}

/**
 * @param {import("../rounds.js").Entry & { size: number, inFlight: number }} measured
 * @param {Options} options
 * @returns {Promise<Figures>}
 */
function measure({ module, system: { name }, size, inFlight }, { seconds, cpuProf }) {
  const task = { system: module, size, inFlight, seconds, warmupSeconds: Math.min(0.5, seconds / 2) };
  const profile = `${name}-${size}-${inFlight}`;
  const pair = new PeerPair(
    ["latency/receiver.js", task, profiling(cpuProf, `${profile}-receiver`)],
    ["latency/sender.js", task, profiling(cpuProf, `${profile}-sender`)],
  );
  return pair.use(({ sender }) => sender.next());
}

/**
 * @param {Result[]} results
 * @returns {import("../tables.js").Table[]}
 */
export function tables(results) {
  const names = [...new Set(results.map(({ system }) => system))];
  return IN_FLIGHT.map((inFlight) => ({
    title:
      inFlight === 1
        ? "One request at a time: time to its answer"
        : `${inFlight} requests on their way: time to each answer`,
    head: ["system, item", "p50 us", "range", "p99 us", "p99.9 us", "requests/s"],
    rows: results
      .filter((result) => result.inFlight === inFlight)
      .toSorted((a, b) => a.size - b.size || names.indexOf(a.system) - names.indexOf(b.system))
      .map(({ system, size, p50, p50Range, p99, p999, requestsPerSecond }) => [
        `${system}, ${sizeOf(size)}`,
        figure(p50),
        p50Range.map(figure).join(" - "),
        figure(p99),
        figure(p999),
        short(requestsPerSecond),
      ]),
  }));
}

/**
 * @param {Result[]} results
 * @returns {import("../chart.js").Chart[]}
 */
export function charts(results) {
  const cases = IN_FLIGHT.flatMap((inFlight) =>
    [...new Set(results.map(({ size }) => size))].map((size) => ({ inFlight, size })),
  );
  const groups = cases.map(({ inFlight, size }) => ({
    label: `${sizeOf(size)}, ${inFlight === 1 ? "one request" : `${inFlight} requests`} on the way`,
    rows: results
      .filter((result) => result.inFlight === inFlight && result.size === size)
      .map(({ system, p50, p50Range }) => ({
        label: system,
        value: p50,
        range: p50Range,
        text: `${figure(p50)} µs`,
      })),
  }));
  const title = "Request and response over loopback, median time";
  return [{ name: "latency", title, axis: "microseconds: less is better", groups }];
}
