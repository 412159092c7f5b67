// The answering process of a latency measurement.
import { leave, next, task, tell } from "../child.js";
import { loadSystem } from "../system.js";

const { system, size } = task();

const receiver = await (await loadSystem(system)).receive({ size, received() {}, echo: true });
tell({ address: receiver.address });

await next();
await receiver.close();
leave();
