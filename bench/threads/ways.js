// The ways that items can go from one thread to another of the same process. Each side gets one end of a MessageChannel.
import { once } from "node:events";
import { connect, listen, messagePort, sharedMemory } from "stable-conduit";

/** @typedef {import("node:worker_threads").MessagePort} Port */
/** @typedef {(items: number, firstBytes: number) => void} Received */
/** @typedef {{ push(payload: Uint8Array, times: number): Promise<void>, flushed(): Promise<void> }} Sender */
/** @typedef {{ send(port: Port): Promise<Sender>, receive(port: Port, received: Received): Promise<void> }} Way */

/** Messages that postMessage may have on their way: without a bound they pile up in memory. */
const CREDITS = 8_192;

/** @type {Record<string, Way>} */
export const WAYS = {
  "shared-memory": conduit((port) => sharedMemory(port), sharedMemory.server),
  "message-port": conduit((port) => messagePort(port), messagePort.server),

  // What one does without a library: a message per item, copied, and its count back so that there is a bound.
  postMessage: {
    async send(port) {
      let open = CREDITS;
      port.on("message", (count) => {
        open += count;
      });
      return {
        async push(payload, times) {
          for (let rest = times; rest > 0; rest--) {
            if (open === 0) await once(port, "message");
            open--;
            port.postMessage(payload);
          }
        },
        async flushed() {
          while (open < CREDITS) await once(port, "message");
        },
      };
    },
    async receive(port, received) {
      let owed = 0;
      port.on("message", (/** @type {Uint8Array} */ item) => {
        received(1, item[0]);
        if (++owed < CREDITS / 4) return;
        port.postMessage(owed);
        owed = 0;
      });
    },
  },
};

/**
 * @param {(port: Port) => import("stable-conduit").LinkSource} source
 * @param {(port: Port) => import("stable-conduit").LinkServer} server
 * @returns {Way}
 */
function conduit(source, server) {
  return {
    async send(port) {
      const conduit = await connect(source(port));
      return {
        async push(payload, times) {
          for (let i = 0; i < times; i++) {
            if (conduit.congested) await conduit.drained();
            conduit.send(payload);
          }
        },
        flushed: () => conduit.delivered(),
      };
    },
    async receive(port, received) {
      const acceptor = await listen(server(port));
      accept(acceptor, received);
    },
  };
}

/**
 * @param {import("stable-conduit").Acceptor<Uint8Array, Uint8Array<ArrayBuffer>, unknown>} acceptor
 * @param {Received} received
 */
async function accept(acceptor, received) {
  for await (const conduit of acceptor) {
    conduit.onItems = (batch) => {
      let firstBytes = 0;
      for (let i = 0; i < batch.length; i++) firstBytes += batch.at(i)[0];
      received(batch.length, firstBytes);
    };
  }
}
