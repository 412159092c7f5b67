// What is published: the entries exist, need nothing else at run time, and say what they export.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));

it("every entry has JavaScript and types", () => {
  const entries = [manifest.exports["."], manifest.exports["./node"]];
  for (const { types, default: code } of entries) {
    expect(existsSync(types), types).toBe(true);
    expect(existsSync(code), code).toBe(true);
  }
});

it("the bundle imports nothing but itself and, in the Node entry, node: modules", () => {
  for (const name of readdirSync("dist").filter((file) => file.endsWith(".js"))) {
    const text = readFileSync(join("dist", name), "utf8");
    for (const [, from] of text.matchAll(/^(?:import|export)[^"';]*["']([^"']+)["'];/gm)) {
      expect(from, name).toMatch(name === "node.js" ? /^(\.\/|node:)/ : /^\.\//);
    }
  }
});

it("has no dependencies at run time", () => {
  expect(manifest.dependencies ?? {}).toEqual({});
});

it("both entries export the same names, and the Node entry its links", async () => {
  const index = await import("stable-conduit");
  const node = await import("stable-conduit/node");
  expect(Object.keys(node).sort()).toEqual([...Object.keys(index), "tcp", "unix"].sort());
  expect(Object.keys(index)).toEqual(
    expect.arrayContaining(["connect", "listen", "StableConduit", "ConduitError", "pair", "linkFrom"]),
  );
});

it("every listed file of the package exists", () => {
  for (const name of manifest.files) expect(existsSync(name), name).toBe(true);
});

it("the lock file names no registry", () => {
  expect(readFileSync("package-lock.json", "utf8")).not.toMatch(/"resolved": "http/);
});
