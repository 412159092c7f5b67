// Message plans: how a reader of one version takes what a writer of another version wrote.
//
// Postcard has no names on the wire. So fields come in the writer's order and are matched by name, as are variants;
// what the reader does not know is skipped, what the writer does not have is filled from defaults. Everything that
// cannot work is found here, when the plan is built, but for one thing: a variant that the reader does not know is an
// error when it arrives.
//
// The result is a tree of nodes like a schema (reading.ts), in which every decision is made: a decoder is compiled from
// it as from a schema and costs what the differences cost.
import type { Blame, ConduitError } from "../errors.js";
import { decoderOf } from "./codec.js";
import { valueFromJSON } from "./json-value.js";
import {
  type FieldNode,
  isNamed,
  isUnitEnum,
  type NamedNode,
  NODES_MAX,
  type PayloadNode,
  resolve,
  rootStep,
  type SchemaNode,
  type Scope,
  schemaError,
} from "./node.js";
import type { EnumReading, FieldReading, FieldsReading, PropertyReading, VariantReading } from "./reading.js";
import type { Schema } from "./schema.js";

/**
 * How messages of one version become values of another; make one with buildPlan(). Immutable, and good for any number
 * of conduits.
 */
export class MessagePlan<T> {
  readonly writer: Schema<unknown>;
  readonly reader: Schema<T>;
  /** Both versions look the same on the wire: the reader's own codec reads these messages. */
  readonly identity: boolean;
  /** @internal What a decoder is compiled from. */
  readonly reading: SchemaNode;

  /** Not for applications: buildPlan() knows what it takes. */
  constructor(writer: Schema<unknown>, reader: Schema<T>, reading: SchemaNode | null) {
    this.writer = writer;
    this.reader = reader;
    this.identity = reading === null;
    this.reading = reading ?? reader.node;
  }

  /** decoderOf(this).decode: what conduit.withMessagePlan() calls. Throws CONDUIT_DECODE. */
  decode(bytes: Uint8Array, start?: number, end?: number): T {
    return decoderOf(this).decode(bytes, start, end);
  }

  /** decoderOf(this).decodeBorrowed. */
  decodeBorrowed(bytes: Uint8Array, start?: number, end?: number): T {
    return decoderOf(this).decodeBorrowed(bytes, start, end);
  }

  /** decoderOf(this).decodeLazy. */
  decodeLazy(bytes: Uint8Array, start?: number, end?: number): T {
    return decoderOf(this).decodeLazy(bytes, start, end);
  }
}

/**
 * The plan for a reader of what a writer with another version of the schema wrote.
 * Throws CONDUIT_SCHEMA with the path to the first thing that does not fit and both types; `blame` says whose fault
 * that is: a peer's, when the writer's schema came from it.
 */
export function buildPlan<W, T>(
  writer: Schema<W>,
  reader: Schema<T>,
  blame: Blame = "local",
): MessagePlan<T> {
  const builder = new Builder(blame);
  const reading = builder.node(at(writer.node, null), at(reader.node, null), rootStep(reader.node));
  return new MessagePlan(writer as Schema<unknown>, reader, builder.identity ? null : reading);
}

/** Versions of a recursive type may be unrolled into one another: of the result, what a schema itself may be. */
const PLAN_NODES_MAX = 4 * NODES_MAX;
const PLAN_NESTING_MAX = 256;

/** A node and the named types around it. */
interface Place {
  readonly node: SchemaNode;
  readonly scope: Scope | null;
}

function at(node: SchemaNode, scope: Scope | null): Place {
  return { node, scope };
}

class Builder {
  /** Nothing has differed so far. */
  identity = true;
  readonly #blame: Blame;
  readonly #scopes = new Scopes();
  /** The pairs of named types around the current one, by their name in the plan. */
  readonly #open: { writer: Scope; reader: Scope; name: string }[] = [];
  #nodes = 0;
  #nesting = 0;

  constructor(blame: Blame) {
    this.#blame = blame;
  }

