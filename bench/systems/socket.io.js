// Socket.IO with connection state recovery, set up for speed as its documentation says: WebSocket only, no
// compression, the binary parser. Recovery keeps what the server sends, for a client that comes back: so the sender is
// the server here, and the receiver dials it.
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import parser from "socket.io-msgpack-parser";

const HIGH_WATER_BYTES = 1_048_576;
const RECOVERY_MS = 120_000;

/** @type {import("../system.js").System} */
const system = {
  name: "socket.io",
  guarantees: { exactlyOnce: false, ordered: true, survivesCut: true, bounded: false, boundaries: true },
  available: () => true,
  echoes: true,

  // The sender tells its port here.
  async receive({ received, echo }) {
    const told = net.createServer((socket) => {
      socket.once("data", (port) => {
        const client = io(`http://127.0.0.1:${port}`, { transports: ["websocket"], parser });
        client.on("item", (/** @type {Buffer} */ item) => {
          if (echo) client.emit("item", item);
          received(1, item.length, item[0]);
        });
        socket.on("close", () => client.close());
        socket.on("error", () => socket.destroy());
      });
    });
    const { port } = await listening(told);
    return { address: { port }, close: () => void told.close() };
  },

  async send(address, { answered }) {
    const server = http.createServer();
    const sockets = new Server(server, {
      transports: ["websocket"],
      perMessageDeflate: false,
      parser,
      connectionStateRecovery: { maxDisconnectionDuration: RECOVERY_MS, skipMiddlewares: true },
    });
    const { port } = await listening(server);
    const told = net.connect(Number(address.port), "127.0.0.1");
    told.write(String(port));
    const [socket] = await once(sockets, "connection");
    if (answered) socket.on("item", () => answered(1));
    const { transport } = socket.conn;
    const below = async (/** @type {number} */ bytes) => {
      while (!transport.writable || transport.socket.bufferedAmount > bytes) await new Promise(setImmediate);
    };
    return {
      async push(payload, times) {
        // What is sent as a Buffer arrives as one; other views do not.
        const item = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
        for (let i = 0; i < times; i++) {
          if (i % 64 === 0) await below(HIGH_WATER_BYTES);
          socket.emit("item", item);
        }
      },
      flushed: () => below(0),
      async close() {
        told.destroy();
        await sockets.close();
      },
    };
  },
};

export default system;

/** @param {net.Server} server */
async function listening(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return /** @type {net.AddressInfo} */ (server.address());
}
