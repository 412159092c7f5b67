// docs/typed-messages.md does what it says: its code compiles, strictly, and prints what stands there; its table of
// changes is what message plans do.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as s from "../../src/schema.js";
import { readPage } from "./page.js";

const page = readPage("docs/typed-messages.md");
const COMMAND = resolve("dist/bin/stable-conduit-schema.js");

/** Within the package, so that its own name resolves to the build. */
mkdirSync("build", { recursive: true });
const folder = mkdtempSync(join("build", "typed-messages-"));
afterAll(() => rmSync(folder, { recursive: true }));

const programs = page.programs.map((program, i) => ({
  ...program,
  file: `program-${i}.${program.language}`,
}));

beforeAll(async () => {
  const port = await freePort();
  const write = (name: string, code: string) =>
    writeFileSync(join(folder, name), code.replaceAll("7401", String(port)));
  for (const [name, code] of page.files) write(name, code);
  for (const { file, code } of programs) {
    // What imports nothing is a module, too.
    write(file, `${code}export {};\n`);
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

/** What Node prints for it. */
async function node(...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    cwd: folder,
    timeout: 30_000,
  });
  expect(stderr).toBe("");
  return stdout;
}

describe("docs/typed-messages.md", () => {
  it("has code that is found", () => {
    expect(page.blocks).toBeGreaterThan(25);
    expect(programs.length).toBeGreaterThan(8);
    expect(page.commands.length).toBe(2);
  });

  it("has code that compiles, strictly", () => {
    const rootNames = [...page.files.keys(), ...programs.map(({ file }) => file)].map((name) =>
      join(folder, name),
    );
    const options: ts.CompilerOptions = {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.NodeNext,
      types: ["node"],
      strict: true,
      useUnknownInCatchVariables: false, // as JavaScript has it, a cast would only be in the way
      allowJs: true,
      checkJs: true,
      skipLibCheck: true,
      noEmit: true,
    };
    const problems = ts.getPreEmitDiagnostics(ts.createProgram(rootNames, options));
    const host = { getCanonicalFileName: String, getCurrentDirectory: () => "", getNewLine: () => "\n" };
    expect(ts.formatDiagnostics(problems, host)).toBe("");
  });

  it.each(programs)("prints what it says under: $heading", async ({ file, language, code, prints }) => {
    if (language === "js") return expect(await node(file)).toBe(prints);
    const module = { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } };
    writeFileSync(join(folder, `${file}.mjs`), ts.transpileModule(code, module).outputText);
    expect(await node(`${file}.mjs`)).toBe(prints);
  });

  it("prints what it says for the commands", async () => {
    for (const { lines, prints } of page.commands) {
      let printed = "";
      for (const line of lines) {
        const [npx, command, ...args] = line.split(" ");
        expect([npx, command]).toEqual(["npx", "stable-conduit-schema"]);
        printed += await node(COMMAND, ...args);
      }
      expect(printed).toBe(prints);
    }
  });

  it("links to headings and files that are there", () => {
    const anchors = [...page.text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => anchorOf(title));
    for (const [, anchor] of page.text.matchAll(/\]\(#([^)]+)\)/g)) expect(anchors).toContain(anchor);
    for (const [, path] of page.text.matchAll(/\]\((\.[^)#]+)/g))
      expect(existsSync(join("docs", path)), path).toBe(true);
  });
});

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w -]/g, "")
    .replaceAll(" ", "-");
}

describe("the table of changes in docs/typed-messages.md", () => {
  type Pair = [older: s.AnySchema, newer: s.AnySchema];
  const { u8, u16, u32, u64, string, option, list, set, bytes, array, tuple, bool } = s;
  const T = (fields: s.Fields) => s.struct("T", fields);
  const E = (...names: string[]) => s.enumOf("E", names);
  const CASES: Record<string, Pair[]> = {
    "fields or variants in another order": [
      [T({ a: u8, b: string }), T({ b: string, a: u8 })],
      [E("A", "B"), E("B", "A")],
    ],
    "field added, with a default": [[T({ a: u8 }), T({ a: u8, b: s.withDefault(u8, 1) })]],
    "field added, without a default": [
      [T({ a: u8 }), T({ a: u8, b: u8 })],
      [T({ a: u8 }), T({ a: u8, b: option(u8) })],
    ],
    "field removed that had a default": [
      [T({ a: u8, b: s.withDefault(u8, 1) }), T({ a: u8 })],
      [T({ a: u8, b: s.withDefault(option(u8), undefined) }), T({ a: u8 })],
    ],
    "field removed that had none": [
      [T({ a: u8, b: u8 }), T({ a: u8 })],
      [T({ a: u8, b: option(u8) }), T({ a: u8 })],
    ],
    "variant added": [[E("A", "B"), E("A", "B", "C")]],
    "variant removed": [[E("A", "B", "C"), E("A", "B")]],
    "field, variant or type renamed": [
      [T({ a: u8 }), T({ b: u8 })],
      [s.struct("T", {}), s.struct("U", {})],
    ],
    "type changed: `u16` to `u32`, `T` to `option(T)`, another length of an `array` or `tuple`": [
      [T({ a: u16 }), T({ a: u32 })],
      [T({ a: u16 }), T({ a: option(u16) })],
      [array(u8, 2), array(u8, 3)],
      [tuple(u8), tuple(u8, u8)],
    ],
    "`list` to `set`, `list(u8)` to `bytes`, `bigint` to `asNumber`, a default, a tag": [
      [list(string), set(string)],
      [list(u8), bytes],
      [u64, s.asNumber(u64)],
      [T({ a: s.withDefault(bool, true) }), T({ a: bool })],
      [T({ e: s.enumOf("E", { A: u8 }) }), T({ e: s.enumOf("E", { A: u8 }, { tag: "kind" }) })],
    ],
  };
  const [, table] = page.text.match(/\| change \|.*\n\| ---.*\n((?:\|.*\n)+)/)!;
  const rows = table
    .trimEnd()
    .split("\n")
    .map((row) => row.slice(2, -2).split(" | "));

  it("has a case for each row", () => {
    expect(rows.map(([change]) => change)).toEqual(Object.keys(CASES));
  });

  it.each(rows)("%s: new reads old: %s, old reads new: %s", (change, newReadsOld, oldReadsNew) => {
    for (const [older, newer] of CASES[change]) {
      expect(verdict(older, newer)).toBe(newReadsOld);
      expect(verdict(newer, older)).toBe(oldReadsNew);
    }
  });

  function verdict(writer: s.AnySchema, reader: s.AnySchema): string {
    let plan: s.MessagePlan<unknown>;
    try {
      plan = s.buildPlan(writer, reader);
    } catch (error) {
      expect(error).toMatchObject({ code: "CONDUIT_SCHEMA" });
      return "refused";
    }
    if (writer.node.kind !== "enum") return "yes";
    const { decode } = s.decoderOf(plan);
    return writer.node.variants.every((_, index) => succeeds(() => decode(Uint8Array.of(index))))
      ? "yes"
      : "until one arrives";
  }

  function succeeds(decode: () => unknown): boolean {
    try {
      decode();
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: "CONDUIT_DECODE" });
      return false;
    }
  }
});
