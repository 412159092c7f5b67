// Reads values, step by step: one closure for each type.
import { type CompilerOptions, leastBytes, type ReadMode } from "./compiler.js";
import { describe, Failure } from "./failure.js";
import { enter, isUnitEnum, type SchemaNode, type Scope, type VariantNode } from "./node.js";
import type { EnumReading, FieldReading, FieldsReading } from "./reading.js";
import { type Made, referred } from "./referred.js";
import { readString } from "./text.js";
import * as wire from "./wire.js";

/** Where a value comes from. */
export interface Input {
  readonly source: Uint8Array;
  readonly start: number;
  readonly end: number;
  mode: ReadMode;
  at: number;
  depth: number;
  emptyLeft: number;
}

export type Get = (input: Input) => unknown;

export function getter(
  node: SchemaNode,
  scope: Scope | null,
  options: CompilerOptions,
  made: Made<Get>,
): Get {
  const inner = enter(node, scope);
  const of = (part: SchemaNode) => getter(part, inner, options, made);
  switch (node.kind) {
    case "unit":
      return () => null;
    case "bool":
      return (input) => flag(input, "bool") === 1;
    case "u8":
      return take;
    case "i8":
      return (input) => (take(input) << 24) >> 24;
    case "u16":
      return (input) => takeVarint(input, 3, 0xffff, "u16");
    case "u32":
      return takeU32;
    case "i16":
      return (input) => unzigzag(takeVarint(input, 3, 0xffff, "i16"));
    case "i32":
      return (input) => unzigzag(takeU32(input));
    case "u64":
      return takeWide(node.as === "number" ? wire.readSafeUnsigned : wire.readU64, node);
    case "u128":
      return takeWide(node.as === "number" ? wire.readSafeU128 : wire.readU128, node);
    case "i64":
      return takeWide(node.as === "number" ? wire.readSafeSigned : wire.readI64, node);
    case "i128":
      return takeWide(node.as === "number" ? wire.readSafeI128 : wire.readI128, node);
    case "f32":
      return (input) => wire.viewOf(input.source).getFloat32(advance(input, 4), true);
    case "f64":
      return (input) => wire.viewOf(input.source).getFloat64(advance(input, 8), true);
    case "char":
      return (input) => {
        const start = input.at;
        const value = takeText(input, "owned");
        if (/^\P{Surrogate}$/u.test(value)) return value;
        throw malformed(input, start, "a char of not exactly one character");
      };
    case "string":
      return (input) => takeText(input, input.mode);
    case "bytes":
    case "payload":
      return (input) => {
        const start = input.at;
        const size =
          node.kind === "bytes"
            ? takeU32(input)
            : wire.viewOf(input.source).getUint32(advance(input, 4), true);
        if (size > input.end - input.at) throw tooLong(input, start, size, "bytes");
        const at = advance(input, size);
        if (input.mode === "owned") return wire.ownBytes(input.source, at, size);
        return input.mode === "borrowed" ? wire.viewBytes(input.source, at, size) : undefined;
      };
    case "option": {
      const get = of(node.element);
      const nested = node.element.kind === "option";
      return (input) => {
        if (flag(input, "option") === 0) return undefined;
        const value = into("?", get, input);
        return nested ? { some: value } : value;
      };
    }
    case "list": {
      const get = of(node.element);
      const least = leastBytes(node.element, scope);
      return (input) => takeElements(input, get, takeCount(input, least));
    }
    case "array": {
      const get = of(node.element);
      const least = leastBytes(node.element, scope);
      return (input) => {
        if (least === 0) spendEmpty(input, node.length, input.at);
        if (node.length * least > input.end - input.at)
          throw tooLong(input, input.at, node.length, "elements");
        return takeElements(input, get, node.length);
      };
    }
    case "set": {
      const get = of(node.element);
      const least = leastBytes(node.element, scope);
      return (input) => new Set(takeElements(input, get, takeCount(input, least)));
    }
    case "map": {
      const key = of(node.key);
      const item = of(node.value);
      const least = leastBytes(node.key, scope) + leastBytes(node.value, scope);
      return (input) => {
        const value = new Map<unknown, unknown>();
        const count = takeCount(input, least);
        for (let i = 0; i < count; i++) {
          const name = into(`{key ${i}}`, key, input);
          value.set(
            name,
            into(() => `{${describe(name)}}`, item, input),
          );
        }
        return value;
      };
    }
    case "tuple": {
      const gets = node.elements.map(of);
      return (input) => gets.map((get, i) => into(`.${i}`, get, input));
    }
    case "struct": {
      const get = fieldsGetter(node, of, {});
      made.set(inner!, get);
      return get;
    }
    case "enum": {
      const get = enumGetter(node, of);
      made.set(inner!, get);
      return get;
    }
    case "ref": {
      const target = referred(node, scope, made, (type, outer) => getter(type, outer, options, made));
      return (input) => {
        if (++input.depth > options.maxDepth) {
          throw malformed(input, input.at, `nested deeper than ${options.maxDepth}`);
        }
        const value = target()(input);
        input.depth--;
        return value;
      };
    }
  }
}

