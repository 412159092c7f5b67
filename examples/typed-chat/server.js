// @ts-check
// A chat with typed messages: who comes gets what was said before, then what the others say.
//
//   node examples/typed-chat/server.js [port]
import { listen, tcp } from "stable-conduit/node";
import { ToClient, ToServer } from "./schema.js";

/** @typedef {import("./schema.js").Event} Event */
/** @typedef {import("stable-conduit/node").StableConduit<import("./schema.js").ToClient, import("./schema.js").ToServer>} Conduit */

const HISTORY_EVENTS = 100;

/** @type {Event[]} */
const history = [];
/** @type {Set<Conduit>} */
const present = new Set();

// graceMs: whose link is gone is still here, for so long, and gets what happened meanwhile with the next.
const acceptor = await listen(tcp.server({ host: "localhost", port: Number(process.argv[2] ?? 7008) }), {
  schema: { send: ToClient, recv: ToServer },
  graceMs: 60_000,
});
console.log("the chat is at", acceptor.address);

process.once("SIGINT", () => acceptor.close());
process.once("SIGTERM", () => acceptor.close());

for await (const conduit of acceptor) serve(conduit);

/** @param {Conduit} conduit */
async function serve(conduit) {
  let who = "";
  conduit.onItems = (batch) => {
    for (const message of batch) {
      switch (message.type) {
        case "Enter":
          if (present.has(conduit)) break;
          who = message.name;
          console.log(`${who} has come`);
          send(conduit, { type: "History", value: history });
          tell({ at: Date.now(), who, what: { type: "Came" } }, conduit);
          present.add(conduit);
          break;
        case "Say":
          if (present.has(conduit)) {
            tell({ at: Date.now(), who, what: { type: "Said", value: message.value } }, conduit);
          }
          break;
      }
    }
  };
  const close = await conduit.closed; // never rejects
  console.log(`${who || conduit.id} has gone${close.clean ? "" : `: ${close.error.message}`}`);
  if (present.delete(conduit)) tell({ at: Date.now(), who, what: { type: "Left" } }, conduit);
}

/**
 * @param {Event} event
 * @param {Conduit} from who needs not be told
 */
function tell(event, from) {
  history.push(event);
  if (history.length > HISTORY_EVENTS) history.shift();
  for (const conduit of present) if (conduit !== from) send(conduit, { type: "Happened", value: event });
}

/**
 * @param {Conduit} conduit
 * @param {import("./schema.js").ToClient} message
 */
function send(conduit, message) {
  try {
    conduit.send(message); // encodes it into the conduit's ring, does not wait
  } catch (error) {
    // One who does not read must not stop the others. (Who is leaving just now gets nothing more: CONDUIT_CLOSED.)
    const { code } = /** @type {import("stable-conduit/node").ConduitError} */ (error);
    if (code === "CONDUIT_REPLAY_FULL") conduit.abort("reads too slowly");
  }
}
