// The server of the conformance list, once over a real WebSocket and once over conduits. What it does with a socket is the
// same code: both have the same interface.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { listen } from "../../src/node.js";
import { webSocketOver } from "../../src/stable-websocket.js";
import { webSocketServer } from "../../src/ws.js";

export interface EchoServer {
  url: string;
  close(): Promise<unknown>;
}

interface Socket {
  binaryType: string;
  send(message: string | ArrayBuffer): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "message", listener: (event: { data: string | ArrayBuffer }) => void): void;
}

function serve(socket: Socket, path: string | undefined): void {
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", ({ data }) => {
    const close = typeof data === "string" && /^close(?: (\d+) (.*))?$/.exec(data);
    if (!close) return socket.send(data);
    const [, code, reason] = close;
    if (code === undefined) socket.close();
    else socket.close(Number(code), reason);
  });
  if (path === "/two") for (const text of ["one", "two"]) socket.send(text);
}

export async function realServer(): Promise<EchoServer> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket, request) => serve(socket as unknown as Socket, request.url));
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise((resolve) => {
      for (const client of server.clients) client.terminate();
      server.close(resolve);
    });
  return { url: `ws://127.0.0.1:${port}`, close };
}

export async function conduitServer(): Promise<EchoServer> {
  const acceptor = await listen<Uint8Array, Uint8Array<ArrayBuffer>, string>(
    webSocketServer({ host: "127.0.0.1", port: 0 }),
    { authorize: ({ link }) => ({ data: link.url ?? "" }) },
  );
  (async () => {
    for await (const conduit of acceptor) serve(webSocketOver(conduit) as unknown as Socket, conduit.data);
  })();
  const { port } = acceptor.address as { port: number };
  return { url: `ws://127.0.0.1:${port}`, close: () => acceptor.close({ timeoutMs: 1 }) };
}
