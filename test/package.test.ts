// What is published: the entries exist, need nothing else at run time, and say what they export.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { expect, it } from "vitest";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));

it("every entry has JavaScript and types", () => {
  const { "./package.json": _, ...entries } = manifest.exports;
  expect(Object.keys(entries)).toEqual([".", "./node", "./ws", "./schema", "./stable-websocket"]);
  for (const { types, default: code } of Object.values<{ types: string; default: string }>(entries)) {
    expect(existsSync(types), types).toBe(true);
    expect(existsSync(code), code).toBe(true);
  }
});

it("the command stable-conduit-schema starts under its name and says how it is used", () => {
  expect(Object.keys(manifest.bin)).toEqual(["stable-conduit-schema"]);
  const path = manifest.bin["stable-conduit-schema"];
  expect(readFileSync(path, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  const { status, stderr } = spawnSync(process.execPath, [path], { encoding: "utf8" });
  expect(stderr).toMatch(/^usage: stable-conduit-schema /m);
  expect(status).toBe(1);
});

it.each([
  ["index.js", /^\.\//],
  ["node.js", /^(\.\/|node:)/],
  ["ws.js", /^(\.\/|node:|ws$)/],
  ["schema.js", /^\.\//],
  ["stable-websocket.js", /^\.\//],
  ["bin/stable-conduit-schema.js", /^(\.\.?\/|node:)/],
  ["bin/typescript-loader.js", /^node:/],
])("%s and what it loads import nothing but themselves and %s", (entry, allowed) => {
  for (const [name, imports] of reachedFrom(entry))
    for (const from of imports) expect(from, name).toMatch(allowed);
});

it("who sends bytes loads no schemas, and who uses schemas no conduit", () => {
  const [index, schema] = ["index.js", "schema.js"].map((entry) => [...reachedFrom(entry).keys()]);
  // What both need, the errors, is in a file of its own.
  const size = (names: string[]) => names.reduce((sum, name) => sum + statSync(join("dist", name)).size, 0);
  expect(size(index.filter((name) => schema.includes(name)))).toBeLessThan(10_000);
});

/** The files of dist that an entry loads, itself included, with what each of them imports. */
function reachedFrom(entry: string): Map<string, string[]> {
  const reached = new Map<string, string[]>([[entry, []]]);
  for (const [name, imports] of reached) {
    const text = readFileSync(join("dist", name), "utf8");
    for (const [, from] of text.matchAll(/^(?:import|export)[^"';]*["']([^"']+)["'];/gm)) {
      imports.push(from);
      const path = posix.join(posix.dirname(name), from);
      if (from.startsWith(".") && !reached.has(path)) reached.set(path, []);
    }
  }
  return reached;
}

it("has no dependencies at run time", () => {
  expect(manifest.dependencies ?? {}).toEqual({});
});

it("both main entries export the same names, the Node entry its links too, and each other entry its own", async () => {
  const index = await import("stable-conduit");
  const node = await import("stable-conduit/node");
  expect(Object.keys(node).sort()).toEqual([...Object.keys(index), "duplex", "tcp", "unix"].sort());
  expect(Object.keys(index)).toEqual(
    expect.arrayContaining([
      "connect",
      "listen",
      "StableConduit",
      "ConduitError",
      "pair",
      "linkFrom",
      "webSocket",
    ]),
  );
  expect(Object.keys(await import("stable-conduit/ws")).sort()).toEqual(["webSocketLink", "webSocketServer"]);
  expect(Object.keys(await import("stable-conduit/schema"))).toEqual(
    expect.arrayContaining(["struct", "enumOf", "codecOf", "buildPlan", "schemaFromJSON", "fingerprint"]),
  );
});

it("every listed file of the package exists, the docs among them", () => {
  const names: string[] = manifest.files.filter((name: string) => !/[!*]/.test(name));
  for (const name of names) expect(existsSync(name), name).toBe(true);
  expect(manifest.files).toEqual(expect.arrayContaining(["dist", "docs", "PROTOCOL.md"]));
});

it("the lock file names no registry", () => {
  expect(readFileSync("package-lock.json", "utf8")).not.toMatch(/"resolved": "http/);
});
