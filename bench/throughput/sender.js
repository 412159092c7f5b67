// The sending process of a throughput measurement: pushes until it is told to stop.
import { leave, next, task, tell } from "../child.js";
import { loadSystem } from "../system.js";
import { countAllocations } from "./allocations.js";

const { system, size, address, warmupSeconds } = task();

/** Items per push: enough to make its cost vanish, and a multiple of the 64 KiB blocks of raw byte streams. */
const times = Math.ceil(262_144 / size);
/** A system that never waits must not keep "stop" from coming in. */
const TURN_MS = 10;

const sender = await (await loadSystem(system)).send(address, { size });
// The receiver adds the first bytes up: 1 each.
const payload = new Uint8Array(size).fill(1);

let stopped = false;
const stop = next().then(() => (stopped = true));
let pushed = 0;
/** When the warm-up was over. */
let start = { pushed: 0, cpu: process.cpuUsage(), allocated: () => 0 };
const warmUntil = performance.now() + warmupSeconds * 1000;
let turnAt = performance.now();
while (!stopped) {
  await sender.push(payload, times);
  pushed += times;
  if (performance.now() < turnAt + TURN_MS) continue;
  await new Promise(setImmediate);
  turnAt = performance.now();
  if (start.pushed > 0 || turnAt < warmUntil) continue;
  start = { pushed, cpu: process.cpuUsage(), allocated: countAllocations() };
}
await stop;
const { user, system: kernel } = process.cpuUsage(start.cpu);
const items = pushed - start.pushed;
const heapBytesPerItem = start.allocated() / items;
await sender.flushed();
tell({ pushed, cpuNsPerItem: ((user + kernel) * 1000) / items, heapBytesPerItem });

await next();
await sender.close();
leave();
