// Cap'n Web over WebSocket: each item is a call without pipelining of its own, and so many may be unanswered. There
// is no other way to push with it; the answer is what bounds memory.
import { once } from "node:events";
import { newWebSocketRpcSession, RpcTarget } from "capnweb";
import { WebSocket, WebSocketServer } from "ws";

const UNANSWERED = 1_024;

// It looks at the constants of the global class, which Node has since version 22.
globalThis.WebSocket ??= /** @type {any} */ (WebSocket);

/** @type {import("../system.js").System} */
const system = {
  name: "capnweb",
  guarantees: { exactlyOnce: false, ordered: true, survivesCut: false, bounded: true, boundaries: true },
  available: () => true,
  echoes: true,

  async receive({ received, echo }) {
    class Items extends RpcTarget {
      /** @param {Uint8Array} item */
      item(item) {
        received(1, item.length, item[0]);
        return echo ? item : undefined;
      }
    }
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
    server.on("connection", (socket) => newWebSocketRpcSession(/** @type {any} */ (socket), new Items()));
    await once(server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    return { address: { host: "127.0.0.1", port }, close: () => server.close() };
  },

  async send({ host, port }, { answered }) {
    const socket = new WebSocket(`ws://${host}:${port}`, { perMessageDeflate: false });
    await once(socket, "open");
    /** @type {any} */
    const items = newWebSocketRpcSession(/** @type {any} */ (socket));
    let unanswered = 0;
    let wake = () => {};
    const onAnswer = () => {
      unanswered--;
      answered?.(1);
      wake();
    };
    /** @param {number} count */
    const below = async (count) => {
      while (unanswered > count) await new Promise((resolve) => (wake = () => resolve(undefined)));
    };
    return {
      async push(payload, times) {
        for (let i = 0; i < times; i++) {
          if (unanswered >= UNANSWERED) await below(UNANSWERED / 2);
          unanswered++;
          items.item(payload).then(onAnswer);
        }
      },
      flushed: () => below(0),
      close: () => socket.close(),
    };
  },
};

export default system;
