// Random types and values of them, small enough to make thousands.

import { INTEGER_RANGES } from "../../src/codec/json-value.js";
import {
  enter,
  type FieldNode,
  isUnitEnum,
  type PayloadNode,
  PLAIN_KINDS,
  resolve,
  type SchemaNode,
  type Scope,
  WIDE_KINDS,
} from "../../src/codec/node.js";
import type { Random } from "../wasm/random.js";

/** A type in its JSON form. `around`: names of enclosing types that a ref may mean. */
export function randomNode(random: Random, depth = 4, around: readonly string[] = []): SchemaNode {
  const node = (names = around) => randomNode(random, depth - 1, names);
  const kinds = ["option", "list", "set", "array", "map", "tuple", "struct", "enum", "ref"] as const;
  const kind = depth === 0 || random.oneIn(3) ? "scalar" : random.pick(kinds);
  switch (kind) {
    case "scalar": {
      if (random.oneIn(4)) {
        const wide = random.pick(WIDE_KINDS);
        return random.oneIn(3) ? { kind: wide, as: "number" } : { kind: wide };
      }
      return { kind: random.pick(PLAIN_KINDS) };
    }
    case "option":
    case "list":
    case "set":
      return { kind, element: node() };
    case "array":
      return { kind, element: node(), length: random.below(5) };
    case "map":
      return { kind, key: node(), value: node() };
    case "tuple":
      return { kind, elements: many(random, 4, () => node()) };
    case "struct": {
      const name = random.oneIn(4) ? `T${random.below(3)}` : `S${random.u32()}`;
      return { kind, name, fields: randomFields(random, 5, () => node([...around, name])) };
    }
    case "enum": {
      const name = random.oneIn(4) ? `T${random.below(3)}` : `E${random.u32()}`;
      const inner = () => node([...around, name]);
      const unitsOnly = random.oneIn(3);
      const count = unitsOnly && random.oneIn(4) ? random.between(13, 150) : random.between(1, 5);
      const variants = Array.from({ length: count }, (_, i) => ({
        name: `${random.pick(["A", "b\u2028", "é", '"', "constructor"])}${i}`,
        // The last variant has no payload: recursion has to end somewhere.
        payload: unitsOnly || i === count - 1 ? ({ kind: "unit" } as const) : randomPayload(random, inner),
      }));
      return { kind, name, variants, ...(random.oneIn(3) ? { tag: "kind" } : {}) };
    }
    case "ref": {
      if (around.length === 0) return { kind: "u8" };
      // Behind an option or a list: a type that directly contains itself has no values.
      const ref: SchemaNode = { kind: "ref", name: random.pick(around) };
      return { kind: random.oneIn(2) ? "option" : "list", element: ref };
    }
  }
}

function randomPayload(random: Random, node: () => SchemaNode): PayloadNode {
  switch (random.below(4)) {
    case 0:
      return { kind: "unit" };
    case 1:
      return { kind: "newtype", type: node() };
    case 2:
      return { kind: "tuple", elements: many(random, 4, node) };
    default:
      return { kind: "struct", fields: randomFields(random, 4, node) };
  }
}

function randomFields(random: Random, most: number, node: () => SchemaNode): FieldNode[] {
  const names = ["x", "a b", "toString", "'", "\\", "`", "日本"];
  return many(random, most, (i) => ({ name: `${random.pick(names)}${i}`, type: node() }));
}

