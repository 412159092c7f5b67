// A schema as plain data: what compilers, message plans and tools work on, and exactly what stands in its JSON form.
//
// Nodes are immutable. Named types are written in full where they occur; `ref` exists for recursion only and means
// the innermost enclosing struct or enum of that name, so a node needs no table of definitions beside it.
import { type Blame, ConduitError } from "../errors.js";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export const NARROW_KINDS = ["u8", "u16", "u32", "i8", "i16", "i32"] as const;
export const WIDE_KINDS = ["u64", "u128", "i64", "i128"] as const;
const OTHER_SCALARS = ["bool", "f32", "f64", "char", "string", "bytes", "unit", "payload"] as const;
export const PLAIN_KINDS = [...NARROW_KINDS, ...OTHER_SCALARS] as const;

export type NarrowKind = (typeof NARROW_KINDS)[number];
export type WideKind = (typeof WIDE_KINDS)[number];
export type PlainKind = (typeof PLAIN_KINDS)[number];

/** A scalar without options. `payload` is opaque bytes behind a u32 LE length, `bytes` has a varint length. */
export interface PlainNode {
  readonly kind: PlainKind;
}
/** bigint in JavaScript, or a safe integer when `as` says so; the wire does not differ. */
export interface WideNode {
  readonly kind: WideKind;
  readonly as?: "number";
}
/** `set` has the wire form of `list`. */
export interface ElementNode {
  readonly kind: "option" | "list" | "set";
  readonly element: SchemaNode;
}
export interface ArrayNode {
  readonly kind: "array";
  readonly element: SchemaNode;
  readonly length: number;
}
export interface MapNode {
  readonly kind: "map";
  readonly key: SchemaNode;
  readonly value: SchemaNode;
}
export interface TupleNode {
  readonly kind: "tuple";
  readonly elements: readonly SchemaNode[];
}
export interface FieldNode {
  readonly name: string;
  readonly type: SchemaNode;
  /** What a reader takes when the writer's version has no such field; valueFromJSON() makes the value. */
  readonly default?: Json;
}
export interface StructNode {
  readonly kind: "struct";
  readonly name: string;
  readonly fields: readonly FieldNode[];
}
export type PayloadNode =
  | { readonly kind: "unit" }
  | { readonly kind: "newtype"; readonly type: SchemaNode }
  | { readonly kind: "tuple"; readonly elements: readonly SchemaNode[] }
  | { readonly kind: "struct"; readonly fields: readonly FieldNode[] };
/** The index on the wire is the position in the enum. */
export interface VariantNode {
  readonly name: string;
  readonly payload: PayloadNode;
}
export interface EnumNode {
  readonly kind: "enum";
  readonly name: string;
  readonly variants: readonly VariantNode[];
  /** The property that tells the variant in JavaScript, `type` when absent; the wire does not differ. */
  readonly tag?: string;
}
export interface RefNode {
  readonly kind: "ref";
  readonly name: string;
}
export type NamedNode = StructNode | EnumNode;
export type SchemaNode =
  | PlainNode
  | WideNode
  | ElementNode
  | ArrayNode
  | MapNode
  | TupleNode
  | StructNode
  | EnumNode
  | RefNode;

/** Nodes of one schema, each occurrence counted: a compiler may visit and emit every one of them. */
export const NODES_MAX = 16_384;
/** Nesting of a schema (not of a value: that is a codec's `maxDepth`). */
export const NESTING_MAX = 64;
export const NAME_CHARS_MAX = 256;
/** Of an `array`: its elements are made without any length on the wire to check against. */
export const ARRAY_LENGTH_MAX = 65_536;

/** What is wrong with a schema and where: `Order.lines[].price: ...`. */
export function schemaError(path: string, what: string, blame: Blame = "local"): ConduitError {
  const text = path === "" ? what : `${path}: ${what}`;
  return new ConduitError("CONDUIT_SCHEMA", blame, text, { fatal: false });
}

