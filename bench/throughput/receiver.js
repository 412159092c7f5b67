// The receiving process of a throughput measurement. It alone takes the time: from the first arrival after the
// warm-up to the first one `seconds` later.
import { leave, next, task, tell } from "../child.js";
import { loadSystem } from "../system.js";
import { countAllocations } from "./allocations.js";

const { system, size, warmupSeconds, seconds } = task();

const total = { messages: 0, bytes: 0, firstBytes: 0 };
let start = { at: 0, messages: 0, cpu: process.cpuUsage(), allocated: () => 0 };
let phase = "first";
/** Bytes that were pushed, once that is known. */
let expected = Number.POSITIVE_INFINITY;

/** @type {import("../system.js").ReceiveContext["received"]} */
function received(messages, bytes, firstBytes) {
  total.messages += messages;
  total.bytes += bytes;
  total.firstBytes += firstBytes;
  const at = performance.now();
  if (phase === "first") {
    phase = "warm-up";
    start.at = at;
  } else if (phase === "warm-up" && at >= start.at + warmupSeconds * 1000) {
    phase = "measuring";
    start = { at, messages: total.messages, cpu: process.cpuUsage(), allocated: countAllocations() };
  } else if (phase === "measuring" && at >= start.at + seconds * 1000) {
    phase = "measured";
    const { user, system: kernel } = process.cpuUsage(start.cpu);
    const items = total.messages - start.messages;
    tell({
      messagesPerSecond: items / ((at - start.at) / 1000),
      cpuNsPerItem: ((user + kernel) * 1000) / items,
      heapBytesPerItem: start.allocated() / items,
    });
  } else if (total.bytes >= expected) {
    expected = Number.POSITIVE_INFINITY;
    tell(total);
  }
}

const receiver = await (await loadSystem(system)).receive({ size, received });
tell({ address: receiver.address });

const { pushed } = await next();
expected = pushed * size;
received(0, 0, 0);

await next();
await receiver.close();
leave();
