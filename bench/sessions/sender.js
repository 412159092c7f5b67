// The connecting process of a sessions measurement.
import { leave, next, task, tell } from "../child.js";
import { loadSystem } from "../system.js";

const { system: module, address } = task();
/** So many connect at a time. */
const AT_ONCE = 64;

const system = await loadSystem(module);
/** @type {import("../system.js").Sender[]} */
const connected = [];

for (let message = await next(); message.open; message = await next()) {
  const { open, detach } = message;
  let left = open;
  const startedAt = performance.now();
  const opening = Array.from({ length: Math.min(AT_ONCE, open) }, async () => {
    while (left-- > 0) {
      const sender = await system.send(address, { size: 64 });
      if (detach) sender.detach?.();
      else connected.push(sender);
    }
  });
  await Promise.all(opening);
  tell({ seconds: (performance.now() - startedAt) / 1_000 });
}
leave();
