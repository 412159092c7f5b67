// Schemas as Rust modules: they compile, and reflection finds the schema that they were made of.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { toRust } from "../../src/bin/emit-rust.js";
import * as s from "../../src/schema.js";
import { goldenSchemas } from "../bin/golden-schemas.js";

const CRATE = fileURLToPath(new URL("./rust-peer", import.meta.url));

/** What the golden vectors have none of. */
const Ordered = s.struct("Ordered", {
  level: s.enumOf("Level", ["Low", "High"]),
  parts: s.list(s.tuple(s.u8, s.string)),
});
const handmade: s.AnySchema[] = [
  s.struct("Keywords", { type: s.u8, match: s.string, fn: s.option(s.bool), r: s.unit }),
  s.struct("Keys", { set: s.set(Ordered), map: s.map(Ordered, s.f64), nested: s.set(s.set(s.char)) }),
  s.struct("Defaults", {
    quotes: s.withDefault(s.string, "\"\\\n\u{7f}'é🦀"),
    quote: s.withDefault(s.char, "'"),
    newline: s.withDefault(s.char, "\n"),
    floats: s.withDefault(s.list(s.f32), [0, -0, 1.5, Number.NaN, Infinity, -Infinity, Math.fround(1e-20)]),
    double: s.withDefault(s.f64, 5e-324),
    large: s.withDefault(s.f64, 1e300),
    wide: s.withDefault(s.u128, 2n ** 128n - 1n),
    low: s.withDefault(s.i128, -(2n ** 127n)),
    lowest: s.withDefault(s.i64, -(2n ** 63n)),
    narrow: s.withDefault(s.i8, -128),
    bytes: s.withDefault(s.bytes, Uint8Array.of(0, 255)),
    empty: s.withDefault(s.bytes, Uint8Array.of()),
    nested: s.withDefault(s.option(s.option(s.u8)), { some: undefined }),
    array: s.withDefault(s.array(s.u16, 2), [1, 65_535]),
    pair: s.withDefault(s.tuple(s.bool, s.unit), [true, null]),
    map: s.withDefault(s.map(s.string, s.set(s.i16)), new Map([["k", new Set([-1, 2])]])),
    none: s.withDefault(s.map(s.u8, s.u8), new Map()),
    ordered: s.withDefault(Ordered, { level: "High", parts: [[1, "a"]] }),
    event: s.withDefault(
      s.enumOf("Event", { Quit: null, Key: s.char, Move: [s.i32, s.i32], Size: { w: s.u8 }, Bare: {} }),
      { type: "Size", w: 3 },
    ),
    moved: s.withDefault(s.enumOf("Way", { Key: s.char, Move: [s.i32, s.i32] }), {
      type: "Move",
      value: [-1, 2],
    }),
  }),
  // Names that Rust's prelude has, or that Rust has none of.
  ...["Result", "Ok", "Some", "None", "Clone", "Default", "Iterator", "Send", "Into", "core", "alloc"].map(
    (name) =>
      s.struct("Uses", {
        own: s.list(
          s.struct(name, { text: s.withDefault(s.string, "a"), list: s.withDefault(s.list(s.u16), [1]) }),
        ),
        option: s.withDefault(s.option(s.u8), undefined),
        variants: s.enumOf("Variants", {
          Some: s.u8,
          None: null,
          Ok: [s.u8, s.bool],
          Vec: { String: s.string },
        }),
      }),
  ),
  s.struct("Sent", {
    envelopes: s.list(s.struct("Envelope", { body: s.payload })),
    events: s.option(s.enumOf("Raw", { None: null, Some: s.payload })),
  }),
  s.list(s.option(s.payload)),
  s.recursive<s.Infer<s.AnySchema>>("Frame", (frame) =>
    s.struct("Frame", { body: s.payload, pair: s.option(s.tuple(frame, s.array(s.option(frame), 2))) }),
  ),
  s.recursive<s.Infer<s.AnySchema>>("Ast", (ast) =>
    s.enumOf("Ast", {
      Leaf: s.u8,
      Both: [ast, ast],
      Named: { all: s.map(s.string, ast), first: s.withDefault(s.option(ast), undefined) },
    }),
  ),
];

it("the Rust module of a schema compiles, and its types are that schema", { timeout: 300_000 }, () => {
  const schemas = [...goldenSchemas, ...handmade.map((schema, i) => ({ name: `handmade ${i}`, schema }))];
  const folder = mkdtempSync(join(tmpdir(), "emitted-rust-"));
  try {
    mkdirSync(join(folder, "src"));
    // The crate of the vectors in all but its source: what it needs is built already.
    const renamed = (file: string) =>
      readFileSync(file, "utf8").replace('name = "vectors"', 'name = "emitted"');
    const profile = "\n[workspace]\n[profile.release.package.emitted]\nopt-level = 0\n";
    writeFileSync(join(folder, "Cargo.toml"), renamed(join(CRATE, "vectors/Cargo.toml")) + profile);
    writeFileSync(join(folder, "Cargo.lock"), renamed(join(CRATE, "Cargo.lock")));
    writeFileSync(join(folder, "src/main.rs"), program(schemas.map(({ schema }) => schema)));
    const env = { ...process.env, CARGO_TARGET_DIR: join(CRATE, "target") };
    const cargo = ["run", "--release", "--quiet", "--manifest-path", join(folder, "Cargo.toml")];
    const { status, stdout, stderr } = spawnSync("cargo", cargo, {
      encoding: "utf8",
      env,
      maxBuffer: 64 << 20,
    });
    expect(status, stderr).toBe(0);
    const found = stdout
      .trim()
      .split("\n")
      .map((line) => s.schemaFromJSON(JSON.parse(line)));
    expect(found.length).toBe(schemas.length);
    for (const [i, { name, schema }] of schemas.entries()) {
      expect(JSON.parse(JSON.stringify(found[i])), name).toEqual(JSON.parse(JSON.stringify(schema)));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Each schema in a module of its own; the program prints what reflection makes of them, one a line. */
function program(schemas: readonly s.Schema<unknown>[]): string {
  const part = (name: string) => `#[path = "${join(CRATE, "vectors/src", `${name}.rs`)}"]\nmod ${name};\n`;
  const modules = schemas.map((schema, i) => `mod s${i} {\n${toRust(schema)}}\n`);
  const lines = schemas.map((schema, i) => {
    const { node } = schema;
    const root = node.kind === "struct" || node.kind === "enum" ? node.name : "Message";
    const life = new RegExp(`(struct|enum|type) ${root}<'a>`).test(modules[i]) ? "<'static>" : "";
    return `println!("{}", schema::schema_json(<s${i}::${root}${life} as facet::Facet>::SHAPE).compact());\n`;
  });
  return `#![allow(dead_code, unused_imports)]
${["golden", "json", "schema", "value"].map(part).join("")}
${modules.join("")}
fn main() {
${lines.join("")}}
`;
}
