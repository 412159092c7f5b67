// Random types: encode then decode is identity, whatever arrives is a value or CONDUIT_DECODE, and the two compilers
// cannot be told apart.
import { deepStrictEqual } from "node:assert/strict";
import { describe, expect, it } from "vitest";
import { type Codec, codecOf } from "../../src/codec/codec.js";
import { fingerprint } from "../../src/codec/fingerprint.js";
import { schemaFromJSON } from "../../src/codec/schema-json.js";
import { ConduitError } from "../../src/errors.js";
import { Random, seeds } from "../wasm/random.js";
import { randomNode, randomValue } from "./random-schema.js";

const TYPES = 150;
const VALUES = 6;

interface Subject {
  random: Random;
  generated: Codec<unknown>;
  interpreted: Codec<unknown>;
  value: () => unknown;
}

function forRandomTypes(seed: number, check: (subject: Subject) => void): void {
  const random = new Random(seed);
  for (let i = 0; i < TYPES; i++) {
    const schema = schemaFromJSON(randomNode(random));
    const generated = codecOf(schema, { generate: true });
    const interpreted = codecOf(schema, { generate: false });
    const value = () => randomValue(random, schema.node);
    check({ random, generated, interpreted, value });
  }
}

/** What comes of a call: its value, or its error. */
function outcome(action: () => unknown): { value: unknown } | { code: string; message: string } {
  try {
    return { value: action() };
  } catch (error) {
    if (!(error instanceof ConduitError)) throw error;
    return { code: error.code, message: error.message };
  }
}

describe.each(seeds(3))("SEED=%i", (seed) => {
  it("a schema is its JSON", () => {
    const random = new Random(seed);
    for (let i = 0; i < TYPES; i++) {
      const schema = schemaFromJSON(randomNode(random));
      const again = schemaFromJSON(JSON.parse(JSON.stringify(schema)));
      deepStrictEqual(again.node, schema.node);
      expect(fingerprint(again)).toBe(fingerprint(schema));
    }
  });

  it("what is decoded is what was encoded", () => {
    forRandomTypes(seed, ({ random, generated, interpreted, value: make }) => {
      for (let i = 0; i < VALUES; i++) {
        const value = make();
        const encoded = generated.encode(value);
        deepStrictEqual(interpreted.encode(value), encoded);
        const start = random.below(9);
        const chunk = random.bytes(start + encoded.length + random.below(9));
        chunk.set(encoded, start);
        for (const codec of [generated, interpreted]) {
          const end = start + encoded.length;
          deepStrictEqual(codec.decode(chunk, start, end), value);
          deepStrictEqual(codec.decodeBorrowed(chunk, start, end), value);
          const lazy = codec.decodeLazy(chunk, start, end);
          if (codec.schema.node.kind !== "struct") deepStrictEqual(lazy, value);
          else {
            const { fields } = codec.schema.node;
            for (let j = 0; j < 2 * fields.length; j++) {
              const { name } = random.pick(fields);
              deepStrictEqual(
                (lazy as Record<string, unknown>)[name],
                (value as Record<string, unknown>)[name],
              );
            }
          }
        }
      }
    });
  });

  it("maxSize() is room enough, and with less nothing is written outside", () => {
    forRandomTypes(seed, ({ random, generated, interpreted, value: make }) => {
      const value = make();
      const size = generated.encode(value).length;
      for (const codec of [generated, interpreted]) {
        const most = codec.maxSize(value);
        for (const room of [most, size, random.below(size + 1), Math.max(0, size - 1)]) {
          const before = random.bytes(random.below(8) + room + 8);
          const start = before.length - room - 8;
          const target = before.slice();
          const end = codec.encodeInto(target, start, start + room, value);
          if (room >= most) expect(end).toBe(start + size);
          if (room < size) expect(end).toBe(-1);
          deepStrictEqual(target.subarray(0, start), before.subarray(0, start));
          deepStrictEqual(target.subarray(start + room), before.subarray(start + room));
        }
      }
    });
  });

  it("bytes that nobody encoded are a value or CONDUIT_DECODE", () => {
    let values = 0;
    let errors = 0;
    forRandomTypes(seed, ({ random, generated, interpreted, value: make }) => {
      for (let i = 0; i < VALUES * 4; i++) {
        const mutated = mutate(random, generated.encode(make()));
        const bytes = random.oneIn(4) ? random.bytes(random.below(64)) : mutated;
        for (const how of ["decode", "decodeBorrowed"] as const) {
          const one = outcome(() => generated[how](bytes));
          deepStrictEqual(
            one,
            outcome(() => interpreted[how](bytes)),
          );
          if ("value" in one) values++;
          else {
            errors++;
            expect(one.code).toBe("CONDUIT_DECODE");
          }
          // Nor is a lazy struct looser, but for its strings.
          const lazy = outcome(() => generated.decodeLazy(bytes));
          if ("value" in one) expect(lazy).toHaveProperty("value");
          else if ("code" in lazy) deepStrictEqual(lazy.code, "CONDUIT_DECODE");
          else expect(one.message).toMatch(/UTF-8|surplus/);
        }
      }
    });
    expect(values).toBeGreaterThan(0);
    expect(errors).toBeGreaterThan(0);
  });

  it("values that are not of the type are CONDUIT_ENCODE, by both compilers for the same reason", () => {
    const wrong = [
      undefined,
      null,
      true,
      -1,
      0.5,
      2 ** 53,
      7n,
      -(2n ** 130n),
      "",
      "\ud800",
      "ab",
      [],
      {},
      Symbol("s"),
      new Map(),
      new Set([1]),
      new Uint8Array(2),
      () => 1,
    ];
    let errors = 0;
    forRandomTypes(seed, ({ random, generated, interpreted, value: make }) => {
      for (let i = 0; i < VALUES; i++) {
        const value = random.oneIn(6) ? random.pick(wrong) : spoil(random, make(), wrong);
        const one = outcome(() => generated.encode(value));
        deepStrictEqual(
          one,
          outcome(() => interpreted.encode(value)),
        );
        if ("value" in one) continue;
        errors++;
        expect(one.code).toBe("CONDUIT_ENCODE");
        const size = outcome(() => generated.maxSize(value));
        expect("code" in size ? size : { value: "a number" }).toEqual(
          "code" in size ? one : { value: "a number" },
        );
      }
    });
    expect(errors).toBeGreaterThan(TYPES);
  });
});

