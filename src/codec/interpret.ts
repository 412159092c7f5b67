// The compiler without generated code: a closure for each type. It serves pages whose Content-Security-Policy forbids
// `new Function`, and it explains: its closures check step by step and know their path. So when generated code finds
// that something is wrong, the same value or message goes through here to learn what it is and where.
import {
  type Bound,
  type Compiler,
  type CompilerOptions,
  type Encode,
  type Read,
  scalarBytes,
} from "./compiler.js";
import { getter, type Input } from "./decode-closures.js";
import { FULL, putter } from "./encode-closures.js";
import { Failure } from "./failure.js";
import { enter, type FieldNode, isUnitEnum, type SchemaNode, type Scope } from "./node.js";
import { type Made, referred } from "./referred.js";
import { stringBound } from "./text.js";
import { NO_ROOM, out } from "./wire.js";

/** Thrown by a Bound. */
const TOO_DEEP = Symbol("too deep");

export function interpreter(options: CompilerOptions): Compiler {
  return {
    encoder(node, scope): Encode {
      const put = putter(node, scope, options, new Map());
      return (target, at, end, value) => {
        const output = { target, at, end, depth: 0, emptyLeft: options.maxEmptyElements };
        try {
          put(output, value);
        } catch (error) {
          if (error === FULL) return NO_ROOM;
          throw error instanceof Failure ? error : new Failure("reading the value threw", null, error);
        }
        return output.at;
      };
    },
    bounder: (node, scope) => bounder(node, scope, options, new Map()),
    reader(node, scope, mode): Read {
      const get = getter(node, scope, options, new Map());
      return (source, at, end) => {
        const emptyLeft = options.maxEmptyElements;
        const input: Input = { source, start: at, end, mode, at, depth: 0, emptyLeft };
        const value = get(input);
        out.at = input.at;
        return value;
      };
    },
  };
}

function bounder(node: SchemaNode, scope: Scope | null, options: CompilerOptions, made: Made<Bound>): Bound {
  const inner = enter(node, scope);
  const of = (part: SchemaNode) => bounder(part, inner, options, made);
  const fixed = scalarBytes(node.kind);
  if (fixed !== null) return () => fixed;
  switch (node.kind) {
    case "string":
      return (value) => (typeof value === "string" ? stringBound(value) : 0);
    case "bytes":
    case "payload":
      return (value) => (value instanceof Uint8Array ? 5 + value.length : 0);
    case "option": {
      const bound = of(node.element);
      const nested = node.element.kind === "option";
      return (value) => 1 + (value === undefined ? 0 : bound(nested ? property(value, "some") : value));
    }
    case "list":
    case "array":
    case "set": {
      const bound = of(node.element);
      return (value) => {
        let sum = 5;
        if (Array.isArray(value) || value instanceof Set) for (const item of value) sum += bound(item);
        return sum;
      };
    }
    case "map": {
      const key = of(node.key);
      const item = of(node.value);
      return (value) => {
        let sum = 5;
        if (value instanceof Map) for (const entry of value) sum += key(entry[0]) + item(entry[1]);
        return sum;
      };
    }
    case "tuple":
      return tupleBound(node.elements.map(of));
    case "struct": {
      const bound = fieldsBound(node.fields, of);
      made.set(inner!, bound);
      return bound;
    }
    case "enum": {
      const unitsOnly = isUnitEnum(node);
      const tag = node.tag ?? "type";
      const bounds = new Map<unknown, Bound>();
      const bound: Bound = (value) =>
        5 + (bounds.get(unitsOnly ? value : property(value, tag))?.(value) ?? 0);
      made.set(inner!, bound);
      for (const { name, payload } of node.variants) {
        if (payload.kind === "struct") bounds.set(name, fieldsBound(payload.fields, of));
        else if (payload.kind !== "unit") {
          const parts = payload.kind === "newtype" ? of(payload.type) : tupleBound(payload.elements.map(of));
          bounds.set(name, (value) => parts(property(value, "value")));
        }
      }
      return bound;
    }
    case "ref": {
      const target = referred(node, scope, made, (type, outer) => bounder(type, outer, options, made));
      let depth = 0;
      return (value) => {
        // A value that goes deeper, or in circles, is refused at once: its ways through the circles may be 2^maxDepth.
        if (depth === options.maxDepth) throw TOO_DEEP;
        depth++;
        try {
          return target()(value);
        } finally {
          depth--;
        }
      };
    }
    default:
      throw new TypeError(`unreachable: ${node.kind}`);
  }
}

function tupleBound(bounds: readonly Bound[]): Bound {
  return (value) => {
    let sum = 0;
    if (Array.isArray(value)) for (let i = 0; i < bounds.length; i++) sum += bounds[i](value[i]);
    return sum;
  };
}

function fieldsBound(fields: readonly FieldNode[], of: (node: SchemaNode) => Bound): Bound {
  const bounds = fields.map(({ type }) => of(type));
  return (value) => {
    let sum = 0;
    for (let i = 0; i < fields.length; i++) sum += bounds[i](property(value, fields[i].name));
    return sum;
  };
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
