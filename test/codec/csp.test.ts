// A page whose policy forbids code from text, which Node plays with a flag.
import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

it("no code is generated where that is forbidden", () => {
  const program = `
    import { codecOf, list, string } from "stable-conduit/schema";
    const codec = codecOf(list(string));
    console.log(JSON.stringify(codec.decode(codec.encode(["a", "b"]))));
    try { codecOf(list(string), { generate: true }).encode([]); } catch (error) { console.log(error.code); }`;
  const flags = ["--disallow-code-generation-from-strings", "--input-type=module", "--eval", program];
  expect(execFileSync(process.execPath, flags, { encoding: "utf8" })).toBe('["a","b"]\nCONDUIT_OPTIONS\n');
});
