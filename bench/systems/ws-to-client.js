// The `ws` package from the server to the client, where nothing is masked.
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";
import { toClient } from "./to-client.js";
import system, { counting, sending } from "./ws.js";

export default toClient(
  system,
  async (port, context) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
    counting(socket, context);
    return { close: () => socket.close() };
  },
  async () => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
    await once(server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    const sender = once(server, "connection").then(([socket]) => ({
      ...sending(socket),
      close: () => server.close(),
    }));
    return { port, sender };
  },
);
