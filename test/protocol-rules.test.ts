// Every rule of PROTOCOL.md is proved by a test that names it, and code names no rule that does not exist.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

function filesIn(folder: string, extension: RegExp): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => extension.test(name))
    .map((name) => join(folder, name));
}

const RULE = /\[([a-z]+\.[a-z]+)\]/g;
const protocol = readFileSync("PROTOCOL.md", "utf8");
const rules = [...protocol.matchAll(/^- \[([a-z]+\.[a-z]+)\]/gm)].map((match) => match[1]);

/** Rule ids in the titles of tests and suites. */
function provedRules(): Set<string> {
  const proved = new Set<string>();
  for (const file of filesIn("test", /\.ts$/)) {
    const text = readFileSync(file, "utf8");
    // A title is the first argument of it(), test(), describe() and their variants, in any kind of quotes.
    for (const [, title] of text.matchAll(/\b(?:it|test|describe)\b[\w.()[\]{}, $]*\(\s*(["'`][^\n]*)/g)) {
      for (const [, rule] of title.matchAll(RULE)) proved.add(rule);
    }
  }
  return proved;
}

it("PROTOCOL.md lists its rules, each once", () => {
  expect(rules.length).toBeGreaterThan(50);
  expect(new Set(rules).size).toBe(rules.length);
});

it("names every rule of PROTOCOL.md in the title of some test", () => {
  const proved = provedRules();
  expect(rules.filter((rule) => !proved.has(rule))).toEqual([]);
});

it("names no rule in code, tests or documents that PROTOCOL.md does not have", () => {
  const known = new Set(rules);
  const unknown: string[] = [];
  const files = [
    ...filesIn("src", /\.ts$/),
    ...filesIn("assembly", /\.ts$/),
    ...filesIn("test", /\.ts$/),
    "PROTOCOL.md",
    "README.md",
  ];
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    // In code, `[a.b]` is an array or an index; rules are named in comments and strings.
    const prose = file.endsWith(".md") ? [text] : text.match(/\/\/.*$|\/\*[\s\S]*?\*\/|"[^"\n]*"|`[^`]*`/gm);
    for (const [id, rule] of (prose ?? []).join("\n").matchAll(RULE)) {
      if (!known.has(rule)) unknown.push(`${file}: ${id}`);
    }
  }
  expect(unknown).toEqual([]);
});
