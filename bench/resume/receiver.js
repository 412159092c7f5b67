// The receiving process of a resume measurement: tells when the first of so many bytes came, and the last.
import { leave, next, task, tell } from "../child.js";
import { loadSystem } from "../system.js";
import { now } from "./clock.js";

const { system, size } = task();

let firstAt = 0;
let missing = 0;

const receiver = await (await loadSystem(system)).receive({
  size,
  received(_, bytes) {
    if (firstAt === 0) firstAt = now();
    missing -= bytes;
    if (missing === 0) tell({ firstAt, allAt: now() });
  },
});
tell({ address: receiver.address });

for (let message = await next(); message.expect; message = await next()) {
  firstAt = 0;
  missing = message.expect;
  tell({ ready: true });
}
await receiver.close();
leave();
