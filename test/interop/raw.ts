// The other end of the Rust peer at its barest: a server that answers hellos and looks at frames, and does what no
// conduit would.
import { once } from "node:events";
import net from "node:net";
import { framed, hello, key } from "../proto/wire.js";

export interface RawServer {
  address: `tcp:${string}`;
  close(): Promise<void>;
}

/** Each link that the Rust peer dials, with its payloads. `last` is what the ServerHello says was received. */
export async function serve(
  last: () => number | undefined,
  onLink: (link: { payload(payload: Buffer): void }, socket: net.Socket, number: number) => void,
): Promise<RawServer> {
  const sockets = new Set<net.Socket>();
  let links = 0;
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    const link = { payload: (_: Buffer) => {} };
    let rest: Buffer = Buffer.alloc(0);
    let greeted = false;
    socket.on("data", (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      while (rest.length - at >= 4 && rest.length - at - 4 >= rest.readUInt32LE(at)) {
        const payload = rest.subarray(at + 4, at + 4 + rest.readUInt32LE(at));
        at += 4 + payload.length;
        if (greeted) {
          link.payload(payload);
          continue;
        }
        greeted = true;
        socket.write(framed(hello("VOSH", { resumeKey: key(links + 1), lastReceived: last() })));
        onLink(link, socket, links++);
      }
      rest = rest.subarray(at);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `tcp:127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** The varint that a frame begins with. */
export function seqOf(frame: Uint8Array): number {
  let seq = 0;
  for (let i = 0, scale = 1; ; i++, scale *= 0x80) {
    seq += (frame[i] & 0x7f) * scale;
    if (frame[i] < 0x80) return seq;
  }
}
