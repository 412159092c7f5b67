// Writes values, step by step: one closure for each type.
import { bytesOf, plainBytes } from "../bytes-of.js";
import { COPY_FROM_BYTES, type CompilerOptions, leastBytes } from "./compiler.js";
import { describe, Failure } from "./failure.js";
import {
  type EnumNode,
  enter,
  type FieldNode,
  isUnitEnum,
  type PayloadNode,
  type SchemaNode,
  type Scope,
} from "./node.js";
import { type Made, referred } from "./referred.js";
import { varintBytes, writeString } from "./text.js";
import * as wire from "./wire.js";

/** Where a value goes. */
interface Output {
  target: Uint8Array;
  at: number;
  end: number;
  depth: number;
  /** Elements without bytes that may still come: as many as a reader takes. */
  emptyLeft: number;
}

export type Put = (output: Output, value: unknown) => void;

/** Thrown by a Put for want of room. */
export const FULL = Symbol("no room");

export function putter(
  node: SchemaNode,
  scope: Scope | null,
  options: CompilerOptions,
  made: Made<Put>,
): Put {
  const inner = enter(node, scope);
  const of = (part: SchemaNode) => putter(part, inner, options, made);
  switch (node.kind) {
    case "unit":
      return (_, value) => {
        if (value !== null) throw expected("null", value);
      };
    case "bool":
      return (output, value) => {
        if (typeof value !== "boolean") throw expected("a boolean", value);
        room(output, 1);
        output.target[output.at++] = value ? 1 : 0;
      };
    case "u8":
      return narrow(0, 0xff, byte);
    case "i8":
      return narrow(-0x80, 0x7f, byte);
    case "u16":
      return narrow(0, 0xffff, varint);
    case "u32":
      return narrow(0, 0xffff_ffff, varint);
    case "i16":
      return narrow(-0x8000, 0x7fff, zigzag);
    case "i32":
      return narrow(-0x8000_0000, 0x7fff_ffff, zigzag);
    case "u64":
      if (node.as === "number") return wide(wire.writeSafeUnsigned, "an integer from 0 to 2^53 - 1");
      return wide(wire.writeU64, "a bigint from 0 to 2^64 - 1");
    case "u128":
      if (node.as === "number") return wide(wire.writeSafeUnsigned, "an integer from 0 to 2^53 - 1");
      return wide(wire.writeU128, "a bigint from 0 to 2^128 - 1");
    case "i64":
      if (node.as === "number") return wide(wire.writeSafeSigned, "an integer of at most 53 bits");
      return wide(wire.writeI64, "a bigint from -(2^63) to 2^63 - 1");
    case "i128":
      if (node.as === "number") return wide(wire.writeSafeSigned, "an integer of at most 53 bits");
      return wide(wire.writeI128, "a bigint from -(2^127) to 2^127 - 1");
    case "f32":
      return float(4, (view, at, value) => view.setFloat32(at, value, true));
    case "f64":
      return float(8, (view, at, value) => view.setFloat64(at, value, true));
    case "char":
      return (output, value) => {
        if (typeof value !== "string" || !/^\P{Surrogate}$/u.test(value))
          throw expected("one character", value);
        text(output, value);
      };
    case "string":
      return (output, value) => {
        if (typeof value !== "string") throw expected("a string", value);
        text(output, value);
      };
    case "bytes":
    case "payload":
      return (output, value) => {
        if (!(value instanceof Uint8Array)) throw expected("a Uint8Array", value);
        const length: number = bytesOf.length.call(value);
        if (node.kind === "bytes") {
          room(output, varintBytes(length));
          output.at = wire.writeVarint(output.target, output.at, length);
        } else {
          room(output, 4);
          wire.viewOf(output.target).setUint32(output.at, length, true);
          output.at += 4;
        }
        room(output, length);
        if (length >= COPY_FROM_BYTES && options.copy !== undefined)
          options.copy(output.target, output.at, plainBytes(value, length));
        else output.target.set(value, output.at);
        output.at += length;
      };
    case "option": {
      const put = of(node.element);
      const nested = node.element.kind === "option";
      return (output, value) => {
        room(output, 1);
        output.target[output.at++] = value === undefined ? 0 : 1;
        if (value === undefined) return;
        put(output, nested ? object(value).some : value);
      };
    }
    case "list": {
      const put = of(node.element);
      const least = leastBytes(node.element, scope);
      return (output, value) => {
        if (!Array.isArray(value)) throw expected("an array", value);
        const count = counted(value.length);
        if (least === 0) spendEmpty(output, count);
        length(output, count);
        room(output, count * least);
        elements(output, put, value, count);
      };
    }
    case "array": {
      const put = of(node.element);
      const least = leastBytes(node.element, scope);
      return (output, value) => {
        if (!Array.isArray(value)) throw expected("an array", value);
        if (value.length !== node.length)
          throw new Failure(`expected ${node.length} items, got ${value.length}`);
        if (least === 0) spendEmpty(output, node.length);
        elements(output, put, value, node.length);
      };
    }
    case "set": {
      const put = of(node.element);
      const least = leastBytes(node.element, scope);
      return (output, value) => {
        if (!(value instanceof Set)) throw expected("a Set", value);
        const size = counted(value.size);
        if (least === 0) spendEmpty(output, size);
        length(output, size);
        room(output, size * least);
        let count = 0;
        for (const item of value) {
          if (count++ === size) break;
          step(() => `{${describe(item)}}`, put, output, item);
        }
        if (count !== size) throw new Failure("the Set changed while it was read");
      };
    }
    case "map": {
      const key = of(node.key);
      const item = of(node.value);
      const least = leastBytes(node.key, scope) + leastBytes(node.value, scope);
      return (output, value) => {
        if (!(value instanceof Map)) throw expected("a Map", value);
        const size = counted(value.size);
        if (least === 0) spendEmpty(output, size);
        length(output, size);
        room(output, size * least);
        let count = 0;
        for (const entry of value) {
          if (count++ === size) break;
          step(() => `{key ${describe(entry[0])}}`, key, output, entry[0]);
          step(() => `{${describe(entry[0])}}`, item, output, entry[1]);
        }
        if (count !== size) throw new Failure("the Map changed while it was read");
      };
    }
    case "tuple":
      return tuplePutter(node.elements.map(of));
    case "struct": {
      const put = fieldsPutter(node.fields, of);
      made.set(inner!, put);
      return put;
    }
    case "enum": {
      const put = enumPutter(node, of);
      made.set(inner!, put);
      return put;
    }
    case "ref":
      return descend(
        referred(node, scope, made, (target, outer) => putter(target, outer, options, made)),
        options,
      );
  }
}

