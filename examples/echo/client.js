// @ts-check
// Sends its arguments to the echo server and prints what comes back.
//
//   node examples/echo/client.js [port] [word...]
import { connect, tcp } from "stable-conduit/node";

const [port = "7007", ...words] = process.argv.slice(2);
const conduit = await connect(tcp({ host: "localhost", port: Number(port) }));

const encoder = new TextEncoder();
for (const word of words.length > 0 ? words : ["hello", "world"]) conduit.send(encoder.encode(word));
conduit.end(); // nothing more from here, but receiving goes on

const decoder = new TextDecoder();
for await (const item of conduit) console.log(decoder.decode(item));
