// Schemas: the types that follow from them, their JSON form, their fingerprint, and what is refused.
import { createHash } from "node:crypto";
import { describe, expect, expectTypeOf, it } from "vitest";
import { canonicalForm, fingerprint } from "../../src/codec/fingerprint.js";
import { valueFromJSON, valueToJSON } from "../../src/codec/json-value.js";
import {
  type AnySchema,
  array,
  asNumber,
  bool,
  bytes,
  char,
  enumOf,
  f32,
  f64,
  type Infer,
  i8,
  i64,
  i128,
  list,
  map,
  option,
  payload,
  recursive,
  type Schema,
  set,
  string,
  struct,
  tuple,
  u8,
  u16,
  u32,
  u64,
  type u128,
  unit,
  withDefault,
} from "../../src/codec/schema.js";
import { schemaFromJSON } from "../../src/codec/schema-json.js";
import { sha256 } from "../../src/codec/sha256.js";
import { ConduitError } from "../../src/errors.js";

const Color = enumOf("Color", ["Red", "Green", "Blue"]);
const Shape = enumOf("Shape", {
  Empty: null,
  Circle: f64,
  Rect: [f64, f64],
  Move: { x: u32, note: option(string) },
});
interface Tree {
  value: number;
  children: Tree[];
}
const Tree = recursive<Tree>("Tree", (tree) => struct("Tree", { value: u32, children: list(tree) }));
const Player = struct("Player", {
  id: u64,
  seen: asNumber(u64),
  name: withDefault(string, "anon"),
  color: Color,
  shape: option(Shape),
  tree: Tree,
  scores: map(string, list(u16)),
  flags: set(char),
  spot: tuple(f32, f32),
  grid: array(bool, 3),
  raw: bytes,
  opaque: payload,
  nothing: unit,
});

function schemaErrorOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(ConduitError);
    expect((error as ConduitError).code).toBe("CONDUIT_SCHEMA");
    return (error as ConduitError).message;
  }
  throw new Error("nothing was thrown");
}

describe("the type of a schema's values", () => {
  it("is exact for scalars and containers", () => {
    expectTypeOf<Infer<typeof u32>>().toEqualTypeOf<number>();
    expectTypeOf<Infer<typeof u128>>().toEqualTypeOf<bigint>();
    expectTypeOf<Infer<typeof unit>>().toEqualTypeOf<null>();
    const scores = map(string, list(u16));
    expectTypeOf<Infer<typeof scores>>().toEqualTypeOf<Map<string, number[]>>();
    const pair = tuple(u8, string);
    expectTypeOf<Infer<typeof pair>>().toEqualTypeOf<[number, string]>();
    const seen = asNumber(i64);
    expectTypeOf<Infer<typeof seen>>().toEqualTypeOf<number>();
    const blobs = set(bytes);
    expectTypeOf<Infer<typeof blobs>>().toEqualTypeOf<Set<Uint8Array>>();
  });

  it("is T or undefined for an option, and boxed where that would not tell none from some(none)", () => {
    const one = option(u8);
    expectTypeOf<Infer<typeof one>>().toEqualTypeOf<number | undefined>();
    const two = option(option(u8));
    expectTypeOf<Infer<typeof two>>().toEqualTypeOf<{ some: number | undefined } | undefined>();
    const nothing = option(unit);
    expectTypeOf<Infer<typeof nothing>>().toEqualTypeOf<null | undefined>();
  });

  it("is a union of names, or a discriminated union, for an enum", () => {
    expectTypeOf<Infer<typeof Color>>().toEqualTypeOf<"Red" | "Green" | "Blue">();
    const units = enumOf("Units", { A: null, B: null });
    expectTypeOf<Infer<typeof units>>().toEqualTypeOf<"A" | "B">();
    expectTypeOf<Infer<typeof Shape>>().toEqualTypeOf<
      | { type: "Empty" }
      | { type: "Circle"; value: number }
      | { type: "Rect"; value: [number, number] }
      | { type: "Move"; x: number; note?: string | undefined }
    >();
    const Tagged = enumOf("Tagged", { A: { type: u8 }, B: null }, { tag: "kind" });
    expectTypeOf<Infer<typeof Tagged>>().toEqualTypeOf<{ kind: "A"; type: number } | { kind: "B" }>();
  });

  it("is an object for a struct, whose optional fields may be left out", () => {
    expectTypeOf<Infer<typeof Tree>>().toEqualTypeOf<Tree>();
    type Expected = {
      id: bigint;
      seen: number;
      name: string;
      color: "Red" | "Green" | "Blue";
      shape?: Infer<typeof Shape> | undefined;
      tree: Tree;
      scores: Map<string, number[]>;
      flags: Set<string>;
      spot: [number, number];
      grid: boolean[];
      raw: Uint8Array;
      opaque: Uint8Array;
      nothing: null;
    };
    expectTypeOf<Infer<typeof Player>>().toEqualTypeOf<Expected>();
    const shape: Infer<typeof Shape> = { type: "Move", x: 1 };
    expect(shape).toBeDefined();
  });

  it("does not convert: a schema of a subtype is not a schema of its supertype", () => {
    expectTypeOf<Schema<"a">>().not.toExtend<Schema<string>>();
    expectTypeOf<Schema<string>>().not.toExtend<Schema<"a">>();
    // @ts-expect-error An array of schemas is not a schema.
    schemaErrorOf(() => list([u8]));
    // @ts-expect-error Not a wide integer.
    schemaErrorOf(() => asNumber(u32));
    // @ts-expect-error The default is not of the type.
    schemaErrorOf(() => withDefault(u32, "1"));
  });
});

