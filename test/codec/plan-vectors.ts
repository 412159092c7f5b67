// The vectors of test/golden/plans: pairs of versions, and what the reference makes of them.
import { readdirSync, readFileSync } from "node:fs";
import { type Json, type Schema, schemaFromJSON } from "../../src/schema.js";

const FOLDER = new URL("../golden/plans/", import.meta.url);

/** A reader's value in JSON, and how the reader's type writes it. */
export interface ReadValue {
  value: Json;
  bytes: string;
}
export interface Refusal {
  error: string;
  /** Steps of fields, variants and tuples only. */
  path: string;
}
export type Verdict = "ok" | "crash" | Refusal;

export interface PlanVector {
  file: string;
  name: string;
  writer: Schema<unknown>;
  reader: Schema<unknown>;
  items: { written: Json; bytes: string; read: ReadValue | null }[];
  plan: "ok" | Refusal;
  /** The reference does something else, and this is why that is wrong. */
  why: string | null;
}

interface Row {
  name: string;
  writer: Json;
  reader: Json;
  plan: Verdict;
  items: { written: Json; bytes: string; read?: ReadValue; error?: string }[];
  why?: string;
  ours?: { plan: "ok" | Refusal; read?: ReadValue[] };
}

/** What we have to do: what the reference does, or `ours` where it says why not. */
export const planVectors: PlanVector[] = readdirSync(FOLDER).flatMap((file) => {
  const rows = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Row[];
  return rows.map(({ name, writer, reader, plan, items, why, ours }): PlanVector => {
    const verdict = ours?.plan ?? plan;
    if (verdict === "crash") throw new Error(`${name}: a crash is no expectation`);
    return {
      file,
      name,
      writer: schemaFromJSON(writer),
      reader: schemaFromJSON(reader),
      items: items.map(({ written, bytes, read }, i) => ({
        written,
        bytes,
        read: (ours === undefined ? read : ours.read?.[i]) ?? null,
      })),
      plan: verdict,
      why: why ?? null,
    };
  });
});
