// Types of messages: combinators whose TypeScript type follows from them, over plain data (node.ts).
//
//   const Order = struct("Order", { id: u64, lines: list(struct("Line", { sku: string, count: u16 })) });
//   type Order = Infer<typeof Order>;
//
// What a value looks like in JavaScript:
//
//   bool · u8..u32, i8..i32, f32, f64    boolean · number; integers are checked, an f32 is rounded
//   u64, u128, i64, i128                 bigint, or with asNumber() a safe integer
//   char · string                        string; a char is exactly one code point; no lone surrogates
//   bytes, payload                       Uint8Array
//   unit · option(T)                     null · T or undefined; an option of an option: { some: T } or undefined
//   list(T), array(T, n), tuple(...)     arrays · map: Map · set: Set
//   struct                               an object; a property whose type includes undefined may be left out
//   enumOf, no variant has a payload     the variant's name, a string
//   enumOf, some variant has one         { type: "Name" } and its payload: a newtype's or a tuple's in `value`,
//                                        a struct variant's fields beside `type`
//
// The tag is `type` because Rust reserves that word: no field of a Rust struct variant has this name by accident.
import { valueToJSON } from "./json-value.js";
import { Messages } from "./messages.js";
import {
  ARRAY_LENGTH_MAX,
  badName,
  children,
  type EnumNode,
  enter,
  enumProblem,
  type FieldNode,
  isNamed,
  type Json,
  type NamedNode,
  NESTING_MAX,
  NODES_MAX,
  type PayloadNode,
  type RefNode,
  resolve,
  rootStep,
  type SchemaNode,
  type Scope,
  schemaError,
  type VariantNode,
  WIDE_KINDS,
} from "./node.js";

declare const VALUE: unique symbol;

/** A type of message. Immutable; make one with the combinators or with schemaFromJSON(). */
export class Schema<T> {
  /** Exists for the compiler only. Invariant: what is sent and what is received have one type. */
  declare readonly [VALUE]: (value: T) => T;
  /** The schema as plain data: frozen, of JSON values only. */
  readonly node: SchemaNode;
  #messages: Messages<T> | undefined;

  /** Not for applications: combinators and schemaFromJSON() check what they pass. */
  constructor(node: SchemaNode) {
    checkExtent(node);
    this.node = freeze(node);
  }

  /** What a conduit asks of a schema. */
  get messages(): Messages<T> {
    this.#messages ??= new Messages(this as Schema<T>);
    return this.#messages;
  }

