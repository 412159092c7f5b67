// The WebSocket client of `undici`, which is the one that Node brings since version 22, against a server of `ws`. It
// has no event for room in its buffer, so bufferedAmount is asked again and again, as with every WHATWG WebSocket.
import { once } from "node:events";
import { WebSocket } from "undici";
import ws from "./ws.js";

const HIGH_WATER_BYTES = 1_048_576;

/** @type {import("../system.js").System} */
const system = {
  ...ws,
  name: "undici",

  async send({ host, port }, { answered }) {
    const socket = new WebSocket(`ws://${host}:${port}`);
    socket.binaryType = "arraybuffer";
    await once(socket, "open");
    if (answered) socket.addEventListener("message", () => answered(1));
    /** @param {number} bytes */
    const below = async (bytes) => {
      while (socket.bufferedAmount > bytes) await new Promise(setImmediate);
    };
    return {
      async push(payload, times) {
        for (let i = 0; i < times; i++) {
          if (socket.bufferedAmount > HIGH_WATER_BYTES) await below(HIGH_WATER_BYTES / 2);
          socket.send(payload);
        }
      },
      flushed: () => below(0),
      close: () => socket.close(),
    };
  },
};

export default system;
