// docs/stable-websocket.md does what it says: its programs run and print what stands there.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { readPage } from "./page.js";

const page = readPage("docs/stable-websocket.md");

/** Within the package, so that its own name resolves to the build. */
mkdirSync("build", { recursive: true });
const folder = mkdtempSync(join("build", "stable-websocket-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return String(port);
}

it("the client and the server print what stands there", async () => {
  const port = await freePort();
  const [program] = page.programs;
  for (const [name, code] of [...page.files, ["client.js", program.code]] as const) {
    writeFileSync(join(folder, name), code.replaceAll("7402", port));
  }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(folder, "client.js")], {
    timeout: 20_000,
  });
  expect([stdout, stderr]).toEqual([program.prints, ""]);
  expect(page.blocks).toBe(3);
});