  /** For JSON.stringify(); schemaFromJSON() reads it. */
  toJSON(): SchemaNode {
    return this.node;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: Schema is invariant, so no other argument is a bound for all of them.
export type AnySchema = Schema<any>;

/** The type of a schema's values. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

/** A struct's field and what a reader takes for it when the writer's version has no such field. */
export interface FieldWithDefault<T> {
  readonly schema: Schema<T>;
  readonly default: Json;
}

// biome-ignore lint/suspicious/noExplicitAny: as above.
type AnyField = FieldWithDefault<any>;

export type Fields = Readonly<Record<string, AnySchema | AnyField>>;
/** A variant's payload: none, one type, a tuple, or named fields. */
export type Variant = null | AnySchema | readonly AnySchema[] | Fields;
export type Variants = Readonly<Record<string, Variant>>;

type Simplify<T> = { [K in keyof T]: T[K] };
type FieldValue<F> = F extends { readonly schema: Schema<infer T> } ? T : Infer<F>;
type MayBeAbsent<T> = undefined extends T ? true : false;
type StructValue<F> = Simplify<
  { -readonly [K in keyof F as MayBeAbsent<FieldValue<F[K]>> extends true ? never : K]: FieldValue<F[K]> } & {
    -readonly [K in keyof F as MayBeAbsent<FieldValue<F[K]>> extends true ? K : never]?: FieldValue<F[K]>;
  }
>;
type TupleValue<E extends readonly AnySchema[]> = { -readonly [I in keyof E]: Infer<E[I]> };
type OptionValue<T> = (undefined extends T ? { some: T } : T) | undefined;
type VariantValue<Tag extends string, Name, V> = V extends null
  ? { [K in Tag]: Name }
  : V extends AnySchema
    ? Simplify<{ [K in Tag]: Name } & { value: Infer<V> }>
    : V extends readonly AnySchema[]
      ? Simplify<{ [K in Tag]: Name } & { value: TupleValue<V> }>
      : Simplify<{ [K in Tag]: Name } & StructValue<V>>;
type EnumValue<Tag extends string, V> = [V[keyof V]] extends [null]
  ? keyof V
  : { [Name in keyof V]: VariantValue<Tag, Name, V[Name]> }[keyof V];

export const bool = new Schema<boolean>({ kind: "bool" });
export const u8 = new Schema<number>({ kind: "u8" });
export const u16 = new Schema<number>({ kind: "u16" });
export const u32 = new Schema<number>({ kind: "u32" });
export const u64 = new Schema<bigint>({ kind: "u64" });
export const u128 = new Schema<bigint>({ kind: "u128" });
export const i8 = new Schema<number>({ kind: "i8" });
export const i16 = new Schema<number>({ kind: "i16" });
export const i32 = new Schema<number>({ kind: "i32" });
export const i64 = new Schema<bigint>({ kind: "i64" });
export const i128 = new Schema<bigint>({ kind: "i128" });
/** Rounded to the nearest f32 when it is encoded. */
export const f32 = new Schema<number>({ kind: "f32" });
export const f64 = new Schema<number>({ kind: "f64" });
/** One Unicode scalar value. */
export const char = new Schema<string>({ kind: "char" });
export const string = new Schema<string>({ kind: "string" });
/** `Vec<u8>`: a varint length and the bytes. */
export const bytes = new Schema<Uint8Array>({ kind: "bytes" });
/** `()`: no bytes at all. */
export const unit = new Schema<null>({ kind: "unit" });
/** Opaque bytes behind a u32 LE length, say another codec's message. */
export const payload = new Schema<Uint8Array>({ kind: "payload" });

/** The same type with numbers for bigints: a value beyond ±(2^53 - 1) is an error, on both sides. */
export function asNumber(schema: Schema<bigint>): Schema<number> {
  const { node } = schema;
  for (const kind of WIDE_KINDS) if (node.kind === kind) return new Schema({ kind, as: "number" });
  throw schemaError(rootStep(node), "asNumber() takes u64, u128, i64 or i128");
}

export function option<T>(element: Schema<T>): Schema<OptionValue<T>> {
  return new Schema({ kind: "option", element: nodeOf(element, "<option>") });
}

export function list<T>(element: Schema<T>): Schema<T[]> {
  return new Schema({ kind: "list", element: nodeOf(element, "<list>") });
}

/** `[T; length]`: no length on the wire. */
export function array<T>(element: Schema<T>, length: number): Schema<T[]> {
  if (!Number.isInteger(length) || length < 0 || length > ARRAY_LENGTH_MAX) {
    throw schemaError("<array>", `a length is an integer from 0 to ${ARRAY_LENGTH_MAX}`);
  }
  return new Schema({ kind: "array", element: nodeOf(element, "<array>"), length });
}

/** In the order of the Map. A key that arrives twice keeps its last value, as in the reference. */
export function map<K, V>(key: Schema<K>, value: Schema<V>): Schema<Map<K, V>> {
  return new Schema({ kind: "map", key: nodeOf(key, "<map>"), value: nodeOf(value, "<map>") });
}

/** Objects in a Set are told apart by identity, as always in JavaScript. */
export function set<T>(element: Schema<T>): Schema<Set<T>> {
  return new Schema({ kind: "set", element: nodeOf(element, "<set>") });
}

/** Tuples, and tuple structs of more than one field; a struct of one unnamed field is its field. */
export function tuple<const E extends readonly AnySchema[]>(...elements: E): Schema<TupleValue<E>> {
  return new Schema({ kind: "tuple", elements: elements.map((element) => nodeOf(element, "<tuple>")) });
}

/** Field names matter: versions of a struct are matched by them, on the wire only their order does. */
export function struct<const F extends Fields>(name: string, fields: F): Schema<StructValue<F>> {
  const bad = badName(name);
  if (bad !== null) throw schemaError("<struct>", bad);
  return new Schema({ kind: "struct", name, fields: fieldNodes(fields, name) });
}

/**
 * An enum. `variants` are either names, or an object with each variant's payload: null for none, a schema for a
 * newtype variant, an array of schemas for a tuple variant, an object of fields for a struct variant.
 * `tag` names another property than `type`, should a struct variant have a field of that name.
 */
export function enumOf<const N extends string>(name: string, variants: readonly N[]): Schema<N>;
// Without a tag there is nothing to infer: an expected type with more properties would be taken for more tags.
export function enumOf<const V extends Variants>(name: string, variants: V): Schema<EnumValue<"type", V>>;
export function enumOf<const V extends Variants, const Tag extends string>(
  name: string,
  variants: V,
  options: { tag: Tag },
): Schema<EnumValue<Tag, V>>;
export function enumOf(
  name: string,
  variants: readonly string[] | Variants,
  { tag }: { tag?: string } = {},
): AnySchema {
  const bad = badName(name) ?? (tag === undefined ? null : badName(tag));
  if (bad !== null) throw schemaError("<enum>", bad);
  const entries = Array.isArray(variants)
    ? variants.map((variant): [string, Variant] => [variant, null])
    : Object.entries(variants);
  const nodes = entries.map(
    ([variant, spec]): VariantNode => ({ name: variant, payload: payloadNode(spec, `${name}.${variant}`) }),
  );
  const node: EnumNode = { kind: "enum", name, variants: nodes, ...(tag === undefined ? {} : { tag }) };
  const problem = enumProblem(node);
  if (problem !== null) throw schemaError(problem.path, problem.what);
  return new Schema(node);
}

/**
 * A struct or enum that contains itself: `build` gets the schema to stand for it inside.
 *
 *   interface Tree { value: number; children: Tree[] }
 *   const Tree = recursive<Tree>("Tree", (tree) => struct("Tree", { value: u32, children: list(tree) }));
 */
export function recursive<T>(name: string, build: (self: Schema<T>) => Schema<T>): Schema<T> {
  const self = new Schema<T>({ kind: "ref", name });
  const schema = build(self);
  const { node } = schema;
  if (!isNamed(node) || node.name !== name) {
    throw schemaError(name, "build() has to return the struct or enum of this name");
  }
  const path = misled(node, null, self.node as RefNode, node);
  if (path !== null) throw schemaError(`${name}${path}`, `another type named ${name} is in between`);
  return schema;
}

/** A field with what a reader takes for it when the writer's version does not have it. */
export function withDefault<T>(schema: Schema<T>, value: NoInfer<T>): FieldWithDefault<T> {
  return { schema, default: valueToJSON(nodeOf(schema, "<default>"), value) };
}

function nodeOf(schema: AnySchema, where: string): SchemaNode {
  if (schema instanceof Schema) return schema.node;
  throw schemaError(where, "expected a schema");
}

function fieldNodes(fields: Fields, path: string): FieldNode[] {
  return Object.entries(fields).map(([name, field]): FieldNode => {
    const bad = badName(name);
    if (bad !== null) throw schemaError(path, bad);
    const where = `${path}.${name}`;
    if (field instanceof Schema) return { name, type: field.node };
    if (typeof field !== "object" || field === null) throw schemaError(where, "expected a schema");
    return { name, type: nodeOf(field.schema, where), default: field.default };
  });
}

function payloadNode(spec: Variant, path: string): PayloadNode {
  if (spec === null) return { kind: "unit" };
  if (spec instanceof Schema) return { kind: "newtype", type: spec.node };
  if (Array.isArray(spec)) return { kind: "tuple", elements: spec.map((part) => nodeOf(part, path)) };
  return { kind: "struct", fields: fieldNodes(spec as Fields, path) };
}

/** The path to an occurrence of `ref` that would not be taken for `target`, or null. */
function misled(node: SchemaNode, scope: Scope | null, ref: RefNode, target: NamedNode): string | null {
  if (node === ref) return resolve(ref, scope)?.node === target ? null : "";
  const inner = enter(node, scope);
  for (const child of children(node)) {
    const path = misled(child.node, inner, ref, target);
    if (path !== null) return child.step + path;
  }
  return null;
}

function checkExtent(root: SchemaNode): void {
  let nodes = 0;
  const count = (node: SchemaNode, nesting: number): void => {
    if (++nodes > NODES_MAX) throw schemaError(rootStep(root), `more than ${NODES_MAX} types in one schema`);
    if (nesting > NESTING_MAX) throw schemaError(rootStep(root), `nested deeper than ${NESTING_MAX} types`);
    for (const child of children(node)) count(child.node, nesting + 1);
  };
  count(root, 1);
}

function freeze<V>(value: V): V {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    for (const part of Object.values(value)) freeze(part);
    Object.freeze(value);
  }
  return value;
}
