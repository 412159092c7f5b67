// Node's side of a measurement with a page: a conduit, or `ws` as it is.
import { once } from "node:events";
import { listen } from "stable-conduit";
import { webSocketServer } from "stable-conduit/ws";
import { WebSocketServer } from "ws";

/** @typedef {import("node:http").Server} Server */
/** @typedef {import("./meter.js").Meter} Meter */

/**
 * Both end with the one session or socket that they take.
 * @typedef {object} Side
 * @property {(server: Server, meter: Meter) => Promise<void>} receive
 * @property {(server: Server, payload: Uint8Array, seconds: number) => Promise<number>} send resolves with how many
 */

const HIGH_WATER_BYTES = 1_048_576;
/** So many items between two looks at the clock. */
const RUN = 256;

/** @type {Side} */
export const conduits = {
  async receive(server, meter) {
    const conduit = await nextConduit(server);
    conduit.onItems = (batch) => {
      let firstBytes = 0;
      for (let i = 0; i < batch.length; i++) firstBytes += batch.at(i)[0];
      meter.received(batch.length, firstBytes);
    };
    await conduit.closed;
  },
  async send(server, payload, seconds) {
    const conduit = await nextConduit(server);
    let sent = 0;
    for (const until = performance.now() + seconds * 1_000; performance.now() < until; sent += RUN) {
      for (let i = 0; i < RUN; i++) {
        if (conduit.congested) await conduit.drained();
        conduit.send(payload);
      }
    }
    await conduit.close();
    return sent;
  },
};

/** @type {Side} */
export const webSockets = {
  async receive(server, meter) {
    const socket = await nextSocket(server);
    socket.on("message", (/** @type {Buffer} */ item) => meter.received(1, item[0]));
    await once(socket, "close");
  },
  async send(server, payload, seconds) {
    const socket = await nextSocket(server);
    let sent = 0;
    for (const until = performance.now() + seconds * 1_000; performance.now() < until; sent += RUN) {
      for (let i = 0; i < RUN; i++) {
        if (socket.bufferedAmount < HIGH_WATER_BYTES) socket.send(payload);
        else await new Promise((resolve) => socket.send(payload, resolve));
      }
    }
    socket.close(1000);
    await once(socket, "close");
    return sent;
  },
};

/** @param {Server} server */
async function nextConduit(server) {
  const acceptor = await listen(webSocketServer({ server }));
  for await (const conduit of acceptor) {
    conduit.closed.then(() => acceptor.close()); // or it keeps the process alive as long as it remembers the session
    return conduit;
  }
  throw new Error("nobody connected");
}

/**
 * @param {Server} server
 * @returns {Promise<import("ws").WebSocket>}
 */
async function nextSocket(server) {
  const [socket] = await once(new WebSocketServer({ server, perMessageDeflate: false }), "connection");
  return socket;
}
