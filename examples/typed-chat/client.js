// @ts-check
// Joins the chat: each line that you type goes to all others. Ctrl-D leaves.
//
//   node examples/typed-chat/client.js <your name> [port]
import { createInterface } from "node:readline";
import { StableConduit, tcp } from "stable-conduit/node";
import { ToClient, ToServer } from "./schema.js";

const [name, port = "7008"] = process.argv.slice(2);
if (!name) {
  console.error("usage: node examples/typed-chat/client.js <your name> [port]");
  process.exit(2);
}

let leaving = false;
/** @type {string[]} what waits for the next session */
const unsaid = [];
let conduit = join();

const input = createInterface({ input: process.stdin });
input.on("line", say);
input.on("close", () => {
  leaving = true;
  // Returns when the server has everything; is not patient when there is none.
  conduit.close({ timeoutMs: 3_000 }).catch((error) => note(error.message));
});
process.once("SIGINT", () => input.close());

// A conduit survives its links, but not the server's process, which takes all sessions with it: then join again.
for (;;) {
  const close = await conduit.closed; // never rejects
  if (leaving || close.clean) break;
  const { code, message } = close.error;
  if (code !== "CONDUIT_SESSION_LOST" && code !== "CONDUIT_ABORTED") {
    // CONDUIT_SCHEMA, say: the server's version and ours do not understand each other, now or later.
    note(message);
    process.exit(1);
  }
  note("the server has gone");
  // What it did not confirm comes back as the values that they were. It may have heard some of them.
  for (const lost of [...close.undelivered].reverse()) if (lost.type === "Say") unsaid.unshift(lost.value);
  conduit = join();
  for (const line of unsaid.splice(0)) say(line);
}
input.close();

function join() {
  const joined = StableConduit.create(tcp({ host: "localhost", port: Number(port) }), {
    schema: { send: ToServer, recv: ToClient },
    connectTimeoutMs: Number.POSITIVE_INFINITY,
    retry: { capMs: 1_000 },
  });
  joined.onItems = (batch) => {
    for (const message of batch) {
      if (message.type === "History") for (const event of message.value) show(event);
      else show(message.value);
    }
  };
  // A lost link comes back within moments, which is nobody's business. A server that stays away is.
  joined.on("status", (status) => {
    if ("attempt" in status && status.attempt === 3) note("waiting for the server");
  });
  joined.send({ type: "Enter", name }); // works without a link too: it goes out with the next one
  return joined;
}

/** @param {string} text */
function say(text) {
  try {
    conduit.send({ type: "Say", value: text });
  } catch {
    unsaid.push(text); // the session is just ending
  }
}

/** @param {import("./schema.js").Event} event */
function show({ at, who, what }) {
  const time = new Date(at).toTimeString().slice(0, 5);
  switch (what.type) {
    case "Came":
      return console.log(`${time} * ${who} is here`);
    case "Said":
      return console.log(`${time} ${who}: ${what.value}`);
    case "Left":
      return console.log(`${time} * ${who} has left`);
  }
}

/** @param {string} text */
function note(text) {
  console.error(`* ${text}`);
}