  node(written: Place, read: Place, path: string): SchemaNode {
    if (++this.#nodes > PLAN_NODES_MAX)
      throw this.#error(path, `more than ${PLAN_NODES_MAX} types in one plan`);
    if (++this.#nesting > PLAN_NESTING_MAX)
      throw this.#error(path, `nested deeper than ${PLAN_NESTING_MAX} types`);
    const result = this.#match(target(written), target(read), path);
    this.#nesting--;
    return result;
  }

  #match(written: Place, read: Place, path: string): SchemaNode {
    const w = written.node;
    const r = read.node;
    if (isNamed(w) && isNamed(r)) {
      if (w.name !== r.name) throw this.#mismatch(path, "type name differs", w, r);
      if (w.kind === r.kind) return this.#named(w, r, written.scope, read.scope, path);
    }
    const part = (of: SchemaNode, to: SchemaNode, step: string) =>
      this.node(at(of, written.scope), at(to, read.scope), path + step);
    if (isSequence(w) && isSequence(r)) {
      // On the wire a set is a list, and bytes are a list of u8: how to hold it is up to the reader.
      if (elementKind(w) === "u8" && elementKind(r) === "u8") return r;
      if (w.kind !== "bytes" && r.kind !== "bytes")
        return { ...r, element: part(w.element, r.element, "[]") };
    }
    if (w.kind === "option" && r.kind === "option") return { ...r, element: part(w.element, r.element, "?") };
    if (w.kind === "array" && r.kind === "array") {
      if (w.length !== r.length) throw this.#mismatch(path, "array length differs", w, r);
      return { ...r, element: part(w.element, r.element, "[]") };
    }
    if (w.kind === "map" && r.kind === "map") {
      const key = part(w.key, r.key, "{key}");
      return { kind: "map", key, value: part(w.value, r.value, "{value}") };
    }
    if (w.kind === "tuple" && r.kind === "tuple") {
      if (w.elements.length !== r.elements.length) throw this.#mismatch(path, "tuple length differs", w, r);
      return { kind: "tuple", elements: r.elements.map((to, i) => part(w.elements[i], to, `.${i}`)) };
    }
    if (w.kind === r.kind) return r; // A scalar: the reader says how it likes its integers.
    throw this.#mismatch(path, "kind of type differs", w, r);
  }

  /** A pair of structs or of enums of one name. */
  #named(
    w: NamedNode,
    r: NamedNode,
    writtenIn: Scope | null,
    readIn: Scope | null,
    path: string,
  ): SchemaNode {
    const writer = this.#scopes.enter(w, writtenIn);
    const reader = this.#scopes.enter(r, readIn);
    for (const open of this.#open) {
      if (open.writer === writer && open.reader === reader) return { kind: "ref", name: open.name };
    }
    // A ref is looked up by name: pairs within one another must not share theirs.
    let name = r.name;
    for (let i = 2; this.#open.some((open) => open.name === name); i++) name = `${r.name} (${i})`;
    this.#open.push({ writer, reader, name });
    const result: SchemaNode =
      w.kind === "struct" && r.kind === "struct"
        ? { kind: "struct", name, ...this.#fields(w.fields, r.fields, writer, reader, path) }
        : this.#variants(name, w, r, writer, reader, path);
    this.#open.pop();
    return result;
  }

  #fields(
    written: readonly FieldNode[],
    read: readonly FieldNode[],
    writer: Scope,
    reader: Scope,
    path: string,
  ): FieldsReading {
    const wanted = new Map(read.map((field) => [field.name, field]));
    const fields = written.map(({ name, type }): FieldReading => {
      const to = wanted.get(name);
      if (to === undefined) {
        // What the reader does not know is read as the writer wrote it. The pairs are those of the writer with itself,
        // so nothing here refers to what the reader makes of the types around it.
        const skipped = at(type, writer);
        return { name, type: this.node(skipped, skipped, `${path}.${name}`), skip: true };
      }
      return { name, type: this.node(at(type, writer), at(to.type, reader), `${path}.${name}`) };
    });
    const given = new Set(written.map(({ name }) => name));
    const properties = read.map(({ name, type, default: json }): PropertyReading => {
      if (given.has(name)) return { name };
      if (json === undefined) {
        const has = written.map((field) => field.name).join(", ") || "no fields";
        const what = `required field "${name}" is missing (writer: ${has}; reader: ${describe(type)})`;
        throw this.#error(path, what);
      }
      const value = valueFromJSON(type, json, reader);
      const mutable = typeof value === "object" && value !== null;
      return { name, make: mutable ? () => valueFromJSON(type, json, reader) : () => value };
    });
    const same = read.length === written.length && read.every(({ name }, i) => name === written[i].name);
    if (same) return { fields };
    this.identity = false;
    return { fields, properties };
  }

  #variants(
    name: string,
    written: NamedNode,
    read: NamedNode,
    writer: Scope,
    reader: Scope,
    path: string,
  ): EnumReading {
    if (written.kind !== "enum" || read.kind !== "enum") throw new TypeError("unreachable");
    const wanted = new Map(read.variants.map((variant) => [variant.name, variant.payload]));
    const variants = written.variants.map(({ name: variant, payload }): VariantReading => {
      const to = wanted.get(variant);
      if (to === undefined) return { name: variant, payload: { kind: "unit" }, unknown: true };
      return { name: variant, payload: this.#payload(payload, to, writer, reader, `${path}.${variant}`) };
    });
    const same =
      read.variants.length === variants.length &&
      read.variants.every((variant, i) => variant.name === variants[i].name);
    if (!same) this.identity = false;
    const tag = read.tag === undefined ? {} : { tag: read.tag };
    return { kind: "enum", name, variants, units: isUnitEnum(read), ...tag };
  }

  #payload(w: PayloadNode, r: PayloadNode, writer: Scope, reader: Scope, path: string): PayloadNode {
    if (w.kind === "unit" && r.kind === "unit") return r;
    if (w.kind === "newtype" && r.kind === "newtype") {
      return { kind: "newtype", type: this.node(at(w.type, writer), at(r.type, reader), path) };
    }
    if (w.kind === "tuple" && r.kind === "tuple") {
      if (w.elements.length !== r.elements.length) throw this.#mismatch(path, "tuple length differs", w, r);
      const elements = r.elements.map((to, i) =>
        this.node(at(w.elements[i], writer), at(to, reader), `${path}.${i}`),
      );
      return { kind: "tuple", elements };
    }
    if (w.kind === "struct" && r.kind === "struct") {
      return { kind: "struct", ...this.#fields(w.fields, r.fields, writer, reader, path) };
    }
    throw this.#error(path, `kind of variant payload differs (writer: ${w.kind}, reader: ${r.kind})`);
  }

  #mismatch(path: string, what: string, written: SchemaNode, read: SchemaNode): ConduitError {
    return this.#error(path, `${what} (writer: ${describe(written)}, reader: ${describe(read)})`);
  }

