// Message plans: what a reader gets from another version's bytes.
import { describe, expect, it } from "vitest";
import { type CodecOptions, codecOf, decoderOf } from "../../src/codec/codec.js";
import { valueFromJSON, valueToJSON } from "../../src/codec/json-value.js";
import { buildPlan } from "../../src/codec/plan.js";
import * as s from "../../src/schema.js";
import { Random, seeds } from "../wasm/random.js";
import { Evolution, mapped, UNKNOWN_VARIANT } from "./plan-random.js";
import { planVectors } from "./plan-vectors.js";
import { randomNode, randomValue } from "./random-schema.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const unhex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

function versions(random: Random) {
  const writer = s.schemaFromJSON(randomNode(random));
  return { writer, reader: s.schemaFromJSON(new Evolution(random).evolved(writer.node)) };
}

describe.each([
  ["generated code", true],
  ["closures", false],
])("a plan's decoder, %s", (_, generate) => {
  for (const { file, name, writer, reader, plan, items, why } of planVectors) {
    if (plan !== "ok") continue;
    it(`reads the reference's bytes, ${file}: ${name}${why === null ? "" : " (unlike the reference)"}`, () => {
      const { decode } = decoderOf(buildPlan(writer, reader), { generate });
      const codec = codecOf(reader, { generate });
      for (const { written, bytes, read } of items) {
        const message = unhex(bytes);
        expect(hex(codecOf(writer, { generate }).encode(valueFromJSON(writer.node, written)))).toBe(bytes);
        if (read === null) {
          expect(() => decode(message)).toThrow(
            expect.objectContaining({ code: "CONDUIT_DECODE", blame: "peer" }),
          );
        } else {
          const value = decode(message);
          expect(valueToJSON(reader.node, value)).toEqual(read.value);
          expect(hex(codec.encode(value))).toBe(read.bytes);
        }
      }
    });
  }

  const read = <W, T>(
    writer: s.Schema<W>,
    reader: s.Schema<T>,
    value: NoInfer<W>,
    options: CodecOptions = {},
  ): T => {
    const { decode } = decoderOf(buildPlan(writer, reader), { generate, ...options });
    return decode(codecOf(writer).encode(value)) as T;
  };

  it("makes a default anew for each value", () => {
    const reader = s.struct("S", { list: s.withDefault(s.list(s.u8), [1, 2]), at: s.withDefault(s.u32, 7) });
    const { decode } = decoderOf(buildPlan(s.struct("S", {}), reader), { generate });
    const first = decode(new Uint8Array(0)) as s.Infer<typeof reader>;
    first.list.push(3);
    expect(decode(new Uint8Array(0))).toEqual({ list: [1, 2], at: 7 });
  });

  it("decodes lazily: skipped fields are no properties, defaults are made once", () => {
    const writer = s.struct("S", { old: s.string, name: s.string, at: s.u32 });
    const reader = s.struct("S", { at: s.u32, list: s.withDefault(s.list(s.u8), [1]), name: s.string });
    const decoder = decoderOf(buildPlan(writer, reader), { generate });
    const lazy = decoder.decodeLazy(codecOf(writer).encode({ old: "o", name: "n", at: 300 }));
    expect([lazy.at, lazy.list, lazy.name, "old" in lazy]).toEqual([300, [1], "n", false]);
    expect(lazy.list).toBe(lazy.list);
  });

  it("decodes byte strings as views where asked", () => {
    const writer = s.struct("S", { x: s.u8, bytes: s.bytes });
    const decoder = decoderOf(buildPlan(writer, s.struct("S", { bytes: s.bytes })), { generate });
    const message = codecOf(writer).encode({ x: 1, bytes: Uint8Array.of(1, 2, 3) });
    expect(decoder.decodeBorrowed(message).bytes.buffer).toBe(message.buffer);
    expect(decoder.decode(message).bytes.buffer).not.toBe(message.buffer);
  });

  it("is the reader's own codec when nothing differs, and one for each plan otherwise", () => {
    const reader = s.struct("S", { x: s.u8 });
    expect(decoderOf(buildPlan(s.struct("S", { x: s.u8 }), reader))).toBe(codecOf(reader));
    const plan = buildPlan(s.struct("S", {}), s.struct("S", { x: s.withDefault(s.u8, 1) }));
    expect(decoderOf(plan)).toBe(decoderOf(plan));
  });

  it("gives properties in the reader's order", () => {
    const writer = s.struct("S", { c: s.u8, x: s.u8, a: s.u8 });
    const reader = s.struct("S", { a: s.u8, b: s.withDefault(s.u8, 0), c: s.u8 });
    expect(Object.keys(read(writer, reader, { c: 1, x: 2, a: 3 }))).toEqual(["a", "b", "c"]);
  });

  it("gives integers, sets, lists and tags as the reader's schema has them", () => {
    const writer = s.struct("S", {
      x: s.u8,
      big: s.u64,
      small: s.asNumber(s.i64),
      list: s.list(s.string),
      numbers: s.list(s.u8),
      event: s.enumOf("E", { A: s.u8, B: null }),
      units: s.enumOf("U", ["A", "B"]),
    });
    const reader = s.struct("S", {
      big: s.asNumber(s.u64),
      small: s.i64,
      list: s.set(s.string),
      numbers: s.bytes,
      event: s.enumOf("E", { A: s.u8, B: null }, { tag: "kind" }),
      units: s.enumOf("U", { A: null, B: null, C: s.u8 }),
    });
    const event = { type: "A", value: 3 } as const;
    const value = {
      x: 1,
      big: 300n,
      small: -5,
      list: ["a", "b"],
      numbers: [1, 2],
      event,
      units: "B",
    } as const;
    expect(read(writer, reader, value as unknown as s.Infer<typeof writer>)).toEqual({
      big: 300,
      small: -5n,
      list: new Set(["a", "b"]),
      numbers: Uint8Array.of(1, 2),
      event: { kind: "A", value: 3 },
      units: { type: "B" },
    });
  });

  it("says which variant it does not know, and where", () => {
    const writer = s.struct("Log", { events: s.list(s.enumOf("Event", { Start: null, Pause: s.u32 })) });
    const reader = s.struct("Log", { events: s.list(s.enumOf("Event", { Start: null })) });
    const start = { type: "Start" } as const;
    expect(read(writer, reader, { events: [start] })).toEqual({ events: ["Start"] });
    expect(() => read(writer, reader, { events: [start, { type: "Pause", value: 1 }] })).toThrow(
      "Log.events[1], byte 2: Event has no variant Pause",
    );
  });

  it("checks lengths, tags and limits of what it skips as of what it reads", () => {
    const skipped = (type: s.AnySchema) =>
      decoderOf(buildPlan(s.struct("S", { x: type }), s.struct("S", {})), { generate }).decode;
    const refused: [s.AnySchema, string][] = [
      [s.bool, "02"],
      [s.option(s.u8), "0200"],
      [s.u16, "808004"],
      [s.u64, "80808080808080808002"],
      [s.f64, "00000000000000"],
      [s.string, "0561"],
      [s.bytes, "ffffffff0f"],
      [s.payload, "0200000000"],
      [s.char, "026162"],
      [s.list(s.u8), "ffffffff0f"],
      [s.list(s.unit), "ffffffff0f"],
      [s.array(s.u16, 3), "0102"],
      [s.map(s.u8, s.u8), "020101"],
      [s.enumOf("E", ["A", "B"]), "02"],
      [s.u8, "0101"],
    ];
    for (const [type, message] of refused) {
      expect(() => skipped(type)(unhex(message)), JSON.stringify(type)).toThrow(
        expect.objectContaining({ code: "CONDUIT_DECODE" }),
      );
    }
  });

  interface Tree {
    old: number;
    value: number;
    children: Tree[];
  }
  const Tree = s.recursive<Tree>("Tree", (tree) =>
    s.struct("Tree", { old: s.u8, value: s.u32, children: s.list(tree) }),
  );
  const tree = {
    old: 1,
    value: 2,
    children: [{ old: 3, value: 4, children: [{ old: 5, value: 6, children: [] }] }],
  };

  it("bounds the depth of recursive types, skipped or read", () => {
    const Shorter = s.recursive<Omit<Tree, "old">>(
      "Tree",
      (self) => s.struct("Tree", { value: s.u32, children: s.list(self) }) as s.AnySchema,
    );
    expect(read(Tree, Shorter as s.AnySchema, tree, { maxDepth: 2 })).toMatchObject({ value: 2 });
    expect(() => read(Tree, Shorter as s.AnySchema, tree, { maxDepth: 1 })).toThrow(/nested deeper than 1/);
    const holder = s.struct("Holder", { tree: Tree, after: s.u8 });
    const without = s.struct("Holder", { after: s.u8 });
    expect(read(holder, without, { tree, after: 9 }, { maxDepth: 2 })).toEqual({ after: 9 });
    expect(() => read(holder, without, { tree, after: 9 }, { maxDepth: 1 })).toThrow(/nested deeper than 1/);
  });

  it("tells versions of one type within one another apart", () => {
    const Newer = s.recursive<s.Infer<s.AnySchema>>("Tree", (self) =>
      s.struct("Tree", { children: s.list(self), value: s.u32 }),
    );
    // The outermost tree has another form than those within.
    const reader = s.struct("Tree", {
      value: s.u32,
      children: s.list(Newer),
      note: s.withDefault(s.string, "n"),
    });
    expect(read(Tree, reader, tree)).toEqual({
      value: 2,
      children: [{ children: [{ children: [], value: 6 }], value: 4 }],
      note: "n",
    });
  });

  it("finds its way back to a type from within another version of it", () => {
    interface N {
      id: number;
      a: { n?: N | undefined; m?: N | undefined };
      b: { x: number; n?: N | undefined; m?: N | undefined };
    }
    const writer = s.recursive<N>("N", (n) =>
      s.struct("N", {
        id: s.u8,
        a: s.struct("V", { n: s.option(n), m: s.option(n) }),
        b: s.struct("V", { x: s.u8, n: s.option(n), m: s.option(n) }),
      }),
    );
    // N and V, and within V another version of N, which has a V of the outer kind, which has an N of the outer kind.
    const reader = s.recursive<s.Infer<s.AnySchema>>("N", (n) =>
      s.struct("N", {
        a: s.recursive<s.Infer<s.AnySchema>>("V", (v) =>
          s.struct("V", { n: s.option(s.struct("N", { id: s.u8, b: v })), m: s.option(n) }),
        ),
        id: s.u8,
      }),
    );
    const leaf = { id: 3, a: { n: undefined, m: undefined }, b: { x: 7, n: undefined, m: undefined } };
    const inner = { id: 2, a: { n: undefined, m: undefined }, b: { x: 9, n: undefined, m: leaf } };
    const value = { id: 1, a: { n: inner, m: undefined }, b: { x: 8, n: undefined, m: undefined } };
    expect(read(writer, reader, value)).toStrictEqual({
      a: { n: { id: 2, b: { n: undefined, m: { a: { n: undefined, m: undefined }, id: 3 } } }, m: undefined },
      id: 1,
    });
  });

  it("skips a recursive field by the writer's schema, unknown variants included", () => {
    const Entry = s.recursive<s.Infer<s.AnySchema>>("Entry", (entry) =>
      s.enumOf("Entry", {
        File: s.string,
        Link: s.string,
        Folder: { shown: s.list(entry), hidden: s.list(entry) },
      }),
    );
    const reader = s.recursive<s.Infer<s.AnySchema>>("Entry", (entry) =>
      s.enumOf("Entry", { Folder: { shown: s.list(entry) }, File: s.string }),
    );
    const hidden = [
      { type: "Link", value: "l" },
      { type: "Folder", shown: [], hidden: [{ type: "Link", value: "m" }] },
    ];
    const shown = [{ type: "File", value: "f" }];
    expect(read(Entry, reader, { type: "Folder", shown, hidden })).toEqual({ type: "Folder", shown });
  });

  for (const seed of seeds(4)) {
    it(`agrees with decoding and then mapping, for random versions of random schemas (seed ${seed})`, () => {
      const random = new Random(seed);
      let read = 0;
      let unknown = 0;
      let identities = 0;
      for (let round = 0; round < 150; round++) {
        const { writer, reader } = versions(random);
        const plan = buildPlan(writer, reader);
        if (plan.identity) identities++;
        const decoder = decoderOf(plan, { generate });
        const codec = codecOf(writer);
        for (let i = 0; i < 8; i++) {
          const value = randomValue(random, writer.node);
          const bytes = codec.encode(value);
          let expected: unknown = UNKNOWN_VARIANT;
          try {
            expected = mapped({ node: writer.node, scope: null }, { node: reader.node, scope: null }, value);
          } catch (error) {
            if (error !== UNKNOWN_VARIANT) throw error;
          }
          if (expected === UNKNOWN_VARIANT) {
            unknown++;
            for (const way of ["decode", "decodeBorrowed", "decodeLazy"] as const) {
              expect(() => decoder[way](bytes)).toThrow(expect.objectContaining({ code: "CONDUIT_DECODE" }));
            }
          } else {
            read++;
            expect(decoder.decode(bytes)).toStrictEqual(expected);
            expect(decoder.decodeBorrowed(bytes)).toStrictEqual(expected);
            const lazy = decoder.decodeLazy(bytes);
            if (reader.node.kind !== "struct") expect(lazy).toStrictEqual(expected);
            else {
              const names = reader.node.fields.map(({ name }) => name);
              const got = names.map((name) => [name, (lazy as Record<string, unknown>)[name]]);
              expect(Object.fromEntries(got)).toStrictEqual(expected);
            }
          }
        }
      }
      // The schemas are worth something: some of everything.
      expect(read).toBeGreaterThan(300);
      expect(unknown).toBeGreaterThan(0);
      expect(identities).toBeGreaterThan(0);
      expect(identities).toBeLessThan(150);
    });

    it(`makes a value or CONDUIT_DECODE of random bytes and of damaged messages, nothing else (seed ${seed})`, () => {
      const random = new Random(seed);
      for (let round = 0; round < 60; round++) {
        const { writer, reader } = versions(random);
        const { decode } = decoderOf(buildPlan(writer, reader), { generate });
        const message = codecOf(writer).encode(randomValue(random, writer.node));
        for (let i = 0; i < 20; i++) {
          const bytes =
            i % 2 === 0 ? random.bytes(random.below(40)) : message.slice(0, random.below(message.length + 1));
          if (i % 2 === 1 && bytes.length > 0) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
          try {
            decode(bytes);
          } catch (error) {
            expect(error).toMatchObject({ name: "ConduitError", code: "CONDUIT_DECODE" });
          }
        }
      }
    });
  }
});
