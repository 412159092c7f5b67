// One end of a conduit in a page: sends so many numbered messages, checks those that come, ends when it has had all.
import { connect, messagePort, sharedMemory, webSocket } from "stable-conduit";
import { Checker, Writer } from "../../../examples/demo/messages.js";

/**
 * @typedef {object} Flow
 * @property {string} url of the acceptor
 * @property {number} size bytes of a message
 * @property {number} send how many
 * @property {number} receive how many
 * @property {import("stable-conduit").ConnectOptions} [options]
 * @property {number} [measureEvery] messages: the page's memory is measured each time so many are sent or received
 * @property {number} [busyMs] the thread is blocked for so long, again and again
 * @property {boolean} [worker] the acceptor is reached through a worker, which has a conduit to either side
 * @property {number} [hangMs] it is blocked once, for so long, when half of the messages have come
 */

/**
 * @typedef {object} Outcome
 * @property {import("../../../examples/demo/messages.js").Verdict} verdict on what came
 * @property {number} links that the session used
 * @property {number} longTasks that the browser has seen
 * @property {number[]} memory bytes, all of the page's: JavaScript, buffers and WebAssembly
 */

/**
 * @param {Flow} flow
 * @returns {Promise<Outcome>}
 */
export default async (flow) => {
  const { url, size, send, receive, options, measureEvery = Infinity, busyMs = 0, hangMs = 0 } = flow;
  const longTasks = watchLongTasks();
  const source = flow.worker ? throughWorker(url) : webSocket(url);
  const conduit = await connect(source, { retry: { baseMs: 1, capMs: 20 }, ...options });
  const busy = busyMs > 0 ? setInterval(() => block(busyMs), busyMs + 30) : undefined;
  const checker = new Checker(size, 1);
  const writer = new Writer(size, 0);
  /** @type {number[]} */
  const memory = [];
  const measure = async () => memory.push(await usedMemory());

  /** @type {Promise<void>} */
  const all = new Promise((resolve) => {
    if (receive === 0) resolve();
    let measureAt = measureEvery;
    let hangAt = hangMs > 0 ? receive / 2 : Infinity;
    conduit.onItems = async (batch) => {
      checker.check(batch);
      if (checker.received >= hangAt) {
        hangAt = Infinity;
        block(hangMs);
      }
      if (checker.received >= measureAt) {
        measureAt += measureEvery;
        await measure(); // what comes meanwhile waits, as much as the window allows
      }
      if (checker.received === receive) resolve();
    };
  });
  while (writer.count < send) {
    if (conduit.congested) await conduit.drained();
    conduit.send(writer.next());
    if (writer.count % measureEvery === 0) await measure();
  }
  await all;
  await conduit.close();
  clearInterval(busy);
  return { verdict: checker.verdict, links: conduit.stats().links, longTasks: longTasks(), memory };
};

/** @param {string} url */
function throughWorker(url) {
  const script = `/test/browser/pages/relay-worker.js?to=${encodeURIComponent(url)}`;
  const worker = new Worker(script, { type: "module" });
  return crossOriginIsolated ? sharedMemory(worker) : messagePort(worker);
}

/** Blocks this thread. @param {number} ms */
function block(ms) {
  for (const until = performance.now() + ms; performance.now() < until; );
}

/** All that this page uses, garbage collected; for isolated pages only. */
async function usedMemory() {
  const { bytes } = await /** @type {any} */ (performance).measureUserAgentSpecificMemory();
  return bytes;
}

/** Counts tasks of more than 50 ms; the returned function says how many. */
function watchLongTasks() {
  let count = 0;
  const observer = new PerformanceObserver((list) => (count += list.getEntries().length));
  observer.observe({ entryTypes: ["longtask"] });
  return () => count + observer.takeRecords().length;
}