function fieldsGetter(
  reading: FieldsReading,
  of: (node: SchemaNode) => Get,
  start: Readonly<Record<string, unknown>>,
): Get {
  const fields: readonly FieldReading[] = reading.fields;
  const { properties } = reading;
  const gets = fields.map(({ type }) => of(type));
  return (input) => {
    const value: Record<string, unknown> = { ...start };
    const { mode } = input;
    // Properties come in the reader's order.
    if (properties !== undefined && mode !== "skip") {
      for (const { name, make } of properties) value[name] = make?.();
    }
    for (let i = 0; i < fields.length; i++) {
      const { name, skip } = fields[i];
      if (skip) input.mode = "skip";
      const field = into(() => `.${name}`, gets[i], input);
      input.mode = mode;
      if (!skip) value[name] = field;
    }
    return value;
  };
}

function enumGetter(node: EnumReading, of: (node: SchemaNode) => Get): Get {
  const unitsOnly = node.units ?? isUnitEnum(node);
  const tag = node.tag ?? "type";
  const payloads = node.variants.map((variant) => variantGetter(variant, tag, unitsOnly, of));
  return (input) => {
    const start = input.at;
    const index = takeU32(input);
    if (index >= payloads.length) throw malformed(input, start, `${node.name} has no variant ${index}`);
    const { name, unknown } = node.variants[index];
    if (unknown) throw malformed(input, start, `${node.name} has no variant ${name}, which the writer knows`);
    return into(() => `.${name}`, payloads[index], input);
  };
}

function variantGetter(
  { name, payload }: VariantNode,
  tag: string,
  unitsOnly: boolean,
  of: (node: SchemaNode) => Get,
): Get {
  switch (payload.kind) {
    case "unit":
      return unitsOnly ? () => name : () => ({ [tag]: name });
    case "newtype": {
      const get = of(payload.type);
      return (input) => ({ [tag]: name, value: get(input) });
    }
    case "tuple": {
      const gets = payload.elements.map(of);
      return (input) => ({ [tag]: name, value: gets.map((get, i) => into(`.${i}`, get, input)) });
    }
    case "struct":
      return fieldsGetter(payload, of, { [tag]: name });
  }
}

/** Takes `size` bytes and returns where they start. */
function advance(input: Input, size: number): number {
  const { at } = input;
  if (input.end - at < size) throw malformed(input, at, `ends ${size - (input.end - at)} bytes too early`);
  input.at = at + size;
  return at;
}

function take(input: Input): number {
  return input.source[advance(input, 1)];
}

function flag(input: Input, what: string): number {
  const value = take(input);
  if (value > 1) throw malformed(input, input.at - 1, `${value} is no ${what}`);
  return value;
}

function takeVarint(input: Input, maxBytes: number, max: number, what: string): number {
  const start = input.at;
  let value = 0;
  for (let i = 0; i < maxBytes; i++) {
    const next = take(input);
    value += (next & 127) * 2 ** (7 * i);
    if (next > 127) continue;
    if (value > max) break;
    return value;
  }
  throw malformed(input, start, `a varint too large for ${what}`);
}

function takeU32(input: Input): number {
  return takeVarint(input, 5, 0xffff_ffff, "u32");
}

function unzigzag(value: number): number {
  return (value >>> 1) ^ -(value & 1);
}

function takeWide(
  read: (source: Uint8Array, at: number) => unknown,
  { kind, as }: { kind: string; as?: string },
): Get {
  return (input) => {
    const start = input.at;
    const most = kind.endsWith("128") ? 19 : 10;
    let size = 0;
    do {
      if (size++ === most) throw malformed(input, start, `a varint too large for ${kind}`);
    } while (take(input) > 127);
    try {
      return read(input.source, start);
    } catch {
      throw malformed(input, start, `a varint too large for ${kind}${as === undefined ? "" : " as number"}`);
    }
  };
}

function takeText(input: Input, mode: ReadMode): string {
  const start = input.at;
  const size = takeU32(input);
  if (size > input.end - input.at) throw tooLong(input, start, size, "bytes");
  const at = advance(input, size);
  if (mode === "skip") return "";
  try {
    return readString(input.source, at, size);
  } catch {
    throw malformed(input, at, "not UTF-8");
  }
}

/** The number of elements of a list, checked against what is left. */
function takeCount(input: Input, least: number): number {
  const start = input.at;
  const count = takeU32(input);
  if (count * least > input.end - input.at) throw tooLong(input, start, count, "elements");
  if (least === 0) spendEmpty(input, count, start);
  return count;
}

function spendEmpty(input: Input, count: number, start: number): void {
  input.emptyLeft -= count;
  if (input.emptyLeft < 0) throw malformed(input, start, "too many elements without bytes");
}

function takeElements(input: Input, get: Get, count: number): unknown[] {
  const values = new Array<unknown>(count);
  for (let i = 0; i < count; i++) values[i] = into(() => `[${i}]`, get, input);
  return values;
}

function into(path: string | (() => string), get: Get, input: Input): unknown {
  try {
    return get(input);
  } catch (error) {
    if (error instanceof Failure) error.path = (typeof path === "string" ? path : path()) + error.path;
    throw error;
  }
}

function tooLong(input: Input, at: number, count: number, what: string): Failure {
  return malformed(input, at, `${count} ${what} announced, ${input.end - input.at} bytes left`);
}

function malformed(input: Input, at: number, what: string): Failure {
  return new Failure(what, at - input.start);
}
