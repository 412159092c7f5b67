// The compiler without generated code: a closure for each type. It serves pages whose Content-Security-Policy forbids
// `new Function`, and it explains: its closures check step by step and know their path. So when generated code finds
// that something is wrong, the same value or message goes through here to learn what it is and where.
import { bytesOf } from "../bytes-of.js";
import {
  type Bound,
  type Compiler,
  type CompilerOptions,
  type Encode,
  leastBytes,
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

const { length: lengthOf } = bytesOf;

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
    bounder(node, scope): Bound {
      const add = adder(node, scope, options, new Map());
      return (value, limit) => add(0, value, limit);
    },
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

/** Adds what a value takes at most to `sum`, unless that is above `limit` already. */
type Add = (sum: number, value: unknown, limit: number) => number;

function adder(node: SchemaNode, scope: Scope | null, options: CompilerOptions, made: Made<Add>): Add {
  const inner = enter(node, scope);
  const of = (part: SchemaNode) => adder(part, inner, options, made);
  const fixed = scalarBytes(node.kind);
  if (fixed !== null) return (sum) => sum + fixed;
  switch (node.kind) {
    case "string":
      return (sum, value) => sum + (typeof value === "string" ? stringBound(value) : 0);
    case "bytes":
    case "payload":
      return (sum, value) => sum + (value instanceof Uint8Array ? 5 + lengthOf.call(value) : 0);
    case "option": {
      const add = of(node.element);
      const nested = node.element.kind === "option";
      return (sum, value, limit) =>
        value === undefined ? sum + 1 : add(sum + 1, nested ? property(value, "some") : value, limit);
    }
    case "list":
    case "array": {
      const add = of(node.element);
      const least = leastBytes(node.element, scope);
      const each = least === 0 ? 1 : 0; // each element adds something, or the limit might never be reached
      return (sum, value, limit) => {
        sum += 5;
        if (!Array.isArray(value)) return sum;
        const { length } = value;
        if (sum + length * least > limit) return sum + length * least;
        for (let i = 0; i < length && sum <= limit; i++) sum = add(sum + each, value[i], limit);
        return sum;
      };
    }
    case "set": {
      const add = of(node.element);
      return (sum, value, limit) => {
        sum += 5;
        if (!(value instanceof Set)) return sum;
        for (const item of value) {
          if (sum > limit) break;
          sum = add(sum + 1, item, limit);
        }
        return sum;
      };
    }
    case "map": {
      const key = of(node.key);
      const item = of(node.value);
      return (sum, value, limit) => {
        sum += 5;
        if (!(value instanceof Map)) return sum;
        for (const entry of value) {
          if (sum > limit) break;
          sum = item(key(sum + 1, entry[0], limit), entry[1], limit);
        }
        return sum;
      };
    }
    case "tuple":
      return tupleAdder(node.elements.map(of));
    case "struct": {
      const add = fieldsAdder(node.fields, of);
      made.set(inner!, add);
      return add;
    }
    case "enum": {
      const unitsOnly = isUnitEnum(node);
      const tag = node.tag ?? "type";
      const adders = new Map<unknown, Add>();
      const add: Add = (sum, value, limit) => {
        const variant = adders.get(unitsOnly ? value : property(value, tag));
        return variant === undefined ? sum + 5 : variant(sum + 5, value, limit);
      };
      made.set(inner!, add);
      for (const { name, payload } of node.variants) {
        if (payload.kind === "struct") adders.set(name, fieldsAdder(payload.fields, of));
        else if (payload.kind !== "unit") {
          const parts = payload.kind === "newtype" ? of(payload.type) : tupleAdder(payload.elements.map(of));
          adders.set(name, (sum, value, limit) => parts(sum, property(value, "value"), limit));
        }
      }
      return add;
    }
    case "ref": {
      const target = referred(node, scope, made, (type, outer) => adder(type, outer, options, made));
      let depth = 0;
      return (sum, value, limit) => {
        if (sum > limit) return sum;
        // A value that goes deeper, or in circles, is refused at once: its ways through the circles may be 2^maxDepth.
        if (depth === options.maxDepth) throw TOO_DEEP;
        depth++;
        try {
          return target()(sum, value, limit);
        } finally {
          depth--;
        }
      };
    }
    default:
      throw new TypeError(`unreachable: ${node.kind}`);
  }
}

function tupleAdder(adders: readonly Add[]): Add {
  return (sum, value, limit) => {
    if (!Array.isArray(value)) return sum;
    for (let i = 0; i < adders.length; i++) sum = adders[i](sum, value[i], limit);
    return sum;
  };
}

function fieldsAdder(fields: readonly FieldNode[], of: (node: SchemaNode) => Add): Add {
  const adders = fields.map(({ type }) => of(type));
  return (sum, value, limit) => {
    for (let i = 0; i < fields.length; i++) sum = adders[i](sum, property(value, fields[i].name), limit);
    return sum;
  };
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