/** A value of the type; `depth` bounds recursion. */
export function randomValue(
  random: Random,
  node: SchemaNode,
  scope: Scope | null = null,
  depth = 6,
): unknown {
  const inner = enter(node, scope);
  const value = (part: SchemaNode) => randomValue(random, part, inner, depth - 1);
  const count = () => (depth <= 0 ? 0 : random.oneIn(10) ? random.below(20) : random.below(4));
  switch (node.kind) {
    case "bool":
      return random.oneIn(2);
    case "u8":
    case "u16":
    case "u32":
    case "i8":
    case "i16":
    case "i32":
      return Number(randomInteger(random, node.kind));
    case "u64":
    case "u128":
    case "i64":
    case "i128": {
      const wide = randomInteger(random, node.kind);
      if (node.as === undefined) return wide;
      const most = BigInt(Number.MAX_SAFE_INTEGER);
      return Number(wide > most ? most - BigInt(random.below(3)) : wide < -most ? -most : wide);
    }
    case "f32":
      return Math.fround(randomFloat(random));
    case "f64":
      return randomFloat(random);
    case "char":
      return randomText(random, 1);
    case "string":
      return randomText(random, random.oneIn(8) ? random.below(400) : random.below(16));
    case "bytes":
    case "payload":
      return random.bytes(random.oneIn(8) ? random.below(600) : random.below(12));
    case "unit":
      return null;
    case "option": {
      if (depth <= 0 || random.oneIn(3)) return undefined;
      const some = value(node.element);
      return node.element.kind === "option" ? { some } : some;
    }
    case "list":
      return Array.from({ length: count() }, () => value(node.element));
    case "array":
      return Array.from({ length: node.length }, () => value(node.element));
    case "set":
      return new Set(Array.from({ length: count() }, () => value(node.element)));
    case "map":
      return new Map(Array.from({ length: count() }, () => [value(node.key), value(node.value)]));
    case "tuple":
      return node.elements.map(value);
    case "struct":
      return randomObject(node.fields, value);
    case "enum": {
      const { name, payload } = depth <= 0 ? node.variants.at(-1)! : random.pick(node.variants);
      if (isUnitEnum(node)) return name;
      const tagged = { [node.tag ?? "type"]: name };
      switch (payload.kind) {
        case "unit":
          return tagged;
        case "newtype":
          return { ...tagged, value: value(payload.type) };
        case "tuple":
          return { ...tagged, value: payload.elements.map(value) };
        case "struct":
          return { ...tagged, ...randomObject(payload.fields, value) };
      }
      break;
    }
    case "ref": {
      const target = resolve(node, scope)!;
      return randomValue(random, target.node, target.outer, depth - 1);
    }
  }
  throw new TypeError("unreachable");
}

function randomObject(
  fields: readonly FieldNode[],
  value: (node: SchemaNode) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(fields.map(({ name, type }) => [name, value(type)]));
}

/** Every number of bits is as likely as another, and so are the ends of the range. */
function randomInteger(random: Random, kind: keyof typeof INTEGER_RANGES): bigint {
  const [min, max] = INTEGER_RANGES[kind];
  if (random.oneIn(8)) return random.pick([min, max, 0n]);
  let value = 0n;
  for (let i = 0; i < 4; i++) value = (value << 32n) | BigInt(random.u32());
  const bits = max.toString(2).length;
  value = BigInt.asUintN(random.between(1, bits), value);
  return min < 0n && random.oneIn(2) ? -value : value;
}

function randomFloat(random: Random): number {
  if (random.oneIn(5)) return random.pick([0, -0, Number.NaN, Infinity, -Infinity, 1.5, -1e300]);
  return (random.u32() - 2 ** 31) / 2 ** random.below(40);
}

function randomText(random: Random, length: number): string {
  const ranges = random.pick([
    [[0x20, 0x7e]],
    [[0, 0x7f]],
    [[0, 0x7ff]],
    [
      [0x20, 0x7e],
      [0x80, 0x7ff],
      [0x800, 0xd7ff],
      [0xe000, 0xffff],
      [0x10000, 0x10ffff],
    ],
  ]);
  let text = "";
  for (let i = 0; i < length; i++) {
    const [min, max] = random.pick(ranges);
    text += String.fromCodePoint(random.between(min, max));
  }
  return text;
}

function many<T>(random: Random, most: number, make: (i: number) => T): T[] {
  return Array.from({ length: random.below(most + 1) }, (_, i) => make(i));
}
