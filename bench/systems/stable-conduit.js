// This package, through its public API, as one would use it for many small messages: send() per item on one side,
// onItems and a view per item on the other.
import { connect, listen, tcp } from "stable-conduit/node";

/** @type {import("../system.js").System} */
const system = {
  name: "stable-conduit",
  guarantees: { exactlyOnce: true, ordered: true, survivesCut: true, bounded: true, boundaries: true },
  available: () => true,

  async receive({ received }) {
    const acceptor = await listen(tcp.server({ host: "127.0.0.1", port: 0 }));
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
  },

  async send({ host, port }) {
    const conduit = await connect(tcp({ host: String(host), port: Number(port) }));
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
  },
};

export default system;

/**
 * @param {import("stable-conduit/node").Acceptor<Uint8Array, Uint8Array<ArrayBuffer>, unknown>} acceptor
 * @param {(batch: import("stable-conduit/node").Batch<Uint8Array<ArrayBuffer>>) => void} onItems
 */
async function acceptEach(acceptor, onItems) {
  for await (const conduit of acceptor) conduit.onItems = onItems;
}
