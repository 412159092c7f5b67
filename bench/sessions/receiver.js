// The accepting process of a sessions measurement: tells what it uses when it is asked. Runs with --expose-gc.
import { leave, next, task, tell } from "../child.js";
import { loadSystem } from "../system.js";

const { system, keepaliveMs } = task();

const receiver = await (await loadSystem(system)).receive({ size: 64, received() {}, keepaliveMs });
tell({ address: receiver.address });

for (let message = await next(); message.links !== undefined; message = await next()) {
  // What was cut is noticed when it is.
  while (links() !== message.links) await new Promise((resolve) => setTimeout(resolve, 10));
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50)); // finalizers, and memory that is given back later
  }
  const { user, system: kernel } = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  tell({ rss, heapUsed, external, cpuMs: (user + kernel) / 1_000 });
}
leave();

function links() {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}
