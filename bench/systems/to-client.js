// A system's other direction: the server sends and the client receives. The receiving process still comes first, so
// it listens for the sender to tell where the server is.
import { once } from "node:events";
import net from "node:net";
import { text } from "node:stream/consumers";

/**
 * @param {Pick<import("../system.js").System, "name" | "guarantees">} about
 * @param {(port: number, context: import("../system.js").ReceiveContext) => Promise<{ close(): void | Promise<void> }>} dial
 *   connects to the server on this port and receives
 * @param {() => Promise<{ port: number, sender: Promise<import("../system.js").Sender> }>} serve
 *   a server, and what sends to its first client
 * @returns {import("../system.js").System}
 */
export function toClient({ name, guarantees }, dial, serve) {
  return {
    name: `${name}-to-client`,
    guarantees,
    available: () => true,
    async receive(context) {
      /** @type {{ close(): void | Promise<void> } | undefined} */
      let client;
      const rendezvous = net.createServer(async (visitor) => {
        client = await dial(Number(await text(visitor)), context);
      });
      rendezvous.listen(0, "127.0.0.1");
      await once(rendezvous, "listening");
      const { port } = /** @type {net.AddressInfo} */ (rendezvous.address());
      return {
        address: { port },
        close: () => {
          rendezvous.close();
          return client?.close();
        },
      };
    },
    async send({ port }) {
      const server = await serve();
      net.connect(Number(port), "127.0.0.1").end(String(server.port));
      return server.sender;
    },
  };
}
