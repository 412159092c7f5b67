// Message plans: what can be found when they are built. What they read is in plan-read.test.ts.
import { describe, expect, it } from "vitest";
import { buildPlan } from "../../src/codec/plan.js";
import type { ConduitError } from "../../src/errors.js";
import * as s from "../../src/schema.js";
import { type PlanVector, planVectors } from "./plan-vectors.js";

/** How the errors of the reference are called here. */
const KINDS: Record<string, RegExp> = {
  NameMismatch: /type name differs \(writer: .+, reader: .+\)$/,
  KindMismatch: /kind of type differs \(writer: .+, reader: .+\)$/,
  MissingRequiredField: /required field ".+" is missing \(writer: .+; reader: .+\)$/,
  TupleLengthMismatch: /tuple length differs \(writer: tuple<.*>, reader: tuple<.*>\)$/,
  ArrayLengthMismatch: /array length differs \(writer: array<.*>, reader: array<.*>\)$/,
  IncompatibleVariantPayload: /kind of variant payload differs \(writer: \w+, reader: \w+\)$/,
};

function refusalOf(build: () => unknown): ConduitError {
  try {
    build();
  } catch (error) {
    expect(error).toMatchObject({ name: "ConduitError", code: "CONDUIT_SCHEMA" });
    return error as ConduitError;
  }
  throw new Error("the plan was built");
}

describe("plans of the reference's vectors", () => {
  const title = ({ file, name, why }: PlanVector) =>
    `${file}: ${name}${why === null ? "" : " (unlike the reference)"}`;

  it("there are at least 40 pairs, with every error kind of the reference and our own", () => {
    expect(planVectors.length).toBeGreaterThanOrEqual(90);
    const kinds = planVectors.flatMap(({ plan }) => (plan === "ok" ? [] : [plan.error]));
    expect(new Set(kinds)).toEqual(new Set(Object.keys(KINDS)));
  });

  for (const vector of planVectors) {
    const { writer, reader, plan } = vector;
    if (plan === "ok") {
      it(`${title(vector)}: can be built`, () => {
        const built = buildPlan(writer, reader);
        expect(built.identity).toBe(
          s.fingerprint(writer) === s.fingerprint(reader) || /^a (set|list) read as/.test(vector.name),
        );
      });
    } else {
      it(`${title(vector)}: ${plan.error}`, () => {
        const { message } = refusalOf(() => buildPlan(writer, reader));
        expect(message).toMatch(KINDS[plan.error]);
        // The reference names fields, variants and places in tuples; we name the rest as well, and the root.
        const path = message.slice(0, message.indexOf(": ")).replace(/\?|\[\]|\{key\}|\{value\}|<\w+>/g, "");
        expect(path.replace(/^\w+/, "")).toBe(plan.path.replaceAll("::", "."));
      });
    }
  }
});

