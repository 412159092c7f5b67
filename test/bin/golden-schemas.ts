// Every schema of the golden vectors, each once: what Rust types look like.
import { readdirSync, readFileSync } from "node:fs";
import { type Schema, schemaFromJSON } from "../../src/schema.js";
import { planVectors } from "../codec/plan-vectors.js";

const TYPES = new URL("../golden/types/", import.meta.url);

interface Named {
  name: string;
  schema: Schema<unknown>;
}

const fromTypes = readdirSync(TYPES).flatMap((file): Named[] => {
  const rows = JSON.parse(readFileSync(new URL(file, TYPES), "utf8")) as { name: string; schema: unknown }[];
  return rows.map(({ name, schema }) => ({ name: `${file}: ${name}`, schema: schemaFromJSON(schema) }));
});

const fromPlans = planVectors.flatMap(({ file, name, writer, reader }): Named[] => [
  { name: `${file}: ${name} (writer)`, schema: writer },
  { name: `${file}: ${name} (reader)`, schema: reader },
]);

export const goldenSchemas: Named[] = [
  ...new Map([...fromTypes, ...fromPlans].map((named) => [JSON.stringify(named.schema), named])).values(),
];
