// The sending process of a resume measurement. A system that survives no cut does what its users do then: it connects
// anew and sends everything again.
import { leave, next, task, tell } from "../child.js";
import { loadSystem } from "../system.js";
import { now } from "./clock.js";

const { system: module, size, holdBytes, address } = task();

const system = await loadSystem(module);
const context = { size, holdBytes };
let sender = await system.send(address, context);
const payload = new Uint8Array(size).fill(1);
for (let message = await next(); message.items; message = await next()) {
  const { items, hold } = message;
  if (sender.cut) {
    await sender.flushed(); // and acknowledged: the backoff begins anew
    // What is accepted in the task that loses the link was not written to it: all of it is replayed.
    const accepted = hold ? null : sender.push(payload, items);
    const cutAt = now();
    const { asked, restore } = sender.cut();
    if (hold) {
      await sender.push(payload, items);
      await asked;
    }
    const restoredAt = now();
    restore();
    await accepted;
    tell({ cutAt, restoredAt });
  } else {
    await sender.close();
    const cutAt = now();
    sender = await system.send(address, context);
    await sender.push(payload, items);
    tell({ cutAt, restoredAt: cutAt });
  }
}
await sender.close();
leave();
