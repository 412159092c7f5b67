// One way between a page in Chromium and Node, over a WebSocket: this package against the page's WebSocket as it is, with
// `ws` on Node's side of both. The systems take turns, round by round; each measurement has a page of its own.
import { chromium } from "playwright";
import { CHROMIUM, missing } from "../../test/browser/chromium.js";
import { startSite } from "../../test/browser/site.js";
import { Meter } from "../browser/meter.js";
import { conduits, webSockets } from "../browser/node.js";
import { inRounds } from "../rounds.js";
import { median, range, ratio } from "../statistics.js";
import { UnknownSystem } from "../system.js";
import { figure, short, size as sizeOf } from "../tables.js";

/** @typedef {import("../bench.js").Options} Options */
/** @typedef {"to Node" | "to the page"} Direction */

/**
 * @typedef {object} Result
 * @property {string} system
 * @property {Direction} direction
 * @property {number} size bytes of an item
 * @property {number} messagesPerSecond median of the rounds, taken by the receiver
 * @property {number} megabytesPerSecond of items, 1e6 bytes; median of the rounds
 * @property {[number, number]} messagesPerSecondRange slowest and fastest round
 * @property {number[]} rounds messages per second, in the order of the rounds
 */

/** @type {Record<string, { conduit: boolean, isolated: boolean }>} */
const SYSTEMS = {
  "stable-conduit": { conduit: true, isolated: false },
  "stable-conduit-isolated": { conduit: true, isolated: true },
  websocket: { conduit: false, isolated: false },
};
/** @type {readonly Direction[]} */
const DIRECTIONS = ["to Node", "to the page"];
/** A sender goes on for so long after the receiver should have measured: it began later, and has a backlog. */
const MARGIN_SECONDS = 0.5;
const MAX_MARGIN_SECONDS = 4;

export const about =
  "One way between a page in headless Chromium and Node, at full speed. `websocket` is the page's WebSocket as it is, " +
  "a message per item, bounded by `bufferedAmount`; `stable-conduit-isolated` is a page with COOP and COEP, where the " +
  "ring is in shared memory. On Node's side all of them use `ws`.";

export const defaults = {
  systems: Object.keys(SYSTEMS),
  sizes: [16, 64, 1024, 16_384],
  rounds: 5,
  seconds: 1.5,
  quick: { sizes: [64], rounds: 3, seconds: 1 },
};

/**
 * @param {Options} options
 * @param {(line: string) => void} progress
 * @returns {Promise<{ results: Result[], skipped: Record<string, string> }>}
 */
export async function run(options, progress) {
  for (const system of options.systems) {
    if (!(system in SYSTEMS)) throw new UnknownSystem(system);
  }
  if (missing !== null) {
    const reason = missing;
    return { results: [], skipped: Object.fromEntries(options.systems.map((system) => [system, reason])) };
  }
  const browser = await chromium.launch({ executablePath: CHROMIUM });
  try {
    const measured = await inRounds(
      options.rounds,
      options.sizes.flatMap((size) =>
        DIRECTIONS.flatMap((direction) => options.systems.map((system) => ({ system, direction, size }))),
      ),
      (which) => measure(browser, which, options.seconds),
      progress,
      ({ system, direction, size }, rate) => `${system} ${direction}  ${size} B  ${Math.round(rate)} msg/s`,
    );
    return { results: measured.map(({ measured, rounds }) => resultOf(measured, rounds)), skipped: {} };
  } finally {
    await browser.close();
  }
}

/** @typedef {{ system: string, direction: Direction, size: number }} Which */

/**
 * Items per second. A machine that was busy elsewhere for so long that nothing was left to measure gets more time.
 * @param {import("playwright").Browser} browser
 * @param {Which} which
 * @param {number} seconds
 */
async function measure(browser, which, seconds) {
  let margin = MARGIN_SECONDS;
  for (;;) {
    const { rate } = await measureOnce(browser, which, seconds, margin);
    if (!Number.isNaN(rate)) return rate;
    if (margin > MAX_MARGIN_SECONDS)
      throw new Error(`${which.system} ${which.direction}: nothing to measure`);
    margin *= 4;
  }
}

/**
 * Afterwards nothing may be missing, nor be there twice.
 * @param {import("playwright").Browser} browser
 * @param {Which} which
 * @param {number} seconds
 * @param {number} margin seconds that are sent beyond those that are measured
 */
async function measureOnce(browser, { system, direction, size }, seconds, margin) {
  const { conduit, isolated } = SYSTEMS[system];
  const side = conduit ? conduits : webSockets;
  const warmupSeconds = Math.min(0.5, seconds / 2);
  const sendSeconds = warmupSeconds + seconds + margin;
  const site = await startSite({ isolated });
  const page = await browser.newPage();
  try {
    await page.goto(site.origin);
    const url = site.origin.replace("http", "ws");
    const toNode = direction === "to Node";
    const task = { url, conduit, size, warmupSeconds, seconds, sendSeconds: toNode ? sendSeconds : 0 };
    const inPage = `import("/bench/browser/page.js").then(({ default: run }) => run(${JSON.stringify(task)}))`;
    let received = new Meter(warmupSeconds, seconds);
    let sent = 0;
    if (toNode) {
      const ended = side.receive(site.server, received);
      sent = /** @type {Meter} */ (await page.evaluate(inPage)).messages;
      await ended;
    } else {
      const sending = side.send(site.server, new Uint8Array(size).fill(1), sendSeconds);
      received = /** @type {Meter} */ (await page.evaluate(inPage));
      sent = await sending;
    }
    if (received.messages !== sent || received.firstBytes !== sent) {
      throw new Error(`${system} ${direction}: sent ${sent}, received ${JSON.stringify(received)}`);
    }
    return received;
  } finally {
    await page.close();
    await site.close();
  }
}

/**
 * @param {Which} which
 * @param {number[]} measured
 * @returns {Result}
 */
function resultOf(which, measured) {
  const rounds = measured.map(Math.round);
  const messagesPerSecond = Math.round(median(rounds));
  return {
    ...which,
    messagesPerSecond,
    megabytesPerSecond: Math.round((messagesPerSecond * which.size) / 1e4) / 100,
    messagesPerSecondRange: range(rounds),
    rounds,
  };
}

/**
 * @param {Result[]} results
 * @returns {import("../tables.js").Table[]}
 */
export function tables(results) {
  const [first] = results.map(({ system }) => system);
  return DIRECTIONS.map((direction) => {
    const rows = results.filter((result) => result.direction === direction);
    return {
      title: `Chromium, one way ${direction}, items per second, and ${first} as a multiple of each`,
      head: ["system, item", "items/s", "range", "MB/s", `${first} is`],
      rows: rows.map((result) => {
        const base = rows.find(({ system, size }) => system === first && size === result.size);
        return [
          `${result.system}, ${sizeOf(result.size)}`,
          short(result.messagesPerSecond),
          result.messagesPerSecondRange.map(short).join(" - "),
          figure(result.megabytesPerSecond),
          base && base !== result ? figure(ratio(base.rounds, result.rounds)) : "",
        ];
      }),
    };
  });
}
