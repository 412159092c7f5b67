// A conduit within this page, and the kind of memory that its ring is in.
import { connect, listen, messagePort } from "stable-conduit";

export default async () => {
  const { port1, port2 } = new MessageChannel();
  const acceptor = await listen(messagePort.server(port2));
  const conduit = await connect(messagePort(port1));
  let build = "";
  conduit.sendInto(1, (ring, at) => {
    const shared = "SharedArrayBuffer" in globalThis && ring.buffer instanceof SharedArrayBuffer;
    build = shared ? "shared" : "plain";
    ring[at] = 7;
    return at + 1;
  });
  for await (const accepted of acceptor) {
    const item = await accepted.recv();
    await Promise.all([conduit.close(), acceptor.close()]);
    return { build, item: [...(item ?? [])] };
  }
  throw new Error("the acceptor had no session");
};