function tuplePutter(puts: readonly Put[]): Put {
  return (output, value) => {
    if (!Array.isArray(value)) throw expected("an array", value);
    if (value.length !== puts.length) throw new Failure(`expected ${puts.length} items, got ${value.length}`);
    for (let i = 0; i < puts.length; i++) step(() => `.${i}`, puts[i], output, value[i]);
  };
}

function fieldsPutter(fields: readonly FieldNode[], of: (node: SchemaNode) => Put): Put {
  const puts = fields.map(({ type }) => of(type));
  return (output, value) => {
    const from = object(value);
    for (let i = 0; i < fields.length; i++) {
      step(() => `.${fields[i].name}`, puts[i], output, from[fields[i].name]);
    }
  };
}

function enumPutter(node: EnumNode, of: (node: SchemaNode) => Put): Put {
  const unitsOnly = isUnitEnum(node);
  const tag = node.tag ?? "type";
  const indexes = new Map(node.variants.map(({ name }, index) => [name as unknown, index]));
  const payloads = node.variants.map(({ payload }) => payloadPutter(payload, of));
  return (output, value) => {
    const name = unitsOnly ? value : object(value)[tag];
    const index = indexes.get(name);
    if (index === undefined) {
      const failure = expected(`a variant of ${node.name}`, name);
      if (!unitsOnly) failure.path = `.${tag}`;
      throw failure;
    }
    length(output, index);
    step(() => `.${node.variants[index].name}`, payloads[index], output, value);
  };
}

