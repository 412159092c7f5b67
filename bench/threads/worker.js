// One thread of a measurement between threads: sends for a while, or receives and takes the time.
import { parentPort, workerData } from "node:worker_threads";
import { WAYS } from "./ways.js";

const { way, side, port, size, warmupSeconds, seconds } = workerData;
const { send, receive } = WAYS[way];

/** Items between looks at the clock. */
const ROUND = 4_096;

if (side === "sender") {
  const { push, flushed } = await send(port);
  const payload = new Uint8Array(size).fill(1);
  const end = performance.now() + (warmupSeconds + seconds) * 1_000;
  let pushed = 0;
  for (; performance.now() < end; pushed += ROUND) await push(payload, ROUND);
  await flushed();
  parentPort?.postMessage({ pushed });
} else {
  let items = 0;
  let firstBytes = 0;
  let start = { at: 0, items: 0 };
  let rate = 0;
  await receive(port, (count, _, sum) => {
    items += count;
    firstBytes += sum;
    const at = performance.now();
    if (start.at === 0) start.at = at;
    else if (start.items === 0 && at > start.at + warmupSeconds * 1_000) start = { at, items };
    else if (start.items > 0) rate = ((items - start.items) / (at - start.at)) * 1_000;
  });
  // Asked when the sender is done: everything has arrived then, or never will.
  parentPort?.on("message", () => parentPort?.postMessage({ items, firstBytes, rate }));
}
