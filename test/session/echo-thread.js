// A worker thread with an acceptor: echoes each item, over message ports and over shared memory. Told to "hang", it never
// comes back, as a thread in an endless loop.
import { parentPort } from "node:worker_threads";
import { listen, messagePort, sharedMemory } from "stable-conduit";

if (!parentPort) throw new Error("this is a worker");

/** @param {import("stable-conduit").LinkServer} server */
async function serve(server) {
  const acceptor = await listen(server);
  (async () => {
    for await (const conduit of acceptor) echo(conduit);
  })();
}

/** @param {import("stable-conduit").StableConduit} conduit */
async function echo(conduit) {
  conduit.closed.catch(() => undefined);
  for await (const item of conduit) await conduit.write(item);
}

await serve(messagePort.server(parentPort));
await serve(sharedMemory.server(parentPort));
parentPort.on("message", (message) => {
  if (message === "hang") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
parentPort.postMessage("ready");
