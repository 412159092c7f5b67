// @ts-check
// Joins the chat: each line that you type goes to all others. Ctrl-D leaves.
//
//   node examples/unix-chat/client.js <your name> [socket path]
import { createInterface } from "node:readline";
import { StableConduit, unix } from "stable-conduit/node";
import { defaultPath } from "./path.js";

const [name, path = defaultPath] = process.argv.slice(2);
if (!name) {
  console.error("usage: node examples/unix-chat/client.js <your name> [socket path]");
  process.exit(2);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
let leaving = false;
/** @type {Uint8Array[]} what waits for the next session */
let unsaid = [];

let conduit = join();
say(`* ${name} is here`);

const input = createInterface({ input: process.stdin });
input.on("line", (line) => say(`${name}: ${line}`));
input.on("close", () => {
  say(`* ${name} has left`);
  leaving = true;
  // Returns when the server has everything; is not patient when there is none.
  conduit.close({ timeoutMs: 3_000 }).catch((error) => show(error.message));
});
process.once("SIGINT", () => input.close());

// A conduit survives its links, but not the server's process, which takes all sessions with it: then join again.
for (;;) {
  const close = await conduit.closed; // never rejects
  if (leaving) break;
  show("the server has gone");
  // What it did not confirm is said again. It may have heard some of that: people can live with reading it twice.
  if (!close.clean) unsaid = [...close.undelivered, ...unsaid];
  conduit = join();
  for (const line of unsaid.splice(0)) conduit.send(line);
}

function join() {
  const joined = StableConduit.create(unix(path), {
    connectTimeoutMs: Number.POSITIVE_INFINITY,
    retry: { capMs: 1_000 },
  });
  joined.onItems = (batch) => {
    for (const line of batch) console.log(decoder.decode(line));
  };
  // A lost link comes back within moments, which is nobody's business. A server that stays away is.
  joined.on("status", (status) => {
    if ("attempt" in status && status.attempt === 3) show("waiting for the server");
  });
  return joined;
}

/** @param {string} text */
function say(text) {
  const line = encoder.encode(text);
  try {
    conduit.send(line); // works without a link too: it goes out with the next one
  } catch {
    unsaid.push(line); // the session is just ending
  }
}

/** @param {string} text */
function show(text) {
  console.error(`* ${text}`);
}
