// Schemas as TypeScript modules: they typecheck, and their schema is the one that they were made of.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toTypeScript } from "../../src/bin/emit-typescript.js";
import * as s from "../../src/schema.js";
import { randomNode } from "../codec/random-schema.js";
import { Random, seeds } from "../wasm/random.js";
import { goldenSchemas } from "./golden-schemas.js";

const SOURCE = resolve("src/schema.js");
const [seed] = seeds(1);
const RANDOM = 80;

const folder = mkdtempSync(join(tmpdir(), "emitted-"));
afterAll(() => rmSync(folder, { recursive: true }));

const random = new Random(seed);
const schemas: { name: string; schema: s.Schema<unknown> }[] = [
  ...goldenSchemas,
  ...Array.from({ length: RANDOM }, (_, i) => ({
    name: `random ${i}`,
    schema: s.schemaFromJSON(randomNode(random)),
  })),
];
const files = schemas.map((_, i) => join(folder, `schema${i}.ts`));

describe(`TypeScript of ${schemas.length} schemas (SEED=${seed})`, () => {
  beforeAll(() => {
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    schemas.forEach(({ schema }, i) => {
      // As in a project of its own, but with this source in place of the installed package.
      writeFileSync(files[i], toTypeScript(schema).replace("stable-conduit/schema", SOURCE));
    });
  });

  it("typechecks", () => {
    const { options } = ts.parseJsonConfigFileContent(
      ts.readConfigFile("tsconfig.json", ts.sys.readFile).config,
      ts.sys,
      ".",
    );
    const program = ts.createProgram(files, { ...options, noUnusedLocals: true });
    const problems = ts.getPreEmitDiagnostics(program).map((diagnostic) => {
      const where =
        schemas[files.indexOf(diagnostic.file?.fileName ?? "")]?.name ?? diagnostic.file?.fileName;
      return `${where}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n")}`;
    });
    expect(problems).toEqual([]);
  });

  it("exports the schema that it was made of", async () => {
    for (const [i, { name, schema }] of schemas.entries()) {
      const { default: again } = (await import(files[i])) as { default: s.Schema<unknown> };
      expect(JSON.parse(JSON.stringify(again)), name).toEqual(JSON.parse(JSON.stringify(schema)));
    }
  });
});

it("is a module that a person could have written", () => {
  const schema = s.recursive<s.Infer<s.AnySchema>>("Folder", (folder) =>
    s.struct("Folder", {
      name: s.string,
      color: s.withDefault(s.option(s.enumOf("Color", ["Red", "Blue"])), "Red"),
      entries: s.list(
        s.enumOf("Entry", { File: { size: s.u64, hidden: s.withDefault(s.bool, false) }, Sub: folder }),
      ),
    }),
  );
  expect(toTypeScript(schema)).toBe(`// Made by stable-conduit-schema. Fingerprint ${s.fingerprint(schema)}.
import {
  type Schema,
  bool,
  enumOf,
  list,
  option,
  recursive,
  string,
  struct,
  u64,
  withDefault,
} from "stable-conduit/schema";

export type Color = "Red" | "Blue";
export const Color: Schema<Color> = enumOf("Color", ["Red", "Blue"]);

export type Entry =
  | { type: "File"; size: bigint; hidden: boolean }
  | { type: "Sub"; value: Folder };

export interface Folder {
  name: string;
  color?: Color | undefined;
  entries: Entry[];
}
export const Folder: Schema<Folder> = recursive<Folder>("Folder", (folder) => struct("Folder", {
  name: string,
  color: withDefault(option(Color), "Red"),
  entries: list(enumOf("Entry", {
    File: { size: u64, hidden: withDefault(bool, false) },
    Sub: folder,
  })),
}));

export default Folder;
`);
});
