// Every vector that the Rust reference wrote, both ways, through both compilers.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codecOf } from "../../src/codec/codec.js";
import { valueFromJSON, valueToJSON } from "../../src/codec/json-value.js";
import type { Json } from "../../src/codec/node.js";
import {
  type AnySchema,
  bool,
  bytes,
  enumOf,
  f32,
  f64,
  i8,
  i16,
  i32,
  i64,
  list,
  map,
  option,
  string,
  struct,
  tuple,
  u8,
  u16,
  u32,
  u64,
} from "../../src/codec/schema.js";
import { schemaFromJSON } from "../../src/codec/schema-json.js";
import { ConduitError } from "../../src/errors.js";

const GOLDEN = "test/golden";

interface Vector {
  schema: unknown;
  items: { value: Json; bytes: string }[];
}
interface OddVector {
  name: string;
  schema: unknown;
  bytes: string;
  value?: Json;
  error?: string;
  /** Set where we refuse what the reference takes. */
  why?: string;
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(join(GOLDEN, "types", name), "utf8"));
}

const point = struct("Point", { x: i32, y: i32 });
const shape = enumOf("Shape", {
  Circle: f64,
  Rect: { w: f64, h: f64 },
  Empty: null,
});
const color = enumOf("Color", ["Red", "Green", "Blue"]);

/** What the names of the files say. */
const NAMED: Record<string, [AnySchema, unknown]> = {
  "composite/enum_red": [color, "Red"],
  "composite/enum_green": [color, "Green"],
  "composite/enum_blue": [color, "Blue"],
  "composite/enum_circle": [shape, { type: "Circle", value: 3.14 }],
  "composite/enum_rect": [shape, { type: "Rect", w: 10, h: 20 }],
  "composite/enum_empty": [shape, { type: "Empty" }],
  "composite/map_string_point": [map(string, point), new Map([["key", { x: 10, y: 20 }]])],
  "composite/map_string_u32": [
    map(string, u32),
    new Map([
      ["alpha", 1],
      ["beta", 2],
    ]),
  ],
  "composite/option_none_point": [option(point), undefined],
  "composite/option_some_point": [option(point), { x: 5, y: 6 }],
  "composite/struct_nested": [
    struct("Nested", { name: string, point, tags: list(string) }),
    { name: "test", point: { x: 1, y: 2 }, tags: ["a", "bb"] },
  ],
  "composite/struct_point": [point, { x: 10, y: -20 }],
  "composite/tuple_bool_i64": [tuple(bool, i64), [true, -99n]],
  "composite/tuple_u32_string": [tuple(u32, string), [42, "hello"]],
  "composite/vec_points": [
    list(point),
    [
      { x: 1, y: 2 },
      { x: 3, y: 4 },
      { x: 5, y: 6 },
    ],
  ],
  "primitives/bytes_deadbeef": [bytes, new Uint8Array([0xde, 0xad, 0xbe, 0xef])],
  "primitives/bytes_empty": [bytes, new Uint8Array()],
  "primitives/option_none_string": [option(string), undefined],
  "primitives/option_none_u32": [option(u32), undefined],
  "primitives/option_some_string": [option(string), "hello"],
  "primitives/option_some_u32_42": [option(u32), 42],
  "primitives/string_empty": [string, ""],
  "primitives/string_hello": [string, "hello world"],
  "primitives/string_unicode": [string, "héllo 世界 🦀"],
  "primitives/vec_empty_u32": [list(u32), []],
  "primitives/vec_i32_neg1_0_1": [list(i32), [-1, 0, 1]],
  "primitives/vec_string": [list(string), ["a", "b"]],
  "primitives/vec_u32_1_2_3": [list(u32), [1, 2, 3]],
};

const scalars: Record<string, AnySchema> = { bool, u8, u16, u32, u64, i8, i16, i32, i64, f32, f64 };

/** i32_neg128, u64_max, f32_0_25, bool_true ... */
function namedScalar(name: string): [AnySchema, unknown] {
  const [, type, text] = /^(?:\w+\/)?([a-z]\w*?\d*)_(.+)$/.exec(name)!;
  const schema = scalars[type];
  if (schema === bool) return [schema, text === "true"];
  const wide = schema === u64 || schema === i64;
  const bits = BigInt(type.slice(1));
  const extremes: Record<string, bigint> = type.startsWith("u")
    ? { min: 0n, max: 2n ** bits - 1n }
    : { min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 1n };
  if (text in extremes) return [schema, wide ? extremes[text] : Number(extremes[text])];
  const number = Number(text.replace("neg", "-").replace("_", "."));
  return [schema, wide ? BigInt(number) : number];
}

describe.each([true, false])("generated code: %s", (generate) => {
  const folders = ["primitives", "composite", "varint"];
  const files = folders.flatMap((folder) =>
    readdirSync(join(GOLDEN, folder)).map((name) => `${folder}/${name.replace(".bin", "")}`),
  );

  it("finds the vectors", () => {
    expect(files.length).toBeGreaterThan(90);
    expect(Object.keys(NAMED).filter((name) => !files.includes(name))).toEqual([]);
  });

  it.each(files)("%s", (name) => {
    const [schema, value] = NAMED[name] ?? namedScalar(name);
    const golden = new Uint8Array(readFileSync(join(GOLDEN, `${name}.bin`)));
    const codec = codecOf(schema, { generate });
    expect(codec.encode(value)).toEqual(golden);
    expect(codec.decode(golden)).toEqual(value);
  });

  describe.each(["scalars", "text", "containers", "enums", "structs"])("%s", (file) => {
    it.each(read<(Vector & { name: string })[]>(`${file}.json`))("$name", ({ schema, items }) => {
      const type = schemaFromJSON(schema);
      const codec = codecOf(type, { generate });
      for (const item of items) {
        const value = valueFromJSON(type.node, item.value);
        const golden = new Uint8Array(Buffer.from(item.bytes, "hex"));
        expect(codec.encode(value)).toEqual(golden);
        expect(codec.maxSize(value)).toBeGreaterThanOrEqual(golden.length);
        for (const decoded of [codec.decode(golden), codec.decodeBorrowed(golden)]) {
          expect(decoded).toEqual(value);
          expect(valueToJSON(type.node, decoded)).toEqual(valueToJSON(type.node, value));
        }
      }
    });
  });

  it.each(read<OddVector[]>("odd.json"))("odd: $name", ({ schema, bytes: hex, value, why }) => {
    const type = schemaFromJSON(schema);
    const codec = codecOf(type, { generate });
    const golden = new Uint8Array(Buffer.from(hex, "hex"));
    if (value !== undefined && why === undefined) {
      expect(codec.decode(golden)).toEqual(valueFromJSON(type.node, value));
      return;
    }
    try {
      codec.decode(golden);
    } catch (error) {
      expect(error).toBeInstanceOf(ConduitError);
      expect((error as ConduitError).code).toBe("CONDUIT_DECODE");
      return;
    }
    expect.unreachable("it was decoded");
  });
});
