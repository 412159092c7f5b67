// What a codec promises beyond the vectors: precise errors, limits, one copy, nothing outside its part of the bytes.
import { describe, expect, expectTypeOf, it } from "vitest";
import { type CodecOptions, codecOf } from "../../src/codec/codec.js";
import { INTEGER_RANGES } from "../../src/codec/json-value.js";
import { ConduitError } from "../../src/errors.js";
import * as s from "../../src/schema.js";
import { collectGarbage } from "../fixtures/collect-garbage.js";

const Line = s.struct("Line", { sku: s.string, count: s.u16, note: s.option(s.string) });
const Order = s.struct("Order", {
  id: s.u64,
  lines: s.list(Line),
  prices: s.map(s.string, s.u32),
  state: s.enumOf("State", { Open: null, Paid: s.u32, Sent: [s.u8, s.string], Lost: { where: s.string } }),
  position: s.tuple(s.f32, s.f32),
});
type Order = s.Infer<typeof Order>;
const order: Order = {
  id: 7n,
  lines: [
    { sku: "A-1", count: 2, note: undefined },
    { sku: "B-2", count: 300, note: "big" },
  ],
  prices: new Map([["A-1", 100]]),
  state: { type: "Lost", where: "sea" },
  position: [1, 2.5],
};

interface Chain {
  next?: Chain | undefined;
}
const Chain = s.recursive<Chain>("Chain", (chain) => s.struct("Chain", { next: s.option(chain) }));
function chainOf(length: number): Chain {
  let chain: Chain = {};
  for (let i = 1; i < length; i++) chain = { next: chain };
  return chain;
}

function errorOf(action: () => unknown): ConduitError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(ConduitError);
    return error as ConduitError;
  }
  throw new Error("nothing was thrown");
}

function usedHeap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