describe("a schema as plain data", () => {
  it("is JSON and back, with one fingerprint", () => {
    const again = schemaFromJSON(JSON.parse(JSON.stringify(Player)));
    expect(again.node).toEqual(Player.node);
    expect(fingerprint(again)).toBe(fingerprint(Player));
  });

  it("is frozen, inside too", () => {
    const node = schemaFromJSON(Player.toJSON()).node as unknown as {
      fields: { name: string }[];
    };
    expect(() => {
      node.fields[0].name = "other";
    }).toThrow(TypeError);
    expect(() => node.fields.pop()).toThrow(TypeError);
  });

  it("names recursion by the enclosing type", () => {
    expect(Tree.toJSON()).toEqual({
      kind: "struct",
      name: "Tree",
      fields: [
        { name: "value", type: { kind: "u32" } },
        { name: "children", type: { kind: "list", element: { kind: "ref", name: "Tree" } } },
      ],
    });
  });

  it("drops what it does not know of a JSON form", () => {
    expect(schemaFromJSON({ kind: "u8", doc: "level" }).node).toEqual({ kind: "u8" });
  });

  const struct1 = (...fields: unknown[]) => ({ kind: "struct", name: "S", fields });
  const enum1 = (...variants: unknown[]) => ({ kind: "enum", name: "E", variants });
  const cyclic: Record<string, unknown> = { kind: "list" };
  cyclic.element = cyclic;
  const wide = { kind: "tuple", elements: new Array(16_385).fill({ kind: "u8" }) };
  let deep: unknown = { kind: "u8" };
  for (let i = 0; i < 100_000; i++) deep = { kind: "list", element: deep };
  let bushy: unknown = { kind: "u8" };
  for (let i = 0; i < 40; i++) bushy = { kind: "tuple", elements: [bushy, bushy] };

  it.each<[string, unknown, RegExp]>([
    ["null", null, /^schema: expected an object/],
    ["an array", [], /expected an object/],
    ["an unknown kind", { kind: "u24" }, /^schema.kind: no such kind/],
    ["an inherited kind", Object.create({ kind: "u8" }), /no such kind/],
    ["a missing element", { kind: "list" }, /^schema.element: expected an object/],
    ["a negative length", { kind: "array", element: { kind: "u8" }, length: -1 }, /^schema.length/],
    ["a length beyond the limit", { kind: "array", element: { kind: "u8" }, length: 1e9 }, /^schema.length/],
    ["a nameless struct", { kind: "struct", name: "", fields: [] }, /^schema.name/],
    [
      "fields that are no list",
      { kind: "struct", name: "S", fields: {} },
      /^schema.fields: expected an array/,
    ],
    [
      "two fields of one name",
      struct1({ name: "a", type: { kind: "u8" } }, { name: "a", type: { kind: "u8" } }),
      /fields\[1\]: two/,
    ],
    ["a field named __proto__", struct1({ name: "__proto__", type: { kind: "u8" } }), /cannot be a name/],
    ["a field named like an index", struct1({ name: "0", type: { kind: "u8" } }), /cannot be a name/],
    [
      "a default of another type",
      struct1({ name: "a", type: { kind: "u8" }, default: 256 }),
      /^S\.a: default: expected from 0/,
    ],
    ["an enum without variants", enum1(), /at least one variant/],
    [
      "two variants of one name",
      enum1({ name: "A", payload: { kind: "unit" } }, { name: "A", payload: { kind: "unit" } }),
      /two variants/,
    ],
    ["an unknown payload", enum1({ name: "A", payload: { kind: "blob" } }), /variants\[0\].payload.kind/],
    [
      "a field named like the tag",
      enum1({ name: "A", payload: { kind: "struct", fields: [{ name: "type", type: { kind: "u8" } }] } }),
      /tag "type"/,
    ],
    ["an unknown representation", { kind: "u64", as: "string" }, /^schema.as/],
    ["a ref to nothing", { kind: "list", element: { kind: "ref", name: "Nobody" } }, /no enclosing type/],
    ["a cycle", cyclic, /nested deeper/],
    ["100,000 levels", deep, /nested deeper/],
    ["2^40 types in 41 objects", bushy, /more than 16384 types/],
    ["too many types", wide, /more than 16384/],
  ])("refuses %s", (_, json, message) => {
    expect(schemaErrorOf(() => schemaFromJSON(json, "peer"))).toMatch(message);
  });

  it("blames the side that the caller names", () => {
    try {
      schemaFromJSON(null, "peer");
    } catch (error) {
      expect((error as ConduitError).blame).toBe("peer");
    }
    expect.assertions(1);
  });
});

