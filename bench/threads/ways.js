// The ways that items can go from one thread to another of the same process. Each side gets one end of a MessageChannel.
import { once } from "node:events";
import { connect, listen, messagePort, sharedMemory } from "stable-conduit";
import { acceptEach, counting, sending } from "../systems/stable-conduit.js";

/** @typedef {import("node:worker_threads").MessagePort} Port */
/** @typedef {import("../system.js").ReceiveContext["received"]} Received */
/** @typedef {Pick<import("../system.js").Sender, "push" | "flushed">} Sender */
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
        received(1, item.length, item[0]);
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
    send: async (port) => sending(await connect(source(port))),
    async receive(port, received) {
      const acceptor = await listen(server(port));
      acceptEach(acceptor, (conduit) => counting(conduit, { received }));
    },
  };
}