/** Why `name` cannot name a type, field or variant, or null. */
export function badName(name: unknown): string | null {
  if (typeof name !== "string") return "a name has to be a string";
  if (name.length === 0 || name.length > NAME_CHARS_MAX)
    return `a name has 1 to ${NAME_CHARS_MAX} characters`;
  // A property of this name would be an object's prototype, or lose its place among the others.
  if (name === "__proto__" || /^(0|[1-9]\d*)$/.test(name)) return `"${name}" cannot be a name`;
  return null;
}

/** Enums whose variants all lack a payload are strings in JavaScript; others are objects with a tag. */
export function isUnitEnum(node: EnumNode): boolean {
  return node.variants.every(({ payload }) => payload.kind === "unit");
}

/** What makes an enum impossible, or null. */
export function enumProblem(node: EnumNode): { path: string; what: string } | null {
  if (node.variants.length === 0) return { path: node.name, what: "an enum has at least one variant" };
  const names = new Set<string>();
  for (const { name, payload } of node.variants) {
    const path = `${node.name}.${name}`;
    const bad = badName(name);
    if (bad !== null) return { path: node.name, what: bad };
    if (names.has(name)) return { path: node.name, what: `two variants are named ${name}` };
    names.add(name);
    const tag = node.tag ?? "type";
    if (payload.kind === "struct" && payload.fields.some((field) => field.name === tag)) {
      return { path, what: `a field is named like the enum's tag "${tag}": choose another tag` };
    }
    if ((payload.kind === "newtype" || payload.kind === "tuple") && tag === "value") {
      return { path, what: 'the payload is in the property "value": choose another tag' };
    }
  }
  return null;
}

export function isNamed(node: SchemaNode): node is NamedNode {
  return node.kind === "struct" || node.kind === "enum";
}

/** Named types around a node, innermost first: what a `ref` is looked up in. */
export interface Scope {
  readonly node: NamedNode;
  readonly outer: Scope | null;
}

/** The scope of what is inside `node`. */
export function enter(node: SchemaNode, scope: Scope | null): Scope | null {
  return isNamed(node) ? { node, outer: scope } : scope;
}

/** Where a `ref` points to, as the scope whose `node` it is; null: nowhere. */
export function resolve(ref: RefNode, scope: Scope | null): Scope | null {
  let found = scope;
  while (found !== null && found.node.name !== ref.name) found = found.outer;
  return found;
}

/** A node's children with the text that a path gets for each. */
export function children(node: SchemaNode): { readonly step: string; readonly node: SchemaNode }[] {
  switch (node.kind) {
    case "option":
      return [{ step: "?", node: node.element }];
    case "list":
    case "set":
    case "array":
      return [{ step: "[]", node: node.element }];
    case "map":
      return [
        { step: "{key}", node: node.key },
        { step: "{value}", node: node.value },
      ];
    case "tuple":
      return node.elements.map((element, index) => ({ step: `.${index}`, node: element }));
    case "struct":
      return node.fields.map((field) => ({ step: `.${field.name}`, node: field.type }));
    case "enum":
      return node.variants.flatMap(({ name, payload }) =>
        payloadChildren(payload).map(({ step, node }) => ({ step: `.${name}${step}`, node })),
      );
    default:
      return [];
  }
}

function payloadChildren(payload: PayloadNode): { readonly step: string; readonly node: SchemaNode }[] {
  switch (payload.kind) {
    case "unit":
      return [];
    case "newtype":
      return [{ step: "", node: payload.type }];
    case "tuple":
      return payload.elements.map((element, index) => ({ step: `.${index}`, node: element }));
    case "struct":
      return payload.fields.map((field) => ({ step: `.${field.name}`, node: field.type }));
  }
}

/** Where a path starts: the type's name, or its kind in angle brackets. */
export function rootStep(node: SchemaNode): string {
  return isNamed(node) ? node.name : `<${node.kind}>`;
}
