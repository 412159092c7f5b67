// This package, through its public API, as one would use it for many small messages: send() per item on one side,
// onItems and a view per item on the other.
import { connect, listen, tcp } from "stable-conduit/node";

/** @type {import("../system.js").System} */
const system = {
  name: "stable-conduit",
  guarantees: { exactlyOnce: true, ordered: true, survivesCut: true, bounded: true, boundaries: true },
  available: () => true,

  receive: async ({ received }) =>
    receiving(await listen(tcp.server({ host: "127.0.0.1", port: 0 })), received),
  send: async ({ host, port }) => sending(await connect(tcp({ host: String(host), port: Number(port) }))),
};

export default system;

/**
 * Counts the items of each session that the acceptor gets.
 * @param {import("stable-conduit").Acceptor<Uint8Array, Uint8Array<ArrayBuffer>, unknown>} acceptor
 * @param {import("../system.js").ReceiveContext["received"]} received
 * @returns {import("../system.js").Receiver}
 */
export function receiving(acceptor, received) {
  acceptEach(acceptor, (batch) => {
    let bytes = 0;
    let firstBytes = 0;
    for (let i = 0; i < batch.length; i++) {
      const item = batch.at(i);
      bytes += item.length;
      firstBytes += item[0];
    }
    received(batch.length, bytes, firstBytes);
  });
  const { address } = acceptor;
  if (typeof address === "string") throw new Error("a TCP address was expected");
  return { address, close: () => acceptor.close({ timeoutMs: 100 }) };
}

/**
 * @param {import("stable-conduit").StableConduit} conduit
 * @returns {import("../system.js").Sender}
 */
export function sending(conduit) {
  return {
    async push(payload, times) {
      for (let i = 0; i < times; i++) {
        if (conduit.congested) await conduit.drained();
        conduit.send(payload);
      }
    },
    flushed: () => conduit.delivered(),
    close: () => conduit.close(),
  };
}

/**
 * @param {import("stable-conduit").Acceptor<Uint8Array, Uint8Array<ArrayBuffer>, unknown>} acceptor
 * @param {(batch: import("stable-conduit").Batch<Uint8Array<ArrayBuffer>>) => void} onItems
 */
async function acceptEach(acceptor, onItems) {
  for await (const conduit of acceptor) conduit.onItems = onItems;
}
