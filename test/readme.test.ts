// README promises what the code does: its programs run as printed, and every option and error code has its line.
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { LIMITS } from "../src/limits.js";

const readme = readFileSync("README.md", "utf8");
const run = promisify(execFile);

it.each([
  { section: "Quick start", lines: 14, prints: "hello\n" },
  { section: "Typed messages", lines: 15, prints: "{ type: 'Accepted', id: 1 }\n" },
])(
  "the code of $section has at most $lines lines and runs as printed",
  async ({ section, lines, prints }) => {
    const [, code] = readme.match(new RegExp(`## ${section}[\\s\\S]*?\`\`\`js\\n([\\s\\S]*?)\`\`\``))!;
    expect(code.split("\n").filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(lines);
    // Within the package, so that its own name resolves to the build.
    mkdirSync("build/readme", { recursive: true });
    const path = `build/readme/${section.toLowerCase().replace(" ", "-")}.mjs`;
    writeFileSync(path, code);
    const { stdout, stderr } = await run(process.execPath, [path], { timeout: 20_000 });
    expect(stdout).toBe(prints);
    expect(stderr).toBe("");
  },
);

it("lists every limit with its unit and default", () => {
  for (const [name, { unit, default: value }] of Object.entries(LIMITS)) {
    const shown = name === "receiveWindow" ? "`replayBytes`" : String(value);
    expect(readme, name).toContain(`| \`${name}\` | ${unit} | ${shown} |`);
  }
});

it("has a line for every error code, and for no other", () => {
  const [, union] = readFileSync("src/errors.ts", "utf8").match(/export type ErrorCode =([\s\S]*?);/)!;
  const codes = [...union.matchAll(/"(CONDUIT_[A-Z_]+)"/g)].map((match) => match[1]);
  const listed = [...readme.matchAll(/^\| `(CONDUIT_[A-Z_]+)` \|/gm)].map((match) => match[1]);
  expect(listed.sort()).toEqual(codes.sort());
});

it("names only npm scripts that exist", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
  for (const [, name] of readme.matchAll(/npm run ([a-z:]+)/g)) expect(scripts).toHaveProperty([name]);
});