  #error(path: string, what: string): ConduitError {
    return schemaError(path, what, this.#blame);
  }
}

/** The scopes within one another, each once, however often a ref leads to it: pairs are told apart by them. */
class Scopes {
  readonly #within = new Map<Scope | null, Map<NamedNode, Scope>>();

  enter(node: NamedNode, outer: Scope | null): Scope {
    let within = this.#within.get(outer);
    if (within === undefined) this.#within.set(outer, (within = new Map()));
    let scope = within.get(node);
    if (scope === undefined) within.set(node, (scope = { node, outer }));
    return scope;
  }
}

/** Behind a ref. */
function target({ node, scope }: Place): Place {
  if (node.kind !== "ref") return at(node, scope);
  const found = resolve(node, scope);
  if (found === null) throw schemaError(node.name, "a recursive type has no meaning outside of itself");
  return at(found.node, found.outer);
}

function isSequence(node: SchemaNode): node is SchemaNode & { kind: "list" | "set" | "bytes" } {
  return node.kind === "list" || node.kind === "set" || node.kind === "bytes";
}

function elementKind(node: SchemaNode & { kind: "list" | "set" | "bytes" }): SchemaNode["kind"] {
  return node.kind === "bytes" ? "u8" : node.element.kind;
}

/** A type in an error message: not deeper than tells it from another. */
function describe(node: SchemaNode, depth = 0): string {
  const part = (of: SchemaNode) => (depth === 3 ? "…" : describe(of, depth + 1));
  switch (node.kind) {
    case "option":
    case "list":
    case "set":
      return `${node.kind}<${part(node.element)}>`;
    case "array":
      return `array<${part(node.element)}, ${node.length}>`;
    case "map":
      return `map<${part(node.key)}, ${part(node.value)}>`;
    case "tuple":
      return `tuple<${node.elements.map(part).join(", ")}>`;
    case "struct":
    case "enum":
      return `${node.kind} ${node.name}`;
    case "ref":
      return node.name;
    default:
      return node.kind;
  }
}
