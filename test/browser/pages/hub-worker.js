// A SharedWorker with a conduit to each of its pages: it tells them how many are there, whenever that changes.
import { listen, messagePort } from "../../../dist/index.js"; // workers have no import map

const there = new Set();

function tell() {
  for (const conduit of there) conduit.send(Uint8Array.of(there.size));
}

const impatient = { keepaliveMs: 100, keepaliveTimeoutMs: 100 }; // for browsers that do not say that a page is gone
for await (const conduit of await listen(messagePort.server(self), impatient)) {
  there.add(conduit);
  tell();
  conduit.on("linkDown", () => {
    there.delete(conduit);
    tell();
  });
}
