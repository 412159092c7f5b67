// Schemas and values that are made to cost more than they are worth. What fails here would hang, or run out of memory.
import { describe, expect, it } from "vitest";
import { codecOf } from "../../src/codec/codec.js";
import * as s from "../../src/schema.js";
import { list, recursive, string, struct, u8 } from "../../src/schema.js";

const Reader = struct("M", { a: u8 });

/** What a reader of `a` makes of a message whose writer has a field more. */
function readBeside(extra: object): unknown {
  const fields = [{ name: "a", type: { kind: "u8" } }, extra];
  const decode = Reader.messages.decoderOf(JSON.stringify({ kind: "struct", name: "M", fields }), "owned");
  return decode(Uint8Array.of(1, 0), 0, 2);
}

describe("a peer's schema", () => {
  it("whose refs can be followed in 2^60 ways takes no time", () => {
    // Each type refers to all around it; the innermost has a list of itself, whose least size is asked for.
    const nested = (i: number, last: number): object => {
      const inside =
        i < last ? nested(i + 1, last) : { kind: "list", element: { kind: "ref", name: `S${last}` } };
      const refs = Array.from({ length: i }, (_, j) => ({
        name: `r${j}`,
        type: { kind: "ref", name: `S${j}` },
      }));
      return { kind: "struct", name: `S${i}`, fields: [{ name: "inside", type: inside }, ...refs] };
    };
    expect(readBeside({ name: "b", type: { kind: "option", element: nested(0, 58) } })).toEqual({ a: 1 });
  });

  it("with as many refs to one type as there may be does not stall", { timeout: 20_000 }, () => {
    const fields = Array.from({ length: 8_000 }, (_, i) => ({
      name: `f${i}`,
      type: { kind: "list", element: { kind: "ref", name: "X" } },
    }));
    const type = { kind: "option", element: { kind: "struct", name: "X", fields } };
    expect(readBeside({ name: "b", type })).toEqual({ a: 1 });
  });

  it("has defaults that nobody makes", () => {
    // Each {} of the default stands for 8,000 absent options: 128 million properties.
    const fields = Array.from({ length: 8_000 }, (_, i) => ({
      name: `f${i}`,
      type: { kind: "option", element: { kind: "u8" } },
    }));
    const type = { kind: "list", element: { kind: "struct", name: "W", fields } };
    expect(readBeside({ name: "b", type, default: new Array(16_000).fill({}) })).toEqual({ a: 1 });
  });
});

/** Of 2^levels parts, in as many objects as levels. */
function doubled(levels: number): Tree {
  let tree: Tree = { name: "leaf", children: [] };
  for (let i = 0; i < levels; i++) tree = { name: "", children: [tree, tree] };
  return tree;
}

/** A Uint8Array, array or Set that says of itself what is not so. */
function lying<T extends object>(value: T, property: string, ...says: unknown[]): T {
  let asked = 0;
  const get = () => says[Math.min(asked++, says.length - 1)];
  if (!Array.isArray(value)) return Object.defineProperty(value, property, { get });
  return new Proxy(value, { get: (target, name) => (name === property ? get() : Reflect.get(target, name)) });
}

