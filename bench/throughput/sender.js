// The sending process of a throughput measurement: pushes until it is told to stop.
import { leave, next, task, tell } from "../child.js";
import { loadSystem } from "../system.js";

const { system, size, address } = task();

/** Items per push: enough to make its cost vanish, and a multiple of the 64 KiB blocks of raw byte streams. */
const times = Math.ceil(262_144 / size);

const sender = await (await loadSystem(system)).send(address, { size });
// The receiver adds the first bytes up: 1 each.
const payload = new Uint8Array(size).fill(1);

let stopped = false;
const stop = next().then(() => (stopped = true));
let pushed = 0;
while (!stopped) {
  await sender.push(payload, times);
  pushed += times;
  // A system that never waits must not keep "stop" from coming in.
  if (pushed % (times * 256) === 0) await new Promise(setImmediate);
}
await stop;
await sender.flushed();
tell({ pushed });

await next();
await sender.close();
leave();
