// What the two compilers have in common: their contract, and what follows from a type alone.
import { resolve, type SchemaNode, type Scope } from "./node.js";

/** How byte strings come out of a message: copied, as views of it, or (with all else) not at all. */
export type ReadMode = "owned" | "borrowed" | "skip";

/** Returns the offset behind the value, NO_ROOM or WRONG. Writes nothing before `at` or from `end` on. */
export type Encode = (target: Uint8Array, at: number, end: number, value: unknown) => number;
/**
 * At least as many bytes as the value takes; anything for what is not a value of the type. Stops at the first sum above
 * `limit`: parts that occur twice would let a small value take any time.
 */
export type Bound = (value: unknown, limit: number) => number;
/**
 * The value at `at`. Leaves the offset behind it in `out.at`: the caller compares it with `end`, since a read may have
 * gone beyond. What cannot be read throws.
 */
export type Read = (source: Uint8Array, at: number, end: number) => unknown;

export interface Compiler {
  encoder(node: SchemaNode, scope: Scope | null): Encode;
  bounder(node: SchemaNode, scope: Scope | null): Bound;
  reader(node: SchemaNode, scope: Scope | null, mode: ReadMode): Read;
}

export interface CompilerOptions {
  /** Nesting of recursive types in a value. */
  maxDepth: number;
  /** Elements without bytes in one message: lists of unit, say. No length on the wire bounds those. */
  maxEmptyElements: number;
  /** Copies long byte strings to where they belong; default Uint8Array.prototype.set. */
  copy: ((target: Uint8Array, at: number, bytes: Uint8Array) => void) | undefined;
}

/** Byte strings from here on go through the `copy` option: below, a call costs more than it saves. */
export const COPY_FROM_BYTES = 256;

/** Types that are looked at for it: a peer's schema may have 2^NESTING_MAX ways through its refs. */
const LEAST_VISITS = 1_000;

/** At most the fewest bytes that a value of the type takes: what a list's length is checked against. */
export function leastBytes(node: SchemaNode, scope: Scope | null): number {
  return least(node, scope, [], { visits: LEAST_VISITS });
}

function least(
  node: SchemaNode,
  scope: Scope | null,
  open: readonly SchemaNode[],
  left: { visits: number },
): number {
  if (--left.visits < 0) return 0; // too few, never too many
  const sum = (nodes: readonly SchemaNode[], inner: Scope | null, path: readonly SchemaNode[]) =>
    Math.min(
      nodes.reduce((total, part) => total + least(part, inner, path, left), 0),
      2 ** 31,
    );
  switch (node.kind) {
    case "unit":
      return 0;
    case "f32":
    case "payload":
      return 4;
    case "f64":
      return 8;
    case "char":
      return 2;
    case "array":
      return Math.min(least(node.element, scope, open, left) * node.length, 2 ** 31);
    case "tuple":
      return sum(node.elements, scope, open);
    case "struct": {
      // A type that directly contains itself has no values; what it says does not matter.
      if (open.includes(node)) return 0;
      const types = node.fields.map(({ type }) => type);
      return sum(types, { node, outer: scope }, [...open, node]);
    }
    case "enum": {
      if (open.includes(node)) return 0;
      const inner = { node, outer: scope };
      const path = [...open, node];
      const payloads = node.variants.map(({ payload }) => {
        if (payload.kind === "unit") return 0;
        if (payload.kind === "newtype") return least(payload.type, inner, path, left);
        if (payload.kind === "tuple") return sum(payload.elements, inner, path);
        const types = payload.fields.map(({ type }) => type);
        return sum(types, inner, path);
      });
      return 1 + Math.min(...payloads);
    }
    case "ref": {
      const target = resolve(node, scope);
      return target === null ? 0 : least(target.node, target.outer, open, left);
    }
    default:
      return 1;
  }
}

/** The most bytes that a scalar of fixed extent takes; null for kinds that may take any number. */
export function scalarBytes(kind: SchemaNode["kind"]): number | null {
  switch (kind) {
    case "unit":
      return 0;
    case "bool":
    case "u8":
    case "i8":
      return 1;
    case "u16":
    case "i16":
      return 3;
    case "f32":
      return 4;
    case "u32":
    case "i32":
    case "char":
      return 5;
    case "f64":
      return 8;
    case "u64":
    case "i64":
      return 10;
    case "u128":
    case "i128":
      return 19;
    default:
      return null;
  }
}
