// What joins two WebSockets of a page, so that both ends of a link are in reach of the contract: a server that passes on
// messages and closes, one at a time. It runs in Node, before the suites.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";
import { type RawData, type WebSocket, WebSocketServer } from "ws";

declare module "vitest" {
  interface ProvidedContext {
    /** The first two WebSockets that open one URL below this are joined. */
    relay: string;
  }
}

export default async function setup({ provide }: TestProject): Promise<() => void> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  const waiting = new Map<string | undefined, WebSocket>();
  server.on("connection", (socket, { url }) => {
    const other = waiting.get(url);
    if (!waiting.delete(url)) {
      socket.pause();
      waiting.set(url, socket);
    } else if (other) {
      join(socket, other);
      join(other, socket);
      other.resume();
    }
  });
  await once(server, "listening");
  provide("relay", `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return () => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  };
}

/** One direction. */
function join(from: WebSocket, to: WebSocket): void {
  from.on("message", (data: RawData, binary: boolean) => {
    from.pause();
    to.send(data, { binary }, () => from.resume());
  });
  from.on("close", (code) => {
    if (code === 1000) to.close(code);
    else to.terminate();
  });
}
