// The command, as npm installs it: built, in a process of its own.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import * as s from "../../src/schema.js";

const COMMAND = resolve("dist/bin/stable-conduit-schema.js");
/** Within the package, so that modules here find it by its name. */
const folder = mkdtempSync("build/schema-tool-");
afterAll(() => rmSync(folder, { recursive: true }));

function run(args: string[], input = ""): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
    cwd: folder,
    input,
    encoding: "utf8",
  });
  return { code: status, out: stdout, err: stderr };
}

const Order = s.struct("Order", {
  id: s.u64,
  lines: s.list(s.struct("Line", { sku: s.string, count: s.withDefault(s.u16, 1) })),
  state: s.enumOf("State", { Open: null, Closed: s.string }),
});
const json = JSON.stringify(Order);
writeFileSync(join(folder, "order.json"), json);

describe("stable-conduit-schema", () => {
  it("is named by the package", () => {
    const { bin } = JSON.parse(readFileSync("package.json", "utf8"));
    expect(resolve(bin["stable-conduit-schema"])).toBe(COMMAND);
    expect(readFileSync(COMMAND, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  it("turns JSON into a TypeScript module, and that module back into the same JSON", () => {
    const made = run(["typescript", "order.json"]);
    expect(made).toMatchObject({ code: 0, err: "" });
    writeFileSync(join(folder, "order.ts"), made.out);
    const again = run(["json", "order.ts"]);
    expect(again).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(again.out)).toEqual(JSON.parse(json));
    expect(run(["json", "order.ts", "--export", "Line"]).out).toContain('"name": "Line"');
  });

  it("turns JSON into a Rust module", () => {
    const { code, out } = run(["rust", "order.json"]);
    expect(code).toBe(0);
    expect(out).toBe(`// Made by stable-conduit-schema. Fingerprint ${s.fingerprint(Order)}.
use facet::Facet;

#[derive(Facet, Debug, Clone, PartialEq)]
pub struct Line {
    pub sku: String,
    #[facet(default = 1u16)]
    pub count: u16,
}

#[derive(Facet, Debug, Clone, PartialEq)]
#[repr(u8)]
pub enum State {
    Open,
    Closed(String),
}

#[derive(Facet, Debug, Clone, PartialEq)]
pub struct Order {
    pub id: u64,
    pub lines: Vec<Line>,
    pub state: State,
}
`);
  });

  it("reads standard input, writes to a file, and names a schema that has no name", () => {
    const list = JSON.stringify(s.list(s.u8));
    expect(run(["typescript", "-", "--name", "bytes sent", "--out", "sent.ts"], list)).toEqual({
      code: 0,
      out: "",
      err: "",
    });
    expect(readFileSync(join(folder, "sent.ts"), "utf8")).toContain(
      "export const BytesSent: Schema<BytesSent>",
    );
    expect(run(["rust", "-", "--name", "Sent"], list).out).toContain("pub type Sent = Vec<u8>;");
  });

  it("prints the fingerprint", () => {
    expect(run(["fingerprint", "-"], json).out).toBe(`${s.fingerprint(Order)}\n`);
  });

  it.each([
    ["no command", [], /^stable-conduit-schema: no command\n\nusage: /],
    ["another command", ["java", "order.json"], /no command "java"/],
    ["no input", ["rust"], /rust takes one input, got 0/],
    ["two inputs", ["rust", "a", "b"], /rust takes one input, got 2/],
    ["an option of another command", ["rust", "order.json", "--export", "X"], /rust has no option --export/],
    ["an option without a value", ["rust", "order.json", "--out"], /--out needs a value/],
    ["a file that is not there", ["rust", "nowhere.json"], /nowhere\.json/],
    ["a module that is not there", ["json", "nowhere.mjs"], /nowhere\.mjs/],
    [
      "JSON for a module",
      ["json", "order.json"],
      /order\.json: this command makes JSON, from a JavaScript or TypeScript module/,
    ],
    [
      "an export that is no schema",
      ["json", "order.ts", "--export", "nothing"],
      /exports no schema "nothing"/,
    ],
  ])("says what is wrong with its arguments: %s", (_, args, message) => {
    const { code, out, err } = run(args);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(message);
    expect(err).not.toMatch(/\n {4}at /);
  });

  it.each([
    ["no JSON", "{", /^stable-conduit-schema: -: .*JSON/],
    ["no schema", "{}", /^stable-conduit-schema: schema\.kind: no such kind of type\n$/],
    [
      "a name that Rust has no room for",
      JSON.stringify(s.struct("A b", {})),
      /"A b" is no identifier in Rust\n$/,
    ],
    ...["Vec", "String", "Option", "Box", "BTreeMap", "Facet", "u8", "std"].map(
      (name): [string, string, RegExp] => [
        `a type named ${name}`,
        JSON.stringify(s.struct("Outer", { inner: s.struct(name, { list: s.list(s.u8) }) })),
        new RegExp(`: ${name}: a Rust module cannot have a type of this name`),
      ],
    ),
    [
      "a type with the name of the whole",
      JSON.stringify(s.list(s.struct("Message", {}))),
      /: Message: the schema has a type of this name: choose another one for the whole\n$/,
    ],
  ])("says what is wrong with a schema: %s", (_, input, message) => {
    const { code, out, err } = run(["rust", "-"], input);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(message);
  });

  it("loads JavaScript, and TypeScript that imports TypeScript by the name of what it becomes", () => {
    writeFileSync(
      join(folder, "line.ts"),
      'import { u8 } from "stable-conduit/schema";\nexport const line: typeof u8 = u8;',
    );
    writeFileSync(join(folder, "uses.ts"), 'export { line as default } from "./line.js";');
    writeFileSync(join(folder, "plain.js"), 'export { u8 } from "stable-conduit/schema";');
    for (const file of ["uses.ts", "plain.js"]) {
      expect(run(["json", file])).toEqual({ code: 0, out: '{\n  "kind": "u8"\n}\n', err: "" });
    }
  });

  it("asks which of several schemas is meant", () => {
    writeFileSync(join(folder, "two.mjs"), 'export { u8, u16 } from "stable-conduit/schema";');
    expect(run(["json", "two.mjs"]).err).toMatch(/choose one with --export \(u16, u8\)/);
    expect(JSON.parse(run(["json", "two.mjs", "--export", "u16"]).out)).toEqual({ kind: "u16" });
  });
});
