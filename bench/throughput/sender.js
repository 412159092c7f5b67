// The sending process of a throughput measurement: pushes until it is told to stop.
import { leave, next, task, tell } from "../child.js";
import { loadSystem } from "../system.js";

const { system, size, address } = task();

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
let turnAt = performance.now();
while (!stopped) {
  await sender.push(payload, times);
  pushed += times;
  if (performance.now() < turnAt + TURN_MS) continue;
  await new Promise(setImmediate);
  turnAt = performance.now();
}
await stop;
await sender.flushed();
tell({ pushed });

await next();
await sender.close();
leave();