describe("a schema's JSON", () => {
  const refusal = (what: RegExp) =>
    expect.objectContaining({ code: "CONDUIT_SCHEMA", message: expect.stringMatching(what) });
  const field = (type: object, json: unknown) => ({
    kind: "struct",
    name: "R",
    fields: [{ name: "f", type, default: json }],
  });
  const fields = Array.from({ length: 8_000 }, (_, i) => ({
    name: `f${i}`,
    type: { kind: "option", element: { kind: "u8" } },
  }));
  const wide = { kind: "struct", name: "W", fields };
  const narrow = { kind: "struct", name: "N", fields: fields.slice(0, 1_000) };
  let chain: object | null = null;
  for (let i = 0; i < 20_000; i++) chain = { next: chain };
  const next = { name: "next", type: { kind: "option", element: { kind: "ref", name: "Chain" } } };
  const Chain = { kind: "struct", name: "Chain", fields: [next] };
  const deep = JSON.parse(`${'{"x":'.repeat(100_000)}0${"}".repeat(100_000)}`);

  it.each<[string, object, RegExp]>([
    [
      "leave out what has to be made",
      field({ kind: "list", element: wide }, new Array(16_000).fill({})),
      /more than 65536 values/,
    ],
    [
      "are large arrays",
      field({ kind: "list", element: { kind: "u8" } }, new Array(1e6).fill(0)),
      /more than 65536 values/,
    ],
    [
      "are many together",
      {
        kind: "tuple",
        elements: new Array(6).fill(field({ kind: "list", element: narrow }, new Array(20).fill({}))),
      },
      /more than 65536 values/,
    ],
    ["go deeper than a stack", field(Chain, chain), /nested deeper than 256/],
    ["are another value that does", field({ kind: "u8" }, deep), /expected an integer/],
    ["are bytes, and not", field({ kind: "bytes" }, `${"00".repeat(4e6)}0`), /expected hexadecimal/],
  ])("whose defaults %s is refused", (_, json, what) => {
    expect(() => s.schemaFromJSON(json)).toThrow(refusal(what));
  });

  it("keeps of its defaults what the type has", () => {
    const pair = {
      kind: "struct",
      name: "P",
      fields: [
        { name: "a", type: { kind: "f32" } },
        { name: "b", type: fields[0].type },
      ],
    };
    const json = field(pair, { a: 0.1, more: deep });
    const schema = s.schemaFromJSON(json);
    const kept = { a: Math.fround(0.1), b: null };
    expect(JSON.parse(JSON.stringify(schema))).toEqual(field(pair, kept));
    expect(JSON.stringify(s.schemaFromJSON(schema.toJSON()))).toBe(JSON.stringify(schema));
    const long = s.schemaFromJSON(field({ kind: "bytes" }, "ab".repeat(4e6)));
    expect(JSON.stringify(long)).toContain("abab");
  });

  it("is not made of a default that goes in circles", () => {
    const value: Tree = { name: "", children: [] };
    value.children.push(value);
    expect(() => s.withDefault(Tree, value)).toThrow(refusal(/nested deeper than 256/));
  });
});

interface Tree {
  name: string;
  children: Tree[];
}
const Tree = recursive<Tree>("Tree", (tree) => struct("Tree", { name: string, children: list(tree) }));

