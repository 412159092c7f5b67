// Values of a schema as JSON: how a field's default stands in a schema, exact and readable.
//
//   u64, u128, i64, i128          decimal strings, asNumber() or not
//   f32, f64                      numbers, or "NaN", "Infinity", "-Infinity", "-0"
//   bytes, payload                hexadecimal
//   unit · option                 null · null for none; the value, or { "some": value } where that may be null
//   map · set                     [[key, value], ...] · [value, ...]
//   the rest                      as in JavaScript
import {
  enter,
  type FieldNode,
  isUnitEnum,
  type Json,
  resolve,
  type SchemaNode,
  type Scope,
  schemaError,
} from "./node.js";

/** Smallest and largest value of each integer type. */
export const INTEGER_RANGES = {
  u8: [0n, 0xffn],
  u16: [0n, 0xffffn],
  u32: [0n, 0xffff_ffffn],
  u64: [0n, 2n ** 64n - 1n],
  u128: [0n, 2n ** 128n - 1n],
  i8: [-0x80n, 0x7fn],
  i16: [-0x8000n, 0x7fffn],
  i32: [-0x8000_0000n, 0x7fff_ffffn],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
  i128: [-(2n ** 127n), 2n ** 127n - 1n],
} as const;

const ODD_FLOATS = new Map<string, number>([
  ["NaN", Number.NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
  ["-0", -0],
]);

/** What defaults may have, all of a schema together: an option that is left out is made, so JSON does not bound it. */
const VALUES_MAX = 65_536;
/** Nesting of a default: a recursive type does not bound it. */
const DEFAULT_NESTING_MAX = 256;

/** How much may still be converted. */
export class Allowance {
  #values = VALUES_MAX;
  #nesting = 0;

  /** One value more, within those that were entered and not left. */
  enter(path: string): void {
    if (--this.#values < 0) throw schemaError(path, `more than ${VALUES_MAX} values in defaults`);
    if (++this.#nesting > DEFAULT_NESTING_MAX)
      throw schemaError(path, `a default is nested deeper than ${DEFAULT_NESTING_MAX}`);
  }

  leave(): void {
    this.#nesting--;
  }
}

/**
 * Throws CONDUIT_SCHEMA with the path to what is not of the type, or more than a default may be.
 * `scope`: the named types around `node`.
 */
export function valueToJSON(node: SchemaNode, value: unknown, scope: Scope | null = null): Json {
  return converter(toJSON, new Allowance())(node, value, scope, "default") as Json;
}

/** A value that is made anew by each call. Throws as valueToJSON(). */
export function valueFromJSON(
  node: SchemaNode,
  json: Json,
  scope: Scope | null = null,
  allowance = new Allowance(),
): unknown {
  return converter(fromJSON as ConvertOne, allowance)(node, json, scope, "default");
}

type Convert = (node: SchemaNode, value: unknown, scope: Scope | null, path: string) => unknown;
/** `convert` is for the value's parts. */
type ConvertOne = (
  node: SchemaNode,
  value: unknown,
  scope: Scope | null,
  path: string,
  convert: Convert,
) => unknown;

function converter(one: ConvertOne, allowance: Allowance): Convert {
  const convert: Convert = (node, value, scope, path) => {
    allowance.enter(path);
    const converted = one(node, value, scope, path, convert);
    allowance.leave();
    return converted;
  };
  return convert;
}

function toJSON(node: SchemaNode, value: unknown, scope: Scope | null, path: string, convert: Convert): Json {
  const of = (part: SchemaNode, item: unknown, where: string) => convert(part, item, inner, where) as Json;
  const inner = enter(node, scope);
  switch (node.kind) {
    case "u64":
    case "u128":
    case "i64":
    case "i128": {
      if (node.as === "number" ? !Number.isSafeInteger(value) : typeof value !== "bigint") {
        throw expected(node.as === "number" ? "a safe integer" : "a bigint", path);
      }
      return String(inRange(node.kind, BigInt(value as bigint | number), path));
    }
    case "f32":
    case "f64": {
      if (typeof value !== "number") throw expected("a number", path);
      if (Object.is(value, -0)) return "-0";
      if (!Number.isFinite(value)) return String(value);
      return node.kind === "f32" ? Math.fround(value) : value;
    }
    case "bytes":
    case "payload":
      if (!(value instanceof Uint8Array)) throw expected("a Uint8Array", path);
      return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
    case "option": {
      if (value === undefined) return null;
      const nested = node.element.kind === "option";
      const some = of(node.element, nested ? part(value, "some", path, MISSING) : value, path);
      return nested || node.element.kind === "unit" ? { some } : some;
    }
    case "map": {
      if (!(value instanceof Map)) throw expected("a Map", path);
      return Array.from(value, ([key, item]) => [
        of(node.key, key, `${path}{key}`),
        of(node.value, item, `${path}{value}`),
      ]);
    }
    case "set":
      if (!(value instanceof Set)) throw expected("a Set", path);
      return Array.from(value, (item) => of(node.element, item, `${path}[]`));
    default:
      return alike(node, value, inner, path, convert) as Json;
  }
}

function fromJSON(
  node: SchemaNode,
  json: Json,
  scope: Scope | null,
  path: string,
  convert: Convert,
): unknown {
  const of = (part: SchemaNode, item: unknown, where: string) => convert(part, item, inner, where);
  const inner = enter(node, scope);
  switch (node.kind) {
    case "u64":
    case "u128":
    case "i64":
    case "i128": {
      if (typeof json !== "string" || !/^(0|-?[1-9]\d{0,38})$/.test(json)) {
        throw expected("a decimal string", path);
      }
      const value = inRange(node.kind, BigInt(json), path);
      if (node.as === undefined) return value;
      if (!Number.isSafeInteger(Number(value))) throw expected("a safe integer", path);
      return Number(value);
    }
    case "f32":
    case "f64": {
      const value = typeof json === "string" ? ODD_FLOATS.get(json) : json;
      if (typeof value !== "number") throw expected("a number", path);
      return node.kind === "f32" ? Math.fround(value) : value;
    }
    case "bytes":
    case "payload": {
      if (typeof json !== "string" || !/^[0-9a-f]*$/.test(json) || json.length % 2 > 0)
        throw expected("hexadecimal", path);
      return Uint8Array.from({ length: json.length / 2 }, (_, i) =>
        Number.parseInt(json.slice(2 * i, 2 * i + 2), 16),
      );
    }
    case "option": {
      if (json === null || json === undefined) return undefined;
      const nested = node.element.kind === "option";
      const boxed = nested || node.element.kind === "unit";
      const some = of(node.element, boxed ? part(json, "some", path, MISSING) : json, path);
      return nested ? { some } : some;
    }
    case "map": {
      const entries = items(json, path).map((entry): [unknown, unknown] => {
        const [key, value] = items(entry, path, 2) as Json[];
        return [of(node.key, key, `${path}{key}`), of(node.value, value, `${path}{value}`)];
      });
      return new Map(entries);
    }
    case "set":
      return new Set(items(json, path).map((item) => of(node.element, item, `${path}[]`)));
    default:
      return alike(node, json, inner, path, convert);
  }
}

/** Kinds that look the same on both sides, parts aside. */
function alike(
  node: SchemaNode,
  value: unknown,
  scope: Scope | null,
  path: string,
  convert: Convert,
): unknown {
  switch (node.kind) {
    case "unit":
      if (value !== null) throw expected("null", path);
      return null;
    case "bool":
      if (typeof value !== "boolean") throw expected("a boolean", path);
      return value;
    case "u8":
    case "u16":
    case "u32":
    case "i8":
    case "i16":
    case "i32":
      if (!Number.isInteger(value)) throw expected("an integer", path);
      return Number(inRange(node.kind, BigInt(value as number), path));
    case "char":
      if (typeof value !== "string" || !/^\P{Surrogate}$/u.test(value)) throw expected("one character", path);
      return value;
    case "string":
      if (typeof value !== "string" || /\p{Surrogate}/u.test(value)) throw expected("a string", path);
      return value;
    case "list":
      return items(value, path).map((item, i) => convert(node.element, item, scope, `${path}[${i}]`));
    case "array":
      return items(value, path, node.length).map((item, i) =>
        convert(node.element, item, scope, `${path}[${i}]`),
      );
    case "tuple":
      return tuple(node.elements, value, scope, path, convert);
    case "struct":
      return fields(node.fields, value, scope, path, convert);
    case "enum": {
      const unitsOnly = isUnitEnum(node);
      const tag = node.tag ?? "type";
      const name = unitsOnly ? value : part(value, tag, path, MISSING);
      const variant = node.variants.find((candidate) => candidate.name === name);
      if (variant === undefined) throw schemaError(path, `${node.name} has no such variant`);
      if (unitsOnly) return name;
      const { payload } = variant;
      const where = `${path}.${variant.name}`;
      if (payload.kind === "unit") return { [tag]: name };
      if (payload.kind === "struct")
        return { [tag]: name, ...fields(payload.fields, value, scope, where, convert) };
      const inner = part(value, "value", where, MISSING);
      return payload.kind === "newtype"
        ? { [tag]: name, value: convert(payload.type, inner, scope, where) }
        : { [tag]: name, value: tuple(payload.elements, inner, scope, where, convert) };
    }
    case "ref": {
      const target = resolve(node, scope);
      if (target === null)
        throw schemaError(path, `a value of ${node.name} cannot stand inside its own type`);
      return convert(target.node, value, target.outer, path);
    }
    default:
      throw new TypeError(`unreachable: ${node.kind}`);
  }
}

function tuple(
  elements: readonly SchemaNode[],
  value: unknown,
  scope: Scope | null,
  path: string,
  convert: Convert,
): unknown[] {
  const values = items(value, path, elements.length);
  return elements.map((element, i) => convert(element, values[i], scope, `${path}.${i}`));
}

function fields(
  nodes: readonly FieldNode[],
  value: unknown,
  scope: Scope | null,
  path: string,
  convert: Convert,
): Record<string, unknown> {
  const converted: Record<string, unknown> = {};
  for (const { name, type } of nodes) {
    const where = `${path}.${name}`;
    const absent = type.kind === "option" ? undefined : MISSING;
    converted[name] = convert(type, part(value, name, where, absent), scope, where);
  }
  return converted;
}

const MISSING = Symbol("no stand-in");

/** An own property of an object; `absent` stands in for one that is not there. */
function part(value: unknown, name: string, path: string, absent: unknown): unknown {
  if (typeof value !== "object" || value === null) throw expected("an object", path);
  if (Object.hasOwn(value, name)) return (value as Record<string, unknown>)[name];
  if (absent === MISSING) throw schemaError(path, `"${name}" is missing`);
  return absent;
}

function items(value: unknown, path: string, length?: number): readonly unknown[] {
  if (!Array.isArray(value)) throw expected("an array", path);
  if (length !== undefined && value.length !== length) throw expected(`${length} items`, path);
  return value;
}

function inRange(kind: keyof typeof INTEGER_RANGES, value: bigint, path: string): bigint {
  const [min, max] = INTEGER_RANGES[kind];
  if (value < min || value > max) throw expected(`from ${min} to ${max}`, path);
  return value;
}

function expected(what: string, path: string) {
  return schemaError(path, `expected ${what}`);
}
