// An origin for pages: the project's files as they are on disk, with or without cross-origin isolation.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";

export interface SiteOptions {
  /** With COOP and COEP, so that pages have SharedArrayBuffer and the shared build. Default false: the plain build. */
  isolated?: boolean;
  /** Further headers of every answer, a Content-Security-Policy for example. */
  headers?: Record<string, string>;
  /** Pages of a test's own, by their path: they come before the project's files. */
  pages?: Record<string, string>;
}

export interface Site {
  /** For `webSocketServer({ server })`. */
  readonly server: http.Server;
  readonly port: number;
  /** "http://127.0.0.1:PORT": a secure context, because it is loopback. */
  readonly origin: string;
  close(): Promise<void>;
}

const ROOT = new URL("../../", import.meta.url);

const TYPES: Record<string, string> = {
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

/** Serves until close(), which does not wait for anybody's connections. */
export async function startSite({ isolated = false, headers, pages = {} }: SiteOptions = {}): Promise<Site> {
  const always = { ...(isolated ? ISOLATION : {}), ...headers };
  const own: Record<string, string> = { "/": blankPage(), ...pages };
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
  const { port } = server.address() as AddressInfo;
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
export function blankPage(): string {
  const { name, exports } = JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8"));
  const imports: Record<string, string> = {};
  for (const [entry, target] of Object.entries<string | Record<string, string>>(exports)) {
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
