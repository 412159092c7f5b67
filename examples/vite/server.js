// Serves the built page, and passes each line on to everybody.
//
//   npm run build && npm start [port]
import { readFile } from "node:fs/promises";
import http from "node:http";
import { listen } from "stable-conduit";
import { webSocketServer } from "stable-conduit/ws";
import { Line } from "./schema.js";

// The strictest policy that a conduit works under: WebAssembly may be compiled, text may not.
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:";

const server = http.createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  try {
    const body = await readFile(
      new URL(`dist${pathname === "/" ? "/index.html" : pathname}`, import.meta.url),
    );
    const type = pathname.endsWith(".js") ? "text/javascript" : "text/html";
    response.writeHead(200, { "content-type": type, "content-security-policy": POLICY }).end(body);
  } catch {
    response.writeHead(404).end();
  }
});

server.listen(Number(process.argv[2] ?? 8080), "localhost");
const acceptor = await listen(webSocketServer({ server, path: "/conduit" }), {
  schema: { send: Line, recv: Line },
});
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
console.log(`http://localhost:${port}/`);

/** @typedef {import("stable-conduit").StableConduit<{ text: string }, { text: string }>} Conduit */

/** @type {Set<Conduit>} */
const everybody = new Set();
for await (const conduit of acceptor) {
  chat(conduit).catch((error) => console.log(error.message));
}

/** @param {Conduit} conduit */
async function chat(conduit) {
  everybody.add(conduit);
  try {
    for await (const line of conduit) {
      for (const other of everybody) {
        if (!other.congested) other.send(line);
        else {
          everybody.delete(other); // or the next line would be sent to it
          other.abort("too far behind");
        }
      }
    }
  } finally {
    everybody.delete(conduit);
  }
}
