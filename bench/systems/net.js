// Raw TCP through Node's own sockets: the bound of what a program in Node can move. It writes blocks of 64 KiB
// whatever the size of an item is, and the receiver counts bytes: there are no items, no acks and no replay.
import { once } from "node:events";
import net from "node:net";

const BLOCK_BYTES = 65_536;

/** @type {import("../system.js").System} */
const system = {
  name: "net",
  guarantees: { exactlyOnce: false, ordered: true, survivesCut: false, bounded: true, boundaries: false },
  available: () => true,
  echoes: true,

  async receive({ size, received, echo }) {
    const server = net.createServer({ noDelay: true }, (socket) => {
      socket.on("data", (chunk) => {
        if (echo) socket.write(chunk);
        received(chunk.length / size, chunk.length, 0);
      });
      socket.on("error", () => socket.destroy()); // a cut, or the end of the sender's process
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = /** @type {net.AddressInfo} */ (server.address());
    return { address: { host: "127.0.0.1", port }, close: () => void server.close() };
  },

  async send({ host, port }, { size, answered }) {
    const socket = net.connect({ host: String(host), port: Number(port), noDelay: true });
    await once(socket, "connect");
    const block = new Uint8Array(BLOCK_BYTES).fill(1);
    let part = 0;
    if (answered) {
      socket.on("data", ({ length }) => {
        const messages = Math.floor((part + length) / size);
        part = (part + length) % size;
        if (messages > 0) answered(messages);
      });
    }
    return {
      async push(payload, times) {
        for (let rest = payload.length * times; rest > 0; rest -= BLOCK_BYTES) {
          const bytes = rest < BLOCK_BYTES ? block.subarray(0, rest) : block;
          if (!socket.write(bytes)) await once(socket, "drain");
        }
      },
      flushed: () => new Promise((resolve) => socket.write("", () => resolve())),
      close: () => void socket.end(),
    };
  },
};

export default system;
