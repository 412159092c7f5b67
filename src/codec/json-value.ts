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

/** Throws CONDUIT_SCHEMA with the path to what is not of the type. `scope`: the named types around `node`. */
export function valueToJSON(node: SchemaNode, value: unknown, scope: Scope | null = null): Json {
  return toJSON(node, value, scope, "default");
}

/** A value that is made anew by each call. Throws CONDUIT_SCHEMA with the path to what is not of the type. */
export function valueFromJSON(node: SchemaNode, json: Json, scope: Scope | null = null): unknown {
  return fromJSON(node, json, scope, "default");
}

function toJSON(node: SchemaNode, value: unknown, scope: Scope | null, path: string): Json {
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
      return Number.isFinite(value) ? value : String(value);
    }
    case "bytes":
    case "payload":
      if (!(value instanceof Uint8Array)) throw expected("a Uint8Array", path);
      return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
    case "option": {
      if (value === undefined) return null;
      const nested = node.element.kind === "option";
      const some = toJSON(node.element, nested ? part(value, "some", path) : value, inner, path);
      return nested || node.element.kind === "unit" ? { some } : some;
    }
    case "map": {
      if (!(value instanceof Map)) throw expected("a Map", path);
      return Array.from(value, ([key, item]) => [
        toJSON(node.key, key, inner, `${path}{key}`),
        toJSON(node.value, item, inner, `${path}{value}`),
      ]);
    }
    case "set":
      if (!(value instanceof Set)) throw expected("a Set", path);
      return Array.from(value, (item) => toJSON(node.element, item, inner, `${path}[]`));
    default:
      return alike(node, value, inner, path, toJSON) as Json;
  }
}

function fromJSON(node: SchemaNode, json: Json, scope: Scope | null, path: string): unknown {
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
      if (typeof json !== "string" || !/^([0-9a-f]{2})*$/.test(json)) throw expected("hexadecimal", path);
      return Uint8Array.from(json.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
    }
    case "option": {
      if (json === null) return undefined;
      const nested = node.element.kind === "option";
      const boxed = nested || node.element.kind === "unit";
      const some = fromJSON(node.element, boxed ? (part(json, "some", path) as Json) : json, inner, path);
      return nested ? { some } : some;
    }
    case "map": {
      const entries = items(json, path).map((entry): [unknown, unknown] => {
        const [key, value] = items(entry, path, 2) as Json[];
        return [
          fromJSON(node.key, key, inner, `${path}{key}`),
          fromJSON(node.value, value, inner, `${path}{value}`),
        ];
      });
      return new Map(entries);
    }
    case "set":
      return new Set(
        items(json, path).map((item) => fromJSON(node.element, item as Json, inner, `${path}[]`)),
      );
    default:
      return alike(node, json, inner, path, fromJSON as Convert);
  }
}

type Convert = (node: SchemaNode, value: unknown, scope: Scope | null, path: string) => unknown;

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
      const name = unitsOnly ? value : part(value, tag, path);
      const variant = node.variants.find((candidate) => candidate.name === name);
      if (variant === undefined) throw schemaError(path, `${node.name} has no such variant`);
      if (unitsOnly) return name;
      const { payload } = variant;
      const where = `${path}.${variant.name}`;
      if (payload.kind === "unit") return { [tag]: name };
      if (payload.kind === "struct")
        return { [tag]: name, ...fields(payload.fields, value, scope, where, convert) };
      const inner = part(value, "value", where);
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
    const absent = type.kind === "option" ? (convert === toJSON ? undefined : null) : MISSING;
    converted[name] = convert(type, part(value, name, where, absent), scope, where);
  }
  return converted;
}

const MISSING = Symbol("no stand-in");

/** An own property of an object; `absent` stands in for one that is not there. */
function part(value: unknown, name: string, path: string, absent: unknown = MISSING): unknown {
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
