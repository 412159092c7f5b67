// This package over WebSocket: `ws` on both sides, against which systems/ws.js is the comparison. The sender is the
// client, which masks all that it sends.
import { connect, listen, webSocket } from "stable-conduit";
import { webSocketServer } from "stable-conduit/ws";
import { WebSocket } from "ws";
import tcp, { receiving, sending } from "./stable-conduit.js";

/** @type {import("../system.js").System} */
const system = {
  ...tcp,
  name: "stable-conduit-ws",
  receive: async (context) =>
    receiving(await listen(webSocketServer({ host: "127.0.0.1", port: 0 })), context),
  async send({ host, port }, { answered }) {
    const conduit = await connect(webSocket(`ws://${host}:${port}`, { WebSocket }));
    if (answered) conduit.onItems = (batch) => answered(batch.length);
    return sending(conduit);
  },
};

export default system;
