// @ts-check
// A chat for everybody on this machine: what one says, all others get.
//
//   node examples/unix-chat/server.js [socket path]
import { listen, unix } from "stable-conduit/node";
import { defaultPath } from "./path.js";

/** @typedef {import("stable-conduit/node").StableConduit} StableConduit */

// mode: only you may join. graceMs: who is away gets what was said meanwhile, for so long.
const acceptor = await listen(unix.server(process.argv[2] ?? defaultPath, { mode: 0o600 }), {
  graceMs: 60_000,
});
console.log(`the chat is at ${acceptor.address}`);

process.once("SIGINT", () => acceptor.close());
process.once("SIGTERM", () => acceptor.close());

for await (const conduit of acceptor) serve(conduit);

/** @param {StableConduit} conduit */
async function serve(conduit) {
  console.log(`${conduit.id} has come`);
  conduit.onItems = (batch) => {
    for (const line of batch) broadcast(line, conduit);
  };
  const close = await conduit.closed; // never rejects
  console.log(`${conduit.id} has gone${close.clean ? "" : `: ${close.error.message}`}`);
}

/**
 * @param {Uint8Array} line
 * @param {StableConduit} from
 */
function broadcast(line, from) {
  for (const conduit of acceptor.sessions.values()) {
    if (conduit === from) continue;
    try {
      conduit.send(line); // copies it, does not wait
    } catch (error) {
      // One who does not read must not stop the others. (Who is leaving just now gets nothing more: CONDUIT_CLOSED.)
      const { code } = /** @type {import("stable-conduit/node").ConduitError} */ (error);
      if (code === "CONDUIT_REPLAY_FULL") conduit.abort("reads too slowly");
    }
  }
}
