#!/usr/bin/env node
// The command stable-conduit-schema: a schema's JSON as TypeScript or Rust, and back to JSON from a module.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire, register } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fingerprint } from "../codec/fingerprint.js";
import type { Schema } from "../codec/schema.js";
import { schemaFromJSON } from "../codec/schema-json.js";
import { ConduitError } from "../errors.js";
import { toRust } from "./emit-rust.js";
import { toTypeScript } from "./emit-typescript.js";

const USAGE = `usage: stable-conduit-schema typescript <schema.json> [--name Message] [--out file]
       stable-conduit-schema rust <schema.json> [--name Message] [--out file]
       stable-conduit-schema json <module> [--export name] [--out file]
       stable-conduit-schema fingerprint <schema.json>

typescript   a module with the schema's types and the schema in combinators
rust         a module of #[derive(Facet)] types
json         the JSON form of a schema that a module exports: by default its default export, or its only schema
fingerprint  what two sides compare

<schema.json> may be - for standard input. --name: of a schema that is no struct or enum.
A TypeScript module is loaded with the compiler of its project, or by Node itself, from 22.18 on.
`;

/** What the command line names is not there, or not what it should be. */
class CommandError extends Error {}
/** The command line itself is wrong. */
class UsageError extends CommandError {}

interface Arguments {
  command: string;
  input: string;
  options: Partial<Record<string, string>>;
}

const OPTIONS: Record<string, readonly string[]> = {
  typescript: ["name", "out"],
  rust: ["name", "out"],
  json: ["export", "out"],
  fingerprint: ["out"],
};

function parse(words: readonly string[]): Arguments {
  const [command, ...rest] = words;
  const allowed = OPTIONS[command];
  if (allowed === undefined)
    throw new UsageError(command === undefined ? "no command" : `no command "${command}"`);
  const inputs: string[] = [];
  const options: Partial<Record<string, string>> = {};
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i];
    if (!word.startsWith("--")) inputs.push(word);
    else {
      const name = word.slice(2);
      if (!allowed.includes(name)) throw new UsageError(`${command} has no option ${word}`);
      const value = rest[++i];
      if (value === undefined) throw new UsageError(`${word} needs a value`);
      options[name] = value;
    }
  }
  if (inputs.length !== 1) throw new UsageError(`${command} takes one input, got ${inputs.length}`);
  return { command, input: inputs[0], options };
}

async function run({ command, input, options }: Arguments): Promise<string> {
  switch (command) {
    case "typescript":
      return toTypeScript(schemaIn(input), options.name);
    case "rust":
      return toRust(schemaIn(input), options.name);
    case "fingerprint":
      return `${fingerprint(schemaIn(input))}\n`;
    default: {
      const schema = exported((await load(input)) as Record<string, unknown>, input, options.export);
      return `${JSON.stringify(schema, null, 2)}\n`;
    }
  }
}

function schemaIn(file: string): Schema<unknown> {
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
  try {
    return schemaFromJSON(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) throw new CommandError(`${file}: ${error.message}`);
    throw error;
  }
}

async function load(file: string): Promise<unknown> {
  if (/\.json$/.test(file)) {
    throw new CommandError(
      `${file}: this command makes JSON, from a JavaScript or TypeScript module that exports a schema`,
    );
  }
  const url = pathToFileURL(resolve(file)).href;
  if (/\.[cm]?ts$/.test(file)) loadTypeScript(url);
  try {
    return await import(url);
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_UNKNOWN_FILE_EXTENSION") {
      throw new CommandError(`${file}: needs typescript in its project, or Node 22.18`);
    }
    throw new CommandError(`${file}: ${(error as Error).message}`);
  }
}

function loadTypeScript(url: string): void {
  let compiler: string;
  try {
    compiler = createRequire(url).resolve("typescript");
  } catch {
    return; // Node may know how.
  }
  register("./typescript-loader.js", import.meta.url, { data: { url: pathToFileURL(compiler).href } });
}

function exported(module: Record<string, unknown>, file: string, name: string | undefined): Schema<unknown> {
  if (name !== undefined) {
    if (!isSchema(module[name])) throw new CommandError(`${file} exports no schema "${name}"`);
    return schemaFromJSON(module[name].toJSON());
  }
  if (isSchema(module.default)) return schemaFromJSON(module.default.toJSON());
  const schemas = Object.entries(module).filter(([, value]) => isSchema(value));
  if (schemas.length !== 1) {
    const names = schemas.map(([found]) => found).join(", ") || "none";
    throw new CommandError(`${file} has no schema as default export: choose one with --export (${names})`);
  }
  return schemaFromJSON((schemas[0][1] as Schema<unknown>).toJSON());
}

/** By its form: the module may have another copy of this package. */
function isSchema(value: unknown): value is Schema<unknown> {
  if (typeof value !== "object" || value === null || !("node" in value)) return false;
  return "toJSON" in value && typeof value.toJSON === "function";
}

try {
  const parsed = parse(process.argv.slice(2));
  const text = await run(parsed);
  if (parsed.options.out === undefined) process.stdout.write(text);
  else writeFileSync(parsed.options.out, text);
} catch (error) {
  if (!(error instanceof CommandError) && !(error instanceof ConduitError)) throw error;
  process.stderr.write(`stable-conduit-schema: ${error.message}\n`);
  if (error instanceof UsageError) process.stderr.write(`\n${USAGE}`);
  process.exitCode = 1;
}
