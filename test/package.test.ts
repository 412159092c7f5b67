// What is published: the entries exist, need nothing else at run time, and say what they export.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));

it("every entry has JavaScript and types", () => {
  const entries = [".", "./node", "./ws", "./schema"].map((entry) => manifest.exports[entry]);
  for (const { types, default: code } of entries) {
    expect(existsSync(types), types).toBe(true);
    expect(existsSync(code), code).toBe(true);
  }
});

it.each([
  // Plain bytes do not pay for typed messages.
  ["index.js", /^\.\/(?!.*schema)/],
  ["schema.js", /^\.\//],
  ["node.js", /^(\.\/|node:)/],
  ["ws.js", /^(\.\/|node:|ws$)/],
])("%s and what it loads import nothing but themselves and %s", (entry, allowed) => {
  const reached = new Set([entry]);
  for (const name of reached) {
    const text = readFileSync(join("dist", name), "utf8");
    for (const [, from] of text.matchAll(/^(?:import|export)[^"';]*["']([^"']+)["'];/gm)) {
      expect(from, name).toMatch(allowed);
      if (from.startsWith("./")) reached.add(from.slice(2));
    }
  }
});

it("has no dependencies at run time", () => {
  expect(manifest.dependencies ?? {}).toEqual({});
});

it("both main entries export the same names, the Node entry its links too, and each other entry its own", async () => {
  const index = await import("stable-conduit");
  const node = await import("stable-conduit/node");
  expect(Object.keys(node).sort()).toEqual([...Object.keys(index), "tcp", "unix"].sort());
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
});

it("every listed file of the package exists", () => {
  for (const name of manifest.files) expect(existsSync(name), name).toBe(true);
});

it("the lock file names no registry", () => {
  expect(readFileSync("package-lock.json", "utf8")).not.toMatch(/"resolved": "http/);
});