describe("combinators", () => {
  it("refuse names that objects cannot hold in order", () => {
    expect(schemaErrorOf(() => struct("S", { "7": u8 }))).toMatch(/cannot be a name/);
    expect(schemaErrorOf(() => struct("S", { ["__proto__"]: u8 }))).toMatch(/cannot be a name/);
    expect(schemaErrorOf(() => struct("", {}))).toMatch(/1 to 256/);
    expect(schemaErrorOf(() => enumOf("E", []))).toMatch(/at least one/);
    expect(schemaErrorOf(() => enumOf("E", ["A", "A"]))).toMatch(/two variants/);
  });

  it("refuse a recursive type that another type of its name hides", () => {
    const build = (self: Schema<unknown>) =>
      struct("Node", { inner: struct("Node", { next: option(self) }) }) as unknown as Schema<unknown>;
    expect(schemaErrorOf(() => recursive("Node", build))).toMatch(/another type named Node/);
    expect(schemaErrorOf(() => recursive("A", () => struct("B", {}) as unknown as Schema<unknown>))).toMatch(
      /build\(\)/,
    );
  });

  it("allow two types of one name beside and inside each other", () => {
    const inner = struct("Wrapper", { value: u8 });
    const outer = struct("Wrapper", { value: inner, tree: Tree });
    expect(schemaFromJSON(JSON.parse(JSON.stringify(outer))).node).toEqual(outer.node);
  });

  it("refuse a schema without bound size", () => {
    let schema: Schema<unknown> = u8 as unknown as Schema<unknown>;
    const grow = () => {
      for (let i = 0; i < 40; i++) schema = tuple(schema, schema) as unknown as Schema<unknown>;
    };
    expect(schemaErrorOf(grow)).toMatch(/more than/);
  });
});

