// This package, as a program that has its items in blocks would use it: sendBatch() on one side, the spans of a batch
// on the other, no object per item anywhere.
import { listen, tcp } from "stable-conduit/node";
import perItem, { acceptEach, dialling, receiverOf } from "./stable-conduit.js";

const BLOCK_BYTES = 65_536;

/** @type {import("../system.js").System} */
const system = {
  ...perItem,
  name: "stable-conduit-batch",
  echoes: false,

  async receive({ received }) {
    const acceptor = await listen(tcp.server({ host: "127.0.0.1", port: 0 }));
    acceptEach(acceptor, (conduit) => {
      conduit.onItems = (batch) => {
        const { bytes: chunk, spans } = batch;
        let bytes = 0;
        let firstBytes = 0;
        for (let i = 0; i < spans.length; i += 2) {
          bytes += spans[i + 1];
          firstBytes += chunk[spans[i]];
        }
        batch.release();
        received(batch.length, bytes, firstBytes);
      };
    });
    return receiverOf(acceptor);
  },
  send: (address, context) => dialling(address, context, inBlocks),
};

export default system;

/**
 * @param {import("stable-conduit").StableConduit} conduit
 * @returns {import("../system.js").Sender}
 */
function inBlocks(conduit) {
  /** @type {{ payload: Uint8Array, bytes: Uint8Array, lengths: Uint32Array } | null} */
  let block = null;
  return {
    async push(payload, times) {
      if (block?.payload !== payload) block = blockOf(payload);
      const { bytes, lengths } = block;
      for (let rest = times; rest > 0; ) {
        if (conduit.congested) await conduit.drained();
        const count = Math.min(rest, lengths.length);
        const whole = count === lengths.length;
        rest -= conduit.sendBatch(
          whole ? bytes : bytes.subarray(0, count * payload.length),
          whole ? lengths : lengths.subarray(0, count),
        );
      }
    },
    flushed: () => conduit.delivered(),
    close: () => conduit.close(),
  };
}

/** @param {Uint8Array} payload */
function blockOf(payload) {
  const count = Math.max(1, Math.floor(BLOCK_BYTES / payload.length));
  const bytes = new Uint8Array(count * payload.length);
  for (let i = 0; i < count; i++) bytes.set(payload, i * payload.length);
  return { payload, bytes, lengths: new Uint32Array(count).fill(payload.length) };
}
