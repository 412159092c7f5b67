/// <reference types="vite/client" />
// node:fs in a page, as far as the suites use it: the golden files, synchronously, from the server of the tests.
import { Buffer } from "buffer";

/** Paths of all golden files, found when the suites are built. */
const files = Object.keys(import.meta.glob("../../golden/**", { query: "?url" })).map(belowGolden);

export function readdirSync(folder: URL): string[] {
  const path = belowGolden(folder.pathname);
  return files.filter((file) => file.startsWith(path)).map((file) => file.slice(path.length));
}

function belowGolden(path: string): string {
  return path.slice(path.indexOf("/golden/"));
}

export function readFileSync(file: URL, encoding?: "utf8"): string | Buffer {
  const request = new XMLHttpRequest();
  request.open("GET", file, false);
  request.overrideMimeType("text/plain; charset=x-user-defined"); // each byte a character; a page may not ask for bytes here
  request.send();
  if (request.status !== 200) throw new Error(`${request.status}: ${file}`);
  const bytes = Buffer.from(request.responseText, "latin1");
  return encoding ? bytes.toString(encoding) : bytes;
}
