// @ts-check
// Serves the page and the modules that it loads. There is no bundler here, so names of packages in import lines become paths
// to the minified modules of the package; in a project of your own the bundler does that.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { pathToFileURL } from "node:url";

const HERE = new URL("../", import.meta.url);
const PACKAGE = pathToFileURL(createRequire(import.meta.url).resolve("stable-conduit"));

/** What begins with the path on the left is below the folder on the right. */
const FOLDERS = /** @type {const} */ ([
  ["/page/", new URL("page/", HERE)],
  ["/shared/", new URL("shared/", HERE)],
  ["/stable-conduit/", new URL("browser/", PACKAGE)],
]);

/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

const HEADERS = {
  // WebAssembly needs its word; nothing else is allowed that is not in these folders.
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

/**
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:http").ServerResponse} response
 */
export async function serveFile(request, response) {
  const [path] = (request.url ?? "").split("?");
  const file = fileOf(path === "/" ? "/page/index.html" : path);
  const type = file && TYPES[extname(file.pathname)];
  try {
    if (!type) throw new Error("not for pages");
    const bytes = await readFile(file);
    const body = type === TYPES[".js"] ? withPaths(bytes.toString()) : bytes;
    response.writeHead(200, { ...HEADERS, "content-type": type }).end(body);
  } catch {
    response.writeHead(404, HEADERS).end();
  }
}

/** @param {string} path */
function fileOf(path) {
  for (const [prefix, folder] of FOLDERS) {
    if (!path.startsWith(prefix)) continue;
    const file = new URL(`./${path.slice(prefix.length)}`, folder);
    if (file.href.startsWith(folder.href)) return file; // ".." may lead out of it
  }
  return undefined;
}

/**
 * `from "stable-conduit/schema"` becomes `from "/stable-conduit/schema.js"`.
 * @param {string} code
 */
function withPaths(code) {
  return code.replaceAll(
    /^(import .*|} )from "stable-conduit(?:\/([a-z]+))?";$/gm,
    (_, names, entry = "index") => `${names}from "/stable-conduit/${entry}.js";`,
  );
}
