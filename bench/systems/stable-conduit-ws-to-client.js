// This package over WebSocket from the server to the client, where nothing is masked.
import { connect, listen, webSocket } from "stable-conduit";
import { webSocketServer } from "stable-conduit/ws";
import { WebSocket } from "ws";
import { counting, receiverOf, sending } from "./stable-conduit.js";
import system from "./stable-conduit-ws.js";
import { toClient } from "./to-client.js";

export default toClient(
  system,
  async (port, context) => {
    const conduit = await connect(webSocket(`ws://127.0.0.1:${port}`, { WebSocket }));
    counting(conduit, context);
    return { close: () => conduit.abort() };
  },
  async () => {
    const acceptor = await listen(webSocketServer({ host: "127.0.0.1", port: 0 }));
    const { address, close } = receiverOf(acceptor);
    const first = acceptor[Symbol.asyncIterator]().next();
    const sender = first.then(({ value: conduit }) => ({
      ...sending(conduit),
      close: () => void close(),
    }));
    return { port: Number(address.port), sender };
  },
);
