// A worker between its page and an acceptor: it holds the WebSocket, so that a page that hangs does not cost the link.
// What comes from one side is acknowledged once the other side's ring has it.
import { connect, listen, messagePort, sharedMemory, webSocket } from "../../../dist/index.js"; // workers have no import map

/** @typedef {import("stable-conduit").StableConduit} Conduit */

const to = new URL(import.meta.url).searchParams.get("to") ?? "";
const acceptor = await listen(crossOriginIsolated ? sharedMemory.server(self) : messagePort.server(self));
for await (const page of acceptor) {
  const service = await connect(webSocket(to));
  pipe(page, service);
  pipe(service, page);
  page.on("end", () => service.close());
}

/**
 * @param {Conduit} from
 * @param {Conduit} into
 */
function pipe(from, into) {
  from.onItems = async (batch) => {
    for (const item of batch) {
      if (into.congested) await into.drained();
      into.send(item);
    }
  };
}