/** A few bytes changed, cut off, repeated or put in. */
function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  let mutated = bytes.slice();
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(mutated.length + 1);
    switch (random.below(5)) {
      case 0:
        if (at < mutated.length) mutated[at] = random.u32();
        break;
      case 1:
        if (at < mutated.length) mutated[at] ^= 1 << random.below(8);
        break;
      case 2:
        mutated = mutated.slice(0, at);
        break;
      case 3:
        mutated = new Uint8Array([
          ...mutated.subarray(0, at),
          ...random.bytes(random.below(6)),
          ...mutated.subarray(at),
        ]);
        break;
      default:
        if (at < mutated.length) mutated[at] = random.pick([0, 127, 128, 255]);
    }
  }
  return mutated;
}

/** The value with one part, somewhere, replaced. */
function spoil(random: Random, value: unknown, wrong: readonly unknown[]): unknown {
  if (random.oneIn(4)) return random.pick(wrong);
  if (Array.isArray(value) && value.length > 0) {
    const copy = [...value];
    const at = random.below(copy.length);
    copy[at] = spoil(random, copy[at], wrong);
    return copy;
  }
  if (value instanceof Map && value.size > 0) {
    return new Map(
      [...value].map(([key, item]) => [key, random.oneIn(2) ? spoil(random, item, wrong) : item]),
    );
  }
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const names = Object.keys(value);
    if (names.length === 0) return value;
    const name = random.pick(names);
    const record = value as Record<string, unknown>;
    return { ...record, [name]: spoil(random, record[name], wrong) };
  }
  return random.pick(wrong);
}
