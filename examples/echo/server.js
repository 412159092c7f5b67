// @ts-check
// Sends everything back.
//
//   node examples/echo/server.js [port]
import { listen, tcp } from "stable-conduit/node";

const port = Number(process.argv[2] ?? 7007);
const acceptor = await listen(tcp.server({ host: "localhost", port }));
console.log("listening", acceptor.address);

// Ctrl-C: everybody gets what is on its way, then the loop below is over.
process.once("SIGINT", () => acceptor.close());
process.once("SIGTERM", () => acceptor.close());

// One conduit per client. Its links may come and go: it stays the same.
for await (const conduit of acceptor) {
  echo(conduit).catch((error) => console.log(`${conduit.id}: ${error.message}`));
}

/** @param {import("stable-conduit/node").StableConduit} conduit */
async function echo(conduit) {
  // Asking for the next item tells the client that we are done with this one.
  for await (const item of conduit) await conduit.write(item);
  // The client has ended, and the conduit ends our side by itself.
}