describe.each([true, false])("generated code: %s", (generate) => {
  const make = <T>(schema: s.Schema<T>, options: CodecOptions = {}) =>
    codecOf(schema, { generate, ...options });

  describe("what is not of the type is CONDUIT_ENCODE with its path", () => {
    const changed = (change: object) => () => make(Order).encode({ ...order, ...change } as Order);
    it.each<[string, () => unknown, string]>([
      ["a number for a bigint", changed({ id: 7 }), "Order.id: expected a bigint from 0 to 2^64 - 1, got 7"],
      [
        "a field of an element",
        changed({ lines: [order.lines[0], { sku: 1, count: 1 }] }),
        "Order.lines[1].sku: expected a string, got 1",
      ],
      [
        "a count beyond u16",
        changed({ lines: [{ sku: "", count: 65_536 }] }),
        "Order.lines[0].count: expected an integer from 0 to 65535, got 65536",
      ],
      [
        "null for none",
        changed({ lines: [{ sku: "", count: 1, note: null }] }),
        "Order.lines[0].note: expected a string, got null",
      ],
      ["an object for a Map", changed({ prices: { a: 1 } }), "Order.prices: expected a Map, got an object"],
      [
        "a value of a Map",
        changed({ prices: new Map([["a", -1]]) }),
        'Order.prices{"a"}: expected an integer from 0 to 4294967295, got -1',
      ],
      [
        "an unknown variant",
        changed({ state: { type: "Eaten" } }),
        'Order.state.type: expected a variant of State, got "Eaten"',
      ],
      [
        "a variant's payload",
        changed({ state: { type: "Paid" } }),
        "Order.state.Paid: expected an integer from 0 to 4294967295, got undefined",
      ],
      ["a part of a tuple", changed({ position: [1, "2"] }), 'Order.position.1: expected a number, got "2"'],
      ["too few for a tuple", changed({ position: [1] }), "Order.position: expected 2 items, got 1"],
      [
        "no value at all",
        () => make(Order).encode(undefined as unknown as Order),
        "Order: expected an object, got undefined",
      ],
      ["a lone surrogate", () => make(s.string).encode("a\udc00"), "<string>: a lone surrogate is not text"],
      [
        "a lone surrogate in a long string",
        () => make(s.string).encode(`${"a".repeat(50)}\ud800`),
        "<string>: a lone surrogate is not text",
      ],
      ["two characters", () => make(s.char).encode("ab"), '<char>: expected one character, got "ab"'],
      [
        "an unsafe integer",
        () => make(s.asNumber(s.u64)).encode(2 ** 53),
        "<u64>: expected an integer from 0 to 2^53 - 1, got 9007199254740992",
      ],
    ])("%s", (_, action, message) => {
      const error = errorOf(action);
      expect(error).toMatchObject({ code: "CONDUIT_ENCODE", blame: "local", fatal: false, message });
    });

    it("a getter that throws", () => {
      const cause = new Error("mine");
      const value = {
        get sku(): string {
          throw cause;
        },
        count: 1,
      };
      expect(errorOf(() => make(Line).encode(value))).toMatchObject({ code: "CONDUIT_ENCODE", cause });
    });

    it("a getter that says something else the second time", () => {
      let reads = 0;
      const value = {
        get sku() {
          return ++reads > 1 ? "" : (1 as unknown as string);
        },
        count: 1,
      };
      expect(errorOf(() => make(Line).encode(value))).toMatchObject({ code: "CONDUIT_ENCODE" });
    });

    it("a Map that grows while it is read", () => {
      const grown = new Map<{ x: number }, number>();
      const key = {
        get x() {
          grown.set({ x: grown.size }, 1);
          return 1;
        },
      };
      grown.set(key, 1);
      const schema = s.map(s.struct("Key", { x: s.u8 }), s.u8);
      expect(errorOf(() => make(schema).encode(grown)).code).toBe("CONDUIT_ENCODE");
    });
  });

  it.each<[string, s.AnySchema, bigint]>(
    (["u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128"] as const).flatMap((kind) => {
      const [min, max] = INTEGER_RANGES[kind];
      return [
        [`${kind} below ${min}`, s[kind] as s.AnySchema, min - 1n],
        [`${kind} above ${max}`, s[kind] as s.AnySchema, max + 1n],
      ] satisfies [string, s.AnySchema, bigint][];
    }),
  )("%s is CONDUIT_ENCODE", (_, schema, value) => {
    const narrow = /[a-z](8|16|32)$/.test(schema.node.kind);
    expect(errorOf(() => make(schema).encode(narrow ? Number(value) : value)).code).toBe("CONDUIT_ENCODE");
    if (!narrow) {
      const unsafe = value < 0n ? -(2 ** 53) : 2 ** 53;
      expect(errorOf(() => make(s.asNumber(schema)).encode(unsafe)).code).toBe("CONDUIT_ENCODE");
    }
  });

  describe("what cannot be read is CONDUIT_DECODE with path and offset", () => {
    const encoded = make(Order).encode(order);
    const at = (offset: number, ...values: number[]) => {
      const bytes = encoded.slice();
      bytes.set(values, offset);
      return () => make(Order).decode(bytes);
    };
    it.each<[string, () => unknown, string]>([
      ["an option tag", at(7, 2), "Order.lines[0].note, byte 7: 2 is no option"],
      ["text", at(3, 0xff), "Order.lines[0].sku, byte 3: not UTF-8"],
      ["a variant", at(25, 4), "Order.state, byte 25: State has no variant 4"],
      ["too many elements", at(1, 127), "Order.lines, byte 1: 127 elements announced, 36 bytes left"],
      [
        "a string beyond the end",
        at(26, 50),
        "Order.state.Lost.where, byte 26: 50 bytes announced, 11 bytes left",
      ],
      [
        "bytes left over",
        () => make(Order).decode(new Uint8Array([...encoded, 0, 0])),
        "Order, byte 38: 2 bytes left over",
      ],
      [
        "an early end",
        () => make(Order).decode(encoded.subarray(0, 36)),
        "Order.position.1, byte 34: ends 2 bytes too early",
      ],
      ["a bool", () => make(s.bool).decode(bytesOf("02")), "<bool>, byte 0: 2 is no bool"],
      [
        "a char of two characters",
        () => make(s.char).decode(bytesOf("026162")),
        "<char>, byte 0: a char of not exactly one character",
      ],
      [
        "an unsafe integer",
        () => make(s.asNumber(s.u64)).decode(bytesOf("8080808080808010")),
        "<u64>, byte 0: a varint too large for u64 as number",
      ],
    ])("%s", (_, action, message) => {
      expect(errorOf(action)).toMatchObject({ code: "CONDUIT_DECODE", blame: "peer", message });
    });

    it("offsets count from the start of the message", () => {
      const chunk = new Uint8Array([9, 9, 9, ...encoded.subarray(0, 20), 9]);
      const error = errorOf(() => make(Order).decode(chunk, 3, 23));
      expect(error.message).toMatch(/^Order\.prices.*, byte \d+: /);
    });
  });

  describe("a length is believed only as far as there are bytes", () => {
    const announced = "ffffffff0f";
    it.each<[string, s.AnySchema, string]>([
      ["string", s.string, announced],
      ["bytes", s.bytes, announced],
      ["payload", s.payload, "ffffffff"],
      ["list", s.list(s.u8), announced],
      ["list of f64", s.list(s.f64), `06${"00".repeat(40)}`],
      ["set", s.set(s.u8), announced],
      ["map", s.map(s.u8, s.u8), announced],
      ["list of unit", s.list(s.unit), announced],
      ["list of empty structs", s.list(s.struct("Empty", {})), announced],
      ["map of units", s.map(s.unit, s.unit), announced],
      ["list of a recursive type", s.list(Chain), announced],
      ["arrays of arrays", s.array(s.array(s.u8, 65_536), 65_536), "00"],
      ["arrays of arrays of unit", s.array(s.array(s.unit, 65_536), 65_536), ""],
    ])("%s", (_, schema, hex) => {
      const codec = make(schema);
      for (const decode of [codec.decode, codec.decodeBorrowed, codec.decodeLazy]) {
        expect(errorOf(() => decode(bytesOf(hex))).code).toBe("CONDUIT_DECODE");
      }
    });

    it("elements without bytes have a limit of their own", () => {
      const codec = make(s.list(s.unit), { maxEmptyElements: 3 });
      expect(codec.decode(bytesOf("03"))).toEqual([null, null, null]);
      expect(errorOf(() => codec.decode(bytesOf("04"))).message).toMatch(/too many elements without bytes/);
      // What no reader takes is not written.
      expect(codec.encode([null, null, null])).toEqual(bytesOf("03"));
      for (const [schema, value] of [
        [s.list(s.unit), new Array(4).fill(null)],
        [
          s.tuple(s.list(s.unit), s.list(s.unit)),
          [
            [null, null],
            [null, null],
          ],
        ],
        [s.array(s.unit, 4), new Array(4).fill(null)],
        [s.set(s.array(s.u8, 0)), new Set([[], [], [], []])],
      ] as [s.Schema<unknown>, unknown][]) {
        const error = errorOf(() => make(schema, { maxEmptyElements: 3 }).encode(value));
        expect(error).toMatchObject({ code: "CONDUIT_ENCODE" });
        expect(error.message).toMatch(/too many elements without bytes/);
      }
    });
  });

  describe("recursive types", () => {
    it("are as deep as maxDepth says, both ways", () => {
      const codec = make(Chain, { maxDepth: 5 });
      // The outermost struct is in no other.
      const most = codec.encode(chainOf(6));
      expect(most).toEqual(bytesOf("010101010100"));
      expect(codec.decode(most)).toEqual(chainOf(6));
      expect(errorOf(() => codec.encode(chainOf(7))).message).toMatch(/nested deeper than 5/);
      expect(errorOf(() => codec.decode(bytesOf("01010101010100"))).message).toMatch(/nested deeper than 5/);
    });

    it("may not go in circles", () => {
      const circle: Chain = {};
      circle.next = circle;
      const codec = make(Chain);
      expect(errorOf(() => codec.encode(circle)).code).toBe("CONDUIT_ENCODE");
      expect(errorOf(() => codec.maxSize(circle)).code).toBe("CONDUIT_ENCODE");
    });

    it("that have no end have no values", () => {
      const Endless = s.recursive<unknown>(
        "Endless",
        (self) => s.struct("Endless", { self }) as unknown as s.Schema<unknown>,
      );
      expect(errorOf(() => make(Endless).decode(new Uint8Array(1))).code).toBe("CONDUIT_DECODE");
      expect(errorOf(() => make(s.list(Endless)).decode(bytesOf(`ff01${"00".repeat(300)}`))).code).toBe(
        "CONDUIT_DECODE",
      );
    });
  });

  describe("byte strings", () => {
    const Blob = s.struct("Blob", { data: s.bytes, rest: s.payload });
    const value = { data: new Uint8Array(300).fill(1), rest: new Uint8Array(20).fill(2) };

    it("are copies of a message, or views of it when borrowed", () => {
      const codec = make(Blob);
      const bytes = codec.encode(value);
      const owned = codec.decode(bytes);
      const borrowed = codec.decodeBorrowed(bytes);
      bytes.fill(0);
      expect(owned).toEqual(value);
      expect(borrowed.data.buffer).toBe(bytes.buffer);
      expect(borrowed.data).toEqual(new Uint8Array(300));
    });

    it("are plain and unshared, whatever the message lies in", () => {
      const codec = make(Blob);
      const encoded = codec.encode(value);
      const shared = new Uint8Array(new SharedArrayBuffer(encoded.length));
      shared.set(encoded);
      for (const source of [Buffer.from(encoded), shared]) {
        const { data } = codec.decode(source);
        expect(data.constructor).toBe(Uint8Array);
        expect(data.buffer).toBeInstanceOf(ArrayBuffer);
        expect(data).toEqual(value.data);
      }
    });

    it("go through the copy that was given, from 256 bytes on", () => {
      const copied: number[] = [];
      const copy = (target: Uint8Array, at: number, bytes: Uint8Array) => {
        copied.push(bytes.length);
        target.set(bytes, at);
      };
      const codec = make(Blob, { copy });
      const target = new Uint8Array(400);
      const end = codec.encodeInto(target, 0, 400, value);
      expect(codec.decode(target, 0, end)).toEqual(value);
      expect(copied).toEqual([300]);
    });
  });

  describe("text", () => {
    const texts = [
      "",
      "é",
      "x".repeat(127),
      "x".repeat(128),
      "é".repeat(63),
      "é".repeat(64),
      "世".repeat(42),
      "世".repeat(43),
      "🦀".repeat(30),
      `${"a".repeat(39)}世`,
      `${"x".repeat(16_380)}é`,
      "\ufeffbom",
    ];
    it("of every length and width, in and out of shared memory", () => {
      const codec = make(s.string);
      for (const text of texts) {
        const expected = new TextEncoder().encode(text);
        const encoded = codec.encode(text);
        expect(Buffer.from(encoded).subarray(-expected.length || encoded.length)).toEqual(
          Buffer.from(expected),
        );
        const shared = new Uint8Array(new SharedArrayBuffer(codec.maxSize(text)));
        const end = codec.encodeInto(shared, 0, shared.length, text);
        expect(shared.slice(0, end)).toEqual(encoded);
        expect(codec.decode(shared, 0, end)).toBe(text);
        // And with no byte to spare.
        expect(codec.encodeInto(new Uint8Array(encoded.length), 0, encoded.length, text)).toBe(
          encoded.length,
        );
        expect(codec.encodeInto(new Uint8Array(encoded.length), 0, encoded.length - 1, text)).toBe(-1);
      }
    });
  });

  describe("strings", () => {
    const codec = make(s.list(s.string));

    it("that share a text are themselves, whatever stands between them", () => {
      const texts = Array.from(
        { length: 400 },
        (_, i) => (i % 7 === 3 ? "é" : "") + String.fromCharCode(97 + (i % 26)).repeat((i * 37) % 300),
      );
      const encoded = codec.encode(texts);
      const shared = new Uint8Array(new SharedArrayBuffer(encoded.length));
      shared.set(encoded);
      for (const bytes of [encoded, shared]) {
        expect(codec.decode(bytes)).toEqual(texts);
        expect(codec.decodeBorrowed(bytes)).toEqual(texts);
      }
    });

    it("are never those of another message that lay at the same place", () => {
      const chunk = new Uint8Array(100);
      for (const decode of [codec.decode, codec.decodeBorrowed]) {
        for (const letter of ["a", "b", "c"]) {
          const texts = [letter.repeat(20), letter.repeat(30)];
          const end = codec.encodeInto(chunk, 0, chunk.length, texts);
          expect(decode(chunk, 0, end)).toEqual(texts);
        }
      }
    });

    it("that are kept hold on to little of their message", () => {
      const messages = 4_000;
      const bytes = codec.encode(Array.from({ length: 500 }, (_, i) => `some text, the ${1_000 + i}th`));
      const kept: string[] = [];
      codec.decode(bytes);
      const before = usedHeap();
      for (let i = 0; i < messages; i++) kept.push(codec.decode(bytes)[i % 500]);
      expect((usedHeap() - before) / messages).toBeLessThan(600);
      expect(kept.length).toBe(messages);
    });
  });

  describe("values", () => {
    it("may leave out what may be undefined", () => {
      const codec = make(Line);
      const decoded = codec.decode(codec.encode({ sku: "x", count: 1 }));
      expect(decoded).toStrictEqual({ sku: "x", count: 1, note: undefined });
    });

    it("keep the prototype of objects", () => {
      expect(Object.getPrototypeOf(make(Line).decode(bytesOf("000000")))).toBe(Object.prototype);
    });

    it("may encode others while they are encoded", () => {
      const codec = make(s.list(Line));
      const first = { sku: "first", count: 1, note: undefined };
      const value = [
        first,
        {
          get sku() {
            return String(codec.encode([{ sku: "inner", count: 9 }]).length);
          },
          count: 2,
        },
      ];
      expect(codec.decode(codec.encode(value))).toEqual([first, { sku: "9", count: 2, note: undefined }]);
    });

    it("of floats are right when the value's own code encodes to another place", () => {
      const codec = make(s.struct("F", { a: s.f64, b: s.f64 }));
      const other = new Uint8Array(16);
      const value = {
        a: 1,
        get b() {
          codec.encodeInto(other, 0, 16, { a: 3, b: 4 });
          return 2;
        },
      };
      expect(codec.decode(codec.encode(value))).toEqual({ a: 1, b: 2 });
      expect(codec.decode(other)).toEqual({ a: 3, b: 4 });
    });

    it("of f32 are rounded", () => {
      expect(make(s.f32).decode(make(s.f32).encode(0.1))).toBe(Math.fround(0.1));
    });

    it("of a Map keep the last of two equal keys, as the reference does", () => {
      expect(make(s.map(s.u8, s.u8)).decode(bytesOf("0201020103"))).toEqual(new Map([[1, 3]]));
    });
  });

  describe("a lazy struct", () => {
    const codec = make(Order);
    const encoded = codec.encode(order);

    it("decodes a field when it is read, and once", () => {
      const lazy = codec.decodeLazy(encoded);
      expect(lazy.state).toEqual(order.state);
      expect(lazy.state).toBe(lazy.state);
      expect(lazy.id).toBe(7n);
      expect(lazy.lines).toEqual(order.lines);
    });

    it("checks lengths and tags at once, and text when it is read", () => {
      const ends = encoded.subarray(0, encoded.length - 1);
      expect(errorOf(() => codec.decodeLazy(ends)).message).toMatch(/^Order\.position\.1/);
      const bad = encoded.slice();
      bad[3] = 0xff;
      const lazy = codec.decodeLazy(bad);
      expect(lazy.prices).toEqual(order.prices);
      expect(errorOf(() => lazy.lines)).toMatchObject({
        code: "CONDUIT_DECODE",
        message: "Order.lines[0].sku, byte 3: not UTF-8",
      });
    });
  });

  it("parts that do not exist are CONDUIT_OPTIONS", () => {
    const codec = make(s.u8);
    const four = new Uint8Array(4);
    const actions = [
      () => codec.decode(four, 2, 5),
      () => codec.decode(four, 3, 2),
      () => codec.decode(four, -1, 2),
      () => codec.encodeInto(four, 0, 5, 1),
      () => codec.encodeInto(four, 3, 2, 1),
      () => codec.encodeInto(four, Number.NaN, 2, 1),
    ];
    for (const action of actions) expect(errorOf(action).code).toBe("CONDUIT_OPTIONS");
  });

  it("large types are split into functions and still right", () => {
    const wide = s.struct(
      "Wide",
      Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`f${i}`, s.u16])),
    );
    const Both = s.struct("Both", { a: wide, b: wide, c: s.list(wide) });
    const numbers = (start: number) =>
      Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`f${i}`, start + i * 100]));
    const value = { a: numbers(1), b: numbers(2), c: [numbers(3), numbers(4)] };
    const codec = make(s.struct("Outer", { both: Both, again: s.option(Both) }));
    const whole = { both: value, again: value };
    expect(codec.decode(codec.encode(whole))).toEqual(whole);
    expect(codec.maxSize(whole)).toBeGreaterThanOrEqual(codec.encode(whole).length);
  });
});

it("a schema has one codec, and it knows the fingerprint", () => {
  expect(codecOf(Order)).toBe(codecOf(Order));
  expect(codecOf(Order).fingerprint).toBe(s.fingerprint(Order));
});

it("a codec's types are the schema's", () => {
  expectTypeOf(codecOf(Order).decode).returns.toEqualTypeOf<Order>();
  expectTypeOf(codecOf(Order).encode).parameter(0).toEqualTypeOf<Order>();
});
