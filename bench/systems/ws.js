// The `ws` package, set up for speed as its documentation says: no compression, which it warns of; no callback per
// message; bufferedAmount bounds what waits, and then the callback of one message tells that it was written.
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";

const HIGH_WATER_BYTES = 1_048_576;

/** @type {import("../system.js").System} */
const system = {
  name: "ws",
  guarantees: { exactlyOnce: false, ordered: true, survivesCut: false, bounded: true, boundaries: true },
  available: () => true,
  echoes: true,

  async receive(context) {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
    server.on("connection", (socket) => counting(socket, context));
    await once(server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    return { address: { host: "127.0.0.1", port }, close: () => server.close() };
  },

  async send({ host, port }, { answered }) {
    const socket = new WebSocket(`ws://${host}:${port}`, { perMessageDeflate: false });
    await once(socket, "open");
    if (answered) socket.on("message", () => answered(1));
    return sending(socket);
  },
};

export default system;

/**
 * @param {WebSocket} socket
 * @param {import("../system.js").ReceiveContext} context
 */
export function counting(socket, { received, echo }) {
  socket.on("message", (/** @type {Buffer} */ item) => {
    if (echo) socket.send(item);
    received(1, item.length, item[0]);
  });
}

/**
 * @param {WebSocket} socket
 * @returns {import("../system.js").Sender}
 */
export function sending(socket) {
  /** @param {Uint8Array} payload */
  const sendAndWait = (payload) =>
    new Promise((resolve, reject) => {
      socket.send(payload, (error) => (error ? reject(error) : resolve(undefined)));
    });
  return {
    async push(payload, times) {
      for (let i = 0; i < times; i++) {
        if (socket.bufferedAmount < HIGH_WATER_BYTES) socket.send(payload);
        else await sendAndWait(payload);
      }
    },
    flushed: () =>
      new Promise((resolve, reject) => {
        // A ping has no item; its callback comes when everything before it was written.
        socket.ping("", undefined, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => socket.close(),
  };
}