describe("buildPlan", () => {
  const Line = s.struct("Line", { sku: s.string, price: s.u32 });

  it("says where two versions do not fit, with both types", () => {
    const NewLine = s.struct("Line", { sku: s.string, price: s.u64 });
    const of = (line: s.AnySchema) =>
      s.struct("Order", { lines: s.map(s.u8, s.list(s.option(s.tuple(s.bool, line)))) });
    expect(refusalOf(() => buildPlan(of(Line), of(NewLine))).message).toBe(
      "Order.lines{value}[]?.1.price: kind of type differs (writer: u32, reader: u64)",
    );
    expect(refusalOf(() => buildPlan(s.list(Line), s.list(NewLine))).message).toBe(
      "<list>[].price: kind of type differs (writer: u32, reader: u64)",
    );
  });

  it("says which required field is missing and what the writer has instead", () => {
    const writer = s.struct("User", { id: s.u64, mail: s.string });
    const reader = s.struct("User", { id: s.u64, email: s.option(s.list(s.string)) });
    expect(refusalOf(() => buildPlan(writer, reader)).message).toBe(
      'User: required field "email" is missing (writer: id, mail; reader: option<list<string>>)',
    );
  });

  it("blames whom the caller says, and is not fatal by itself", () => {
    expect(refusalOf(() => buildPlan(s.u8, s.u16))).toMatchObject({ blame: "local", fatal: false });
    expect(refusalOf(() => buildPlan(s.u8, s.u16, "peer"))).toMatchObject({ blame: "peer", fatal: false });
  });

  it("what only one side sees does not matter: asNumber(), tags, defaults, sets and byte strings as lists", () => {
    const writer = s.struct("M", {
      a: s.u64,
      b: s.enumOf("E", { A: s.u8, B: null }),
      c: s.list(s.u32),
      d: s.list(s.u8),
      e: s.bytes,
      f: s.set(s.string),
    });
    const reader = s.struct("M", {
      a: s.asNumber(s.u64),
      b: s.enumOf("E", { A: s.u8, B: null }, { tag: "kind" }),
      c: s.withDefault(s.set(s.u32), new Set([1])),
      d: s.bytes,
      e: s.list(s.u8),
      f: s.list(s.string),
    });
    expect(buildPlan(writer, reader).identity).toBe(true);
    expect(buildPlan(reader, writer).identity).toBe(true);
  });

  it("another order, another field or another variant anywhere is no identity", () => {
    const inner = (fields: s.Fields) =>
      s.struct("Outer", { list: s.list(s.option(s.struct("Inner", fields))) });
    const ab = inner({ a: s.u8, b: s.u8 });
    expect(buildPlan(ab, inner({ a: s.u8, b: s.u8 })).identity).toBe(true);
    expect(buildPlan(ab, inner({ b: s.u8, a: s.u8 })).identity).toBe(false);
    expect(buildPlan(ab, inner({ a: s.u8 })).identity).toBe(false);
    expect(buildPlan(ab, inner({ a: s.u8, b: s.u8, c: s.withDefault(s.u8, 1) })).identity).toBe(false);
    const E = (...names: string[]) => s.enumOf("E", names);
    expect(buildPlan(E("A", "B"), E("A", "B")).identity).toBe(true);
    // The reader's codec would take the index of a variant that this writer cannot have written.
    expect(buildPlan(E("A", "B"), E("A", "B", "C")).identity).toBe(false);
    expect(buildPlan(E("A", "B"), E("B", "A")).identity).toBe(false);
  });

  it("what is identical within a plan is read as if there were none", () => {
    const writer = s.struct("M", { x: s.u8, line: Line, kind: s.enumOf("K", { A: Line, B: null }) });
    const reader = s.struct("M", { line: Line, kind: s.enumOf("K", { A: Line, B: null }) });
    const { reading } = buildPlan(writer, reader);
    const fields = reading.kind === "struct" ? reading.fields : [];
    expect(fields.map(({ type }) => ({ ...type, units: undefined }))).toEqual([
      { kind: "u8" },
      Line.node,
      reader.node.kind === "struct" && reader.node.fields[1].type,
    ]);
  });

  interface Tree {
    value: number;
    children: Tree[];
  }
  const Tree = s.recursive<Tree>("Tree", (tree) =>
    s.struct("Tree", { value: s.u32, children: s.list(tree) }),
  );

  it("ends for recursive types, and sees that two are the same", () => {
    const again = s.recursive<Tree>("Tree", (tree) =>
      s.struct("Tree", { value: s.u32, children: s.list(tree) }),
    );
    expect(buildPlan(Tree, again).identity).toBe(true);
  });

  it("ends for a recursive type whose reader has written one turn of it out", () => {
    const unrolled = s.struct("Tree", { value: s.u32, children: s.list(Tree) });
    expect(buildPlan(Tree, unrolled).identity).toBe(true);
    expect(buildPlan(unrolled, Tree).identity).toBe(true);
  });

  it("ends for types within one another whose recursion begins elsewhere", () => {
    interface A {
      b: { a: A[] };
    }
    const ab = s.recursive<A>("A", (a) => s.struct("A", { b: s.struct("B", { a: s.list(a) }) }));
    const ba = s.struct("A", {
      b: s.recursive<A["b"]>("B", (b) => s.struct("B", { a: s.list(s.struct("A", { b })) })),
    });
    expect(buildPlan(ab, ba).identity).toBe(true);
    const changed = s.struct("A", {
      b: s.recursive<A["b"]>("B", (b) =>
        s.struct("B", { a: s.list(s.struct("A", { c: s.bool, b }) as s.AnySchema) }),
      ),
    });
    expect(refusalOf(() => buildPlan(ab, changed)).message).toMatch(
      /^A\.b\.a\[\]: required field "c" is missing/,
    );
  });

  it("finds what does not fit in a recursive type", () => {
    const other = s.recursive<s.Infer<s.AnySchema>>("Tree", (tree) =>
      s.struct("Tree", { children: s.list(tree), value: s.string }),
    );
    expect(refusalOf(() => buildPlan(Tree, other)).message).toBe(
      "Tree.value: kind of type differs (writer: u32, reader: string)",
    );
  });

  it("bounds the plan: each unknown recursive field is written out once more", () => {
    const field = (i: number) => ({
      name: `f${i}`,
      type: { kind: "option", element: { kind: "ref", name: "T" } },
    });
    const fields = Array.from({ length: 1_000 }, (_, i) => field(i));
    const writer = s.schemaFromJSON({ kind: "struct", name: "T", fields });
    const reader = s.struct("T", {});
    expect(refusalOf(() => buildPlan(writer, reader, "peer"))).toMatchObject({
      message: expect.stringMatching(/more than 65536 types in one plan$/),
      blame: "peer",
    });
    const few = s.schemaFromJSON({ kind: "struct", name: "T", fields: fields.slice(0, 100) });
    expect(buildPlan(few, reader).identity).toBe(false);
  });
});
