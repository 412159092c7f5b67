// This package on one side, in the base profile, and vox-core 0.4.0 in Rust on the other, which sends every item back:
// for the latency suite.
import { connect, tcp } from "stable-conduit/node";
import voxCore, { peer } from "./vox-core.js";

/** @type {import("../system.js").System} */
const system = {
  ...voxCore,
  name: "vox-core-echo",
  echoes: true,

  async receive({ echo }) {
    if (!echo) throw new Error("vox-core-echo does nothing else");
    const acceptor = peer("acceptor", "tcp:127.0.0.1:0", "--echo");
    const { address } = await acceptor.told("listening");
    return { address: { port: Number(address.split(":").at(-1)) }, close: acceptor.kill };
  },

  async send({ port }, { size, answered }) {
    const conduit = await connect(tcp({ host: "127.0.0.1", port: Number(port) }), { profile: "base" });
    conduit.onItems = (batch) => answered?.(batch.length);
    const item = itemOf(size);
    return {
      push(_, times) {
        for (let i = 0; i < times; i++) conduit.send(item);
      },
      flushed: () => conduit.delivered(),
      close: () => conduit.abort(), // the base profile has no end on the wire
    };
  },
};

export default system;

/**
 * What its peer takes, in postcard: sender 0, number 0, a body of 0, 1, 2..., no note.
 * @param {number} size of the body
 */
function itemOf(size) {
  const length = [];
  for (let rest = size; rest > 0; rest >>= 7) length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  return Uint8Array.of(0, 0, ...length, ...new Uint8Array(size).map((_, i) => i), 0);
}