function payloadPutter(payload: PayloadNode, of: (node: SchemaNode) => Put): Put {
  switch (payload.kind) {
    case "unit":
      return nothing;
    case "newtype":
    case "tuple": {
      const put = payload.kind === "newtype" ? of(payload.type) : tuplePutter(payload.elements.map(of));
      return (output, value) => put(output, object(value).value);
    }
    case "struct":
      return fieldsPutter(payload.fields, of);
  }
}

const nothing: Put = () => undefined;

/** A recursive type: the only way for a value to be deeper than its schema. */
function descend(target: () => Put, { maxDepth }: CompilerOptions): Put {
  return (output, value) => {
    if (++output.depth > maxDepth) throw new Failure(`nested deeper than ${maxDepth}`);
    target()(output, value);
    output.depth--;
  };
}

function narrow(min: number, max: number, write: (output: Output, value: number) => void): Put {
  return (output, value) => {
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw expected(`an integer from ${min} to ${max}`, value);
    }
    write(output, value as number);
  };
}

function byte(output: Output, value: number): void {
  room(output, 1);
  output.target[output.at++] = value;
}

function varint(output: Output, value: number): void {
  room(output, varintBytes(value));
  output.at = wire.writeVarint(output.target, output.at, value);
}

function zigzag(output: Output, value: number): void {
  varint(output, ((value << 1) ^ (value >> 31)) >>> 0);
}

const staging = new Uint8Array(19);

function wide(write: (target: Uint8Array, at: number, value: unknown) => number, what: string): Put {
  return (output, value) => {
    const size = write(staging, 0, value);
    if (size < 0) throw expected(what, value);
    room(output, size);
    output.target.set(staging.subarray(0, size), output.at);
    output.at += size;
  };
}

function float(size: number, write: (view: DataView, at: number, value: number) => void): Put {
  return (output, value) => {
    if (typeof value !== "number") throw expected("a number", value);
    room(output, size);
    write(wire.viewOf(output.target), output.at, value);
    output.at += size;
  };
}

function text(output: Output, value: string): void {
  const at = writeString(output.target, output.at, output.end, value);
  if (at === wire.WRONG) throw new Failure("a lone surrogate is not text");
  if (at === wire.NO_ROOM) throw FULL;
  output.at = at;
}

function elements(output: Output, put: Put, values: readonly unknown[], count: number): void {
  for (let i = 0; i < count; i++) step(() => `[${i}]`, put, output, values[i]);
}

function length(output: Output, value: number): void {
  varint(output, value);
}

/** What an array or a collection says of itself: it may be a Proxy, or have a property in the way, that says anything. */
function counted(size: number): number {
  if (size >>> 0 !== size) throw new Failure(`${describe(size)} is no number of elements`);
  return size;
}

function spendEmpty(output: Output, count: number): void {
  output.emptyLeft -= count;
  if (output.emptyLeft < 0) throw new Failure("too many elements without bytes");
}

function room(output: Output, bytes: number): void {
  if (output.end - output.at < bytes) throw FULL;
}

/** A step down: should it fail, `path` is the step's text. */
function step(path: () => string, put: Put, output: Output, value: unknown): void {
  try {
    put(output, value);
  } catch (error) {
    if (error instanceof Failure) error.path = path() + error.path;
    throw error;
  }
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw expected("an object", value);
  return value as Readonly<Record<string, unknown>>;
}

function expected(what: string, value: unknown): Failure {
  return new Failure(`expected ${what}, got ${describe(value)}`);
}
