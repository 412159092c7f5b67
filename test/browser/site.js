// An origin for pages: the project's files as they are on disk, with or without cross-origin isolation.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { extname } from "node:path";

/**
 * @typedef {object} SiteOptions
 * @property {boolean} [isolated] with COOP and COEP, so that pages have SharedArrayBuffer and the shared build. Default false: the plain build.
 * @property {Record<string, string>} [headers] further ones of every answer, a Content-Security-Policy for example
 * @property {Record<string, string>} [pages] a test's own, by their path: they come before the project's files
 */

/**
 * @typedef {object} Site
 * @property {http.Server} server for `webSocketServer({ server })`
 * @property {number} port
 * @property {string} origin "http://127.0.0.1:PORT": a secure context, because it is loopback
 * @property {() => Promise<void>} close
 */

const ROOT = new URL("../../", import.meta.url);

/** @type {Record<string, string>} */
const TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/**
 * Serves until close(), which does not wait for anybody's connections.
 * @param {SiteOptions} [options]
 * @returns {Promise<Site>}
 */
export async function startSite({ isolated = false, headers, pages } = {}) {
  const always = { ...(isolated ? ISOLATION : {}), ...headers };
  /** @type {Record<string, string>} */
  const own = { "/": blankPage(), ...pages };
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    try {
      // URL has resolved every "..": nothing outside of the project can be named.
      const body = own[pathname] ?? (await readFile(new URL(`.${pathname}`, ROOT)));
      const type = TYPES[extname(pathname) || ".html"] ?? "application/octet-stream";
      response.writeHead(200, { ...always, "content-type": type }).end(body);
    } catch {
      response.writeHead(404, always).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    server,
    port,
    origin: `http://127.0.0.1:${port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A page in which the package's own names can be imported: what is built, by its exports. */
export function blankPage() {
  const { name, exports } = JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8"));
  /** @type {Record<string, string>} */
  const imports = {};
  for (const [entry, target] of Object.entries(exports)) {
    const file = typeof target === "string" ? target : (target.browser ?? target.default);
    imports[name + entry.slice(1)] = file.slice(1);
  }
  return `<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>a page</title>
<script type="importmap">${JSON.stringify({ imports })}</script>
`;
}