describe("a fingerprint", () => {
  it("is written down: versions of this package agree", () => {
    expect(canonicalForm(Player.node)).toBe(
      'struct "Player"{"id":u64,"seen":u64,"name":string,"color":enum "Color"{"Red","Green","Blue"},' +
        '"shape":option(enum "Shape"{"Empty","Circle"(f64),"Rect"[f64,f64],"Move"{"x":u32,"note":option(string)}}),' +
        '"tree":struct "Tree"{"value":u32,"children":list(ref "Tree")},"scores":map(string,list(u16)),"flags":set(char),' +
        '"spot":tuple(f32,f32),"grid":array(bool,3),"raw":bytes,"opaque":payload,"nothing":unit}',
    );
    const digest = createHash("sha256").update(canonicalForm(Player.node)).digest("hex");
    expect(fingerprint(Player)).toBe(digest.slice(0, 32));
  });

  it("leaves out what the wire does not show", () => {
    const one = struct("S", { a: withDefault(u64, 1n), e: enumOf("E", { A: u8 }) });
    const two = struct("S", { a: asNumber(u64), e: enumOf("E", { A: u8 }, { tag: "kind" }) });
    expect(fingerprint(one)).toBe(fingerprint(two));
  });

  it("tells apart what the wire does show", () => {
    const different = [
      struct("S", { a: u8, b: u16 }),
      struct("S", { b: u16, a: u8 }),
      struct("T", { a: u8, b: u16 }),
      struct("S", { a: u8 }),
      tuple(u8, u16),
      array(u8, 3),
      array(u8, 4),
      enumOf("S", ["a", "b"]),
      enumOf("S", { a: unit, b: null }),
    ];
    expect(new Set(different.map((schema) => fingerprint(schema as Schema<unknown>))).size).toBe(
      different.length,
    );
  });

  it("is SHA-256 whatever the length", () => {
    for (let length = 0; length < 200; length++) {
      const input = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 255);
      const expected = createHash("sha256").update(input).digest("hex");
      expect(Buffer.from(sha256(input)).toString("hex")).toBe(expected);
    }
  });
});

describe("values as JSON", () => {
  it.each<[string, AnySchema, unknown, unknown]>([
    ["u64", u64, 2n ** 64n - 1n, "18446744073709551615"],
    ["i128", i128, -5n, "-5"],
    ["u64 as number", asNumber(u64), 5, "5"],
    ["i8", i8, -128, -128],
    ["NaN", f64, Number.NaN, "NaN"],
    ["-0", f64, -0, "-0"],
    ["bytes", bytes, new Uint8Array([0xde, 0xad]), "dead"],
    ["none", option(u8), undefined, null],
    ["some", option(u8), 1, 1],
    ["some(unit)", option(unit), null, { some: null }],
    ["some(none)", option(option(u8)), { some: undefined }, { some: null }],
    ["a map", map(string, u64), new Map([["a", 1n]]), [["a", "1"]]],
    ["a set", set(u8), new Set([1, 2]), [1, 2]],
    ["a unit variant", Color, "Red", "Red"],
    ["a struct variant", Shape, { type: "Move", x: 1, note: undefined }, { type: "Move", x: 1, note: null }],
    ["a tuple variant", Shape, { type: "Rect", value: [1, 2] }, { type: "Rect", value: [1, 2] }],
    ["a tree", Tree, { value: 1, children: [{ value: 2, children: [] }] }, undefined],
  ])("%s", (_, schema, value, json) => {
    const written = valueToJSON(schema.node, value);
    expect(written).toEqual(json === undefined ? value : json);
    expect(valueFromJSON(schema.node, JSON.parse(JSON.stringify(written)))).toEqual(value);
  });

  it("an optional field may be missing", () => {
    expect(valueFromJSON(Shape.node, { type: "Move", x: 1 })).toEqual({
      type: "Move",
      x: 1,
      note: undefined,
    });
  });

  it("are refused with the path", () => {
    expect(schemaErrorOf(() => valueFromJSON(Tree.node, { value: 1, children: [{ value: -1 }] }))).toBe(
      "default.children[0].value: expected from 0 to 4294967295",
    );
    expect(schemaErrorOf(() => valueToJSON(string.node, "\ud800"))).toMatch(/expected a string/);
    expect(schemaErrorOf(() => valueFromJSON(u64.node, "18446744073709551616"))).toMatch(/from 0 to/);
  });
});
