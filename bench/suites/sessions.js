// What sessions cost the side that accepts them when nothing happens: memory, connected and without a link; how fast
// they are accepted; CPU time while they are idle, and when each is asked every second whether it is still there.
// The sender's process is not counted.
import { setTimeout as sleep } from "node:timers/promises";
import { PeerPair, profiling } from "../peer.js";
import { availableOf, inRounds } from "../rounds.js";
import { median, range, rounded } from "../statistics.js";
import { figure, short } from "../tables.js";

/** @typedef {import("../bench.js").Options} Options */
/** @typedef {"connected" | "detached" | "keepalive"} Mode detached: no link; keepalive: connected, one PING a second each */

/**
 * @typedef {object} Result
 * @property {string} system
 * @property {number} size how many sessions
 * @property {Mode} mode
 * @property {number} rssBytes per session, of the accepting process; median of the rounds, as are the others
 * @property {[number, number]} rssBytesRange
 * @property {number} heapBytes per session: JavaScript objects
 * @property {number} externalBytes per session: buffers and linear memory
 * @property {number} acceptedPerSecond while both processes do nothing else
 * @property {number} acceptCpuUs CPU time of the accepting process per session
 * @property {number} idleCpuPercent of one core
 * @property {number} keepaliveCpuUs CPU time per PING and its answer; 0 in other modes
 */

/** @typedef {Omit<Result, "system" | "size" | "mode" | "rssBytesRange">} Figures */

const WARM_UP_MAX = 200;
/** Both processes have a file for each link, and few may have more of them than this. */
const MOST_LINKS = 10_000;
/** So many are measured once: memory varies little, and they take minutes. */
const MANY = 50_000;
const KEEPALIVE_MS = 1_000;

export const about =
  "What idle sessions cost the process that accepted them. Detached: the link is gone, the session waits for the next " +
  "one. Keepalive: each session asks its peer once a second. Raw `net` and `ws` are connections, without sessions.";

export const defaults = {
  systems: ["stable-conduit", "net", "ws"],
  sizes: [1_000, 10_000, 100_000],
  rounds: 5,
  seconds: 4,
  quick: { sizes: [1_000], rounds: 1, seconds: 1 },
};

/**
 * @param {Options} options
 * @param {(line: string) => void} progress
 * @returns {Promise<{ results: Result[], skipped: Record<string, string> }>}
 */
export async function run(options, progress) {
  const { systems, skipped } = await availableOf(options.systems);
  const cases = options.sizes.flatMap((size) =>
    systems.flatMap((entry) => modesOf(entry, size).map((mode) => ({ ...entry, size, mode }))),
  );
  /** @type {(round: number, some: typeof cases) => ReturnType<typeof inRounds<(typeof cases)[number], Figures>>} */
  const rounds = (times, some) =>
    inRounds(
      times,
      some,
      (entry) => measure(entry, options),
      progress,
      ({ system, size, mode }, { rssBytes, acceptedPerSecond }) =>
        `${system.name}  ${size} ${mode}  ${figure(rssBytes)} B each  ${figure(acceptedPerSecond)} accepted/s`,
    );
  const measured = [
    ...(await rounds(
      options.rounds,
      cases.filter(({ size }) => size < MANY),
    )),
    ...(await rounds(
      1,
      cases.filter(({ size }) => size >= MANY),
    )),
  ];
  const results = measured.map(({ measured: { system, size, mode }, rounds: figures }) => {
    /** @param {(figures: Figures) => number} of */
    const middle = (of) => rounded(median(figures.map(of)));
    return {
      system: system.name,
      size,
      mode,
      rssBytes: middle(({ rssBytes }) => rssBytes),
      rssBytesRange: range(figures.map(({ rssBytes }) => rounded(rssBytes))),
      heapBytes: middle(({ heapBytes }) => heapBytes),
      externalBytes: middle(({ externalBytes }) => externalBytes),
      acceptedPerSecond: middle(({ acceptedPerSecond }) => acceptedPerSecond),
      acceptCpuUs: middle(({ acceptCpuUs }) => acceptCpuUs),
      idleCpuPercent: middle(({ idleCpuPercent }) => idleCpuPercent),
      keepaliveCpuUs: middle(({ keepaliveCpuUs }) => keepaliveCpuUs),
    };
  });
  return { results, skipped };
}