describe.each([true, false])("generated code: %s: a value", (generate) => {
  it("that contains itself twice is refused at once", () => {
    const tree: Tree = { name: "", children: [] };
    tree.children.push(tree, tree);
    const codec = codecOf(Tree, { generate });
    for (const go of [() => codec.maxSize(tree), () => codec.encode(tree)])
      expect(go).toThrow(/nested deeper than 256/);
  });

  it("whose parts occur twice within one another, forty times, is too large, and that is found in time", () => {
    const codec = codecOf(Tree, { generate });
    const limit = 100_000;
    const tree = doubled(40);
    expect(codec.maxSize(tree, limit)).toBeGreaterThan(limit);
    expect(codec.encodeInto(new Uint8Array(limit), 0, limit, tree)).toBe(-1);
    expect(() => codec.encode(tree, limit)).toThrow(
      expect.objectContaining({ code: "CONDUIT_FRAME_TOO_LARGE", blame: "local", fatal: false }),
    );
    let list: unknown[] = [1];
    let schema = s.list(s.u8) as s.Schema<unknown>;
    for (let i = 0; i < 40; i++) {
      list = [list, list];
      schema = s.list(schema) as s.Schema<unknown>;
    }
    expect(() => codecOf(schema, { generate }).encode(list, limit)).toThrow(/more than 100000 bytes/);
    // And what is wrong at its far end is found out, or not, but not looked for for ever.
    tree.children.push({ name: 1 as unknown as string, children: [] });
    expect(() => codec.encode(tree, limit)).toThrow(expect.objectContaining({ blame: "local" }));
  });

  it("that takes exactly the limit is encoded, however much larger it could be", () => {
    const Wide = s.enumOf("Wide", { None: null, All: [s.array(s.u128, 100)] });
    const codec = codecOf(s.list(Wide), { generate });
    const value = Array.from({ length: 1_000 }, () => ({ type: "None" }) as const);
    expect(codec.encode(value, 1_002).length).toBe(1_002);
    expect(() => codec.encode(value, 1_001)).toThrow(/more than 1001 bytes/);
  });

  it("of more elements than there is room for is refused before one is looked at", () => {
    const codec = codecOf(s.list(s.option(s.u8)), { generate });
    let reads = 0;
    const many = new Proxy([], {
      get: (_, name) => (name === "length" ? 2 ** 27 : reads++ === -1),
    });
    expect(codec.encodeInto(new Uint8Array(1_000), 0, 1_000, many)).toBe(-1);
    expect(() => codec.encode(many, 2 ** 20)).toThrow(/more than 1048576 bytes/);
    expect(reads).toBe(0);
  });

  const wrong = [0.5, -1, Number.NaN, -(2 ** 31), 2 ** 32, Infinity, "2", 2n, undefined, {}];
  const bytes = () => Uint8Array.from({ length: 40 }, (_, i) => i + 1);
  const liars: [string, s.AnySchema, (...says: unknown[]) => unknown][] = [
    ["bytes", s.bytes, (...says) => lying(bytes(), "length", ...says)],
    ["a payload", s.payload, (...says) => lying(bytes(), "length", ...says)],
    ["a list of u32", s.list(s.u32), (...says) => lying([1, 2, 2 ** 32 - 1], "length", ...says)],
    ["a list of strings", s.list(s.string), (...says) => lying(["a", "long enough", ""], "length", ...says)],
    ["a list of units", s.list(s.unit), (...says) => lying([null, null], "length", ...says)],
    ["an array", s.array(s.u64, 2), (...says) => lying([1n, 2n ** 64n - 1n], "length", ...says)],
    ["a tuple", s.tuple(s.u64, s.u64), (...says) => lying([1n, 2n ** 64n - 1n], "length", ...says)],
    ["a set", s.set(s.u32), (...says) => lying(new Set([1, 2 ** 32 - 1]), "size", ...says)],
    ["a map", s.map(s.u32, s.string), (...says) => lying(new Map([[1, "long enough"]]), "size", ...says)],
  ];
  it.each(liars)(
    "of %s that lies about its length writes nothing outside of its place",
    (_, schema, make) => {
      const codec = codecOf(schema, { generate });
      for (const says of [...wrong.map((one) => [one]), [1, 7], [7, 1], [2, 2, 40], [40, 2, 3]]) {
        for (let room = 0; room < 12; room++) {
          const target = new Uint8Array(64).fill(0xee);
          let end = -1;
          try {
            end = codec.encodeInto(target, 20, 20 + room, make(...says));
          } catch (error) {
            expect(error).toMatchObject({ code: "CONDUIT_ENCODE", blame: "local", fatal: false });
          }
          expect(end === -1 || (end >= 20 && end <= 20 + room), `${String(says)}, ${room}`).toBe(true);
          target.fill(0xee, 20, 20 + room);
          expect(target).toEqual(new Uint8Array(64).fill(0xee));
        }
        try {
          codec.decode(codec.encode(make(...says)));
        } catch (error) {
          expect(error).toMatchObject({ code: "CONDUIT_ENCODE", blame: "local", fatal: false });
        }
      }
    },
  );

  it("of bytes with a length of their own is what it is, also when it is copied by the `copy` option", () => {
    const copy = (target: Uint8Array, at: number, from: Uint8Array) =>
      target.set(from.subarray(0, from.length), at);
    const codec = codecOf(s.bytes, { generate, copy });
    const long = Uint8Array.from({ length: 400 }, (_, i) => i);
    for (const property of ["length", "byteLength", "byteOffset", "buffer", "subarray"]) {
      const value = Object.defineProperty(long.slice(), property, { value: 3 });
      expect(codec.decode(codec.encode(value))).toEqual(long);
    }
  });
});
