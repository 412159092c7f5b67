// An example of a system: items over TCP, each behind its length, nothing else. Try it with
//   npm run bench -- throughput --quick --systems stable-conduit,./bench/example-system.js
import { once } from "node:events";
import net from "node:net";

/** @type {import("./system.js").System} */
const system = {
  name: "length-prefix",
  guarantees: { exactlyOnce: false, ordered: true, survivesCut: false, bounded: true, boundaries: true },
  available: () => true, // or why it cannot run here: "needs …"

  // In the receiving process. `received(messages, bytes, sum of first bytes)` for what has arrived.
  async receive({ received }) {
    const server = net.createServer((socket) => {
      let rest = Buffer.alloc(0);
      socket.on("data", (chunk) => {
        const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
        let at = 0;
        while (bytes.length - at >= 4 && bytes.length - at >= 4 + bytes.readUInt32LE(at)) {
          const item = bytes.subarray(at + 4, at + 4 + bytes.readUInt32LE(at));
          at += 4 + item.length;
          received(1, item.length, item[0]);
        }
        rest = bytes.subarray(at);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = /** @type {net.AddressInfo} */ (server.address());
    return { address: { port }, close: () => void server.close() }; // the address goes to the sender as JSON
  },

  // In the sending process.
  async send({ port }) {
    const socket = net.connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    const header = Buffer.alloc(4);
    return {
      // `payload`, so many times, one item each; it settles when more may be sent.
      async push(payload, times) {
        header.writeUInt32LE(payload.length);
        for (let i = 0; i < times; i++) {
          if (i % 64 === 0) socket.cork();
          socket.write(header);
          const room = socket.write(payload);
          if (i % 64 === 63 || i === times - 1) socket.uncork();
          if (!room && i % 64 === 63) await once(socket, "drain");
        }
      },
      flushed: () => new Promise((resolve) => socket.write("", () => resolve())),
      close: () => void socket.end(),
    };
  },
};

export default system;