/**
 * @param {import("../rounds.js").Entry} entry
 * @param {number} size
 * @returns {Mode[]}
 */
function modesOf({ system }, size) {
  /** @type {Mode[]} */
  const linked = system.guarantees.survivesCut ? ["connected", "keepalive"] : ["connected"];
  /** @type {Mode[]} */
  const detached = system.guarantees.survivesCut ? ["detached"] : [];
  return [...(size <= MOST_LINKS ? linked : []), ...detached];
}

/**
 * @param {import("../rounds.js").Entry & { size: number, mode: Mode }} measured
 * @param {Options} options
 * @returns {Promise<Figures>}
 */
function measure({ module, system: { name }, size, mode }, { seconds, cpuProf }) {
  const task = { system: module, keepaliveMs: mode === "keepalive" ? KEEPALIVE_MS : undefined };
  const pair = new PeerPair(
    [
      "sessions/receiver.js",
      task,
      ["--expose-gc", ...profiling(cpuProf, `${name}-${size}-${mode}-receiver`)],
    ],
    ["sessions/sender.js", task, profiling(cpuProf, `${name}-${size}-${mode}-sender`)],
  );
  return pair.use(async ({ receiver, sender }) => {
    const detach = mode === "detached";
    const warmUp = Math.min(WARM_UP_MAX, size);
    /** @param {number} sessions */
    const open = async (sessions) => {
      sender.tell({ open: sessions, detach });
      return await sender.next(10 * 60_000);
    };
    /** @param {number} sessions */
    const use = async (sessions) => {
      receiver.tell({ links: detach ? 0 : sessions });
      return await receiver.next();
    };
    await open(warmUp);
    const before = await use(warmUp);
    const opened = await open(size);
    const after = await use(warmUp + size);
    const idleFrom = performance.now();
    await sleep(seconds * 1_000);
    const idle = await use(warmUp + size);
    const idleMs = performance.now() - idleFrom;
    // What asking costs (collections) is in both; an idle process has nothing else to do.
    const again = await use(warmUp + size);
    const cpuMs = Math.max(0, idle.cpuMs - after.cpuMs - (again.cpuMs - idle.cpuMs));
    const pings = ((size + warmUp) * seconds * 1_000) / KEEPALIVE_MS;
    return {
      rssBytes: (after.rss - before.rss) / size,
      heapBytes: (after.heapUsed - before.heapUsed) / size,
      externalBytes: (after.external - before.external) / size,
      acceptedPerSecond: size / opened.seconds,
      acceptCpuUs: ((after.cpuMs - before.cpuMs) * 1_000) / size,
      idleCpuPercent: (100 * cpuMs) / idleMs,
      keepaliveCpuUs: mode === "keepalive" ? (cpuMs * 1_000) / pings : 0,
    };
  });
}

/**
 * @param {Result[]} results
 * @returns {import("../tables.js").Table[]}
 */
export function tables(results) {
  return [
    {
      title: "Idle sessions: what one costs the side that accepted it",
      head: [
        "system, sessions",
        "RSS B",
        "range",
        "JS heap B",
        "external B",
        "accepted/s",
        "CPU us to accept",
        "idle CPU, % of a core",
        "CPU us per keepalive",
      ],
      rows: results.map((result) => [
        `${result.system}, ${short(result.size)} ${result.mode}`,
        figure(result.rssBytes),
        result.rssBytesRange.map(figure).join(" - "),
        figure(result.heapBytes),
        figure(result.externalBytes),
        short(result.acceptedPerSecond),
        figure(result.acceptCpuUs),
        figure(result.idleCpuPercent),
        result.mode === "keepalive" ? figure(result.keepaliveCpuUs) : "",
      ]),
    },
  ];
}

/**
 * @param {Result[]} results
 * @returns {import("../chart.js").Chart[]}
 */
export function charts(results) {
  const groups = [...new Set(results.map(({ size }) => size))].map((size) => ({
    label: `${short(size)} idle sessions`,
    rows: results
      .filter((result) => result.size === size && result.mode !== "keepalive")
      .map(({ system, mode, rssBytes, rssBytesRange }) => ({
        label: `${system}, ${mode}`,
        value: rssBytes,
        range: rssBytesRange,
        text: `${figure(rssBytes / 1024)} KiB`,
      })),
  }));
  const title = "Memory of an idle session (RSS)";
  return [{ name: "sessions", title, axis: "bytes each: less is better", groups }];
}
