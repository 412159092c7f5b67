// Serves the built page, and sends every item back.
//
//   npm run build && npm start [port]
import { readFile } from "node:fs/promises";
import http from "node:http";
import { listen } from "stable-conduit";
import { webSocketServer } from "stable-conduit/ws";

/** @type {Record<string, { file: string, type: string }>} */
const FILES = {
  "/": { file: "index.html", type: "text/html" },
  "/dist/main.js": { file: "dist/main.js", type: "text/javascript" },
};

const server = http.createServer(async (request, response) => {
  const served = FILES[request.url ?? "/"];
  if (served) {
    response.writeHead(200, { "content-type": served.type });
    response.end(await readFile(new URL(served.file, import.meta.url)));
  } else {
    response.writeHead(404).end();
  }
});

server.listen(Number(process.argv[2] ?? 8080), "localhost");
const acceptor = await listen(webSocketServer({ server, path: "/conduit" }));
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
console.log(`http://localhost:${port}/`);

for await (const conduit of acceptor) {
  echo(conduit).catch((error) => console.log(error.message));
}

/** @param {import("stable-conduit").StableConduit} conduit */
async function echo(conduit) {
  for await (const item of conduit) await conduit.write(item);
}
