// A page whose policy forbids code from text, which Node plays with a flag.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";

it("no code is generated where that is forbidden", () => {
  const directory = mkdtempSync(join(tmpdir(), "conduit-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "page.mjs");
  const built = new URL("../../dist/schema.js", import.meta.url).href;
  writeFileSync(
    path,
    `
    import { codecOf, list, string } from ${JSON.stringify(built)};
    const codec = codecOf(list(string));
    console.log(JSON.stringify(codec.decode(codec.encode(["a", "b"]))));
    try { codecOf(list(string), { generate: true }).encode([]); } catch (error) { console.log(error.code); }`,
  );
  const flags = ["--disallow-code-generation-from-strings", path];
  expect(execFileSync(process.execPath, flags, { encoding: "utf8" })).toBe('["a","b"]\nCONDUIT_OPTIONS\n');
});
