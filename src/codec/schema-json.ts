// Reads a schema's JSON form. It may come from a peer: everything is checked and copied, nothing is trusted.
import type { Blame } from "../errors.js";
import { Allowance, valueFromJSON, valueToJSON } from "./json-value.js";
import {
  ARRAY_LENGTH_MAX,
  badName,
  children,
  type EnumNode,
  enter,
  enumProblem,
  type FieldNode,
  type Json,
  NESTING_MAX,
  NODES_MAX,
  type PayloadNode,
  PLAIN_KINDS,
  type PlainKind,
  resolve,
  rootStep,
  type SchemaNode,
  type Scope,
  schemaError,
  type VariantNode,
  WIDE_KINDS,
  type WideKind,
} from "./node.js";
import { Schema } from "./schema.js";

/**
 * The schema of what Schema.toJSON() gave. Properties that are not part of the form are dropped.
 * Throws CONDUIT_SCHEMA with the path to what is wrong; `blame` says who wrote it.
 * T is the caller's claim: nothing checks that it is the type of the schema's values.
 */
export function schemaFromJSON<T = unknown>(json: unknown, blame: Blame = "local"): Schema<T> {
  return read(json, blame, true);
}

/**
 * The schema that a peer writes, without its defaults: those are for readers. To check them would be the peer's to
 * make costly, because an option that an object in a default leaves out is made: a few bytes for thousands of values.
 */
export function writerFromJSON(json: unknown): Schema<unknown> {
  return read(json, "peer", false);
}

function read<T>(json: unknown, blame: Blame, defaults: boolean): Schema<T> {
  const node = new Reader(blame, defaults).node(json, "", 1);
  settle(node, null, rootStep(node), new Allowance(), blame);
  return new Schema<T>(node);
}

type Properties = Readonly<Record<string, unknown>>;

class Reader {
  readonly #blame: Blame;
  readonly #defaults: boolean;
  #nodes = 0;

  constructor(blame: Blame, defaults: boolean) {
    this.#blame = blame;
    this.#defaults = defaults;
  }

  node(json: unknown, path: string, nesting: number): SchemaNode {
    if (++this.#nodes > NODES_MAX) this.#fail(path, `more than ${NODES_MAX} types in one schema`);
    if (nesting > NESTING_MAX) this.#fail(path, `nested deeper than ${NESTING_MAX} types`);
    const at = this.#object(json, path);
    const kind = own(at, "kind");
    switch (kind) {
      case "option":
      case "list":
      case "set":
        return { kind, element: this.node(own(at, "element"), `${path}.element`, nesting + 1) };
      case "array": {
        const length = own(at, "length");
        if (!isIndex(length, ARRAY_LENGTH_MAX)) {
          this.#fail(`${path}.length`, `expected an integer from 0 to ${ARRAY_LENGTH_MAX}`);
        }
        return { kind, element: this.node(own(at, "element"), `${path}.element`, nesting + 1), length };
      }
      case "map":
        return {
          kind,
          key: this.node(own(at, "key"), `${path}.key`, nesting + 1),
          value: this.node(own(at, "value"), `${path}.value`, nesting + 1),
        };
      case "tuple":
        return { kind, elements: this.#elements(at, path, nesting) };
      case "struct":
        return { kind, name: this.#name(at, "name", path), fields: this.#fields(at, path, nesting) };
      case "enum":
        return this.#enum(at, path, nesting);
      case "ref":
        return { kind, name: this.#name(at, "name", path) };
    }
    if ((PLAIN_KINDS as readonly unknown[]).includes(kind)) return { kind: kind as PlainKind };
    if ((WIDE_KINDS as readonly unknown[]).includes(kind)) {
      const as = own(at, "as");
      if (as !== undefined && as !== "number") this.#fail(`${path}.as`, 'expected "number"');
      return as === undefined ? { kind: kind as WideKind } : { kind: kind as WideKind, as };
    }
    return this.#fail(`${path}.kind`, "no such kind of type");
  }

  #enum(at: Properties, path: string, nesting: number): SchemaNode {
    const name = this.#name(at, "name", path);
    const tag = Object.hasOwn(at, "tag") ? { tag: this.#name(at, "tag", path) } : {};
    const variants = this.#list(own(at, "variants"), `${path}.variants`).map((json, i): VariantNode => {
      const where = `${path}.variants[${i}]`;
      const variant = this.#object(json, where);
      return {
        name: this.#name(variant, "name", where),
        payload: this.#payload(own(variant, "payload"), `${where}.payload`, nesting),
      };
    });
    const node: EnumNode = { kind: "enum", name, variants, ...tag };
    const problem = enumProblem(node);
    if (problem !== null) this.#fail(`${path}.variants`, `${problem.path}: ${problem.what}`);
    return node;
  }

  #payload(json: unknown, path: string, nesting: number): PayloadNode {
    const at = this.#object(json, path);
    const kind = own(at, "kind");
    switch (kind) {
      case "unit":
        return { kind };
      case "newtype":
        return { kind, type: this.node(own(at, "type"), `${path}.type`, nesting + 1) };
      case "tuple":
        return { kind, elements: this.#elements(at, path, nesting) };
      case "struct":
        return { kind, fields: this.#fields(at, path, nesting) };
    }
    return this.#fail(`${path}.kind`, "no such kind of payload");
  }

  #elements(at: Properties, path: string, nesting: number): SchemaNode[] {
    return this.#list(own(at, "elements"), `${path}.elements`).map((element, i) =>
      this.node(element, `${path}.elements[${i}]`, nesting + 1),
    );
  }

  #fields(at: Properties, path: string, nesting: number): FieldNode[] {
    const names = new Set<string>();
    return this.#list(own(at, "fields"), `${path}.fields`).map((json, i): FieldNode => {
      const where = `${path}.fields[${i}]`;
      const field = this.#object(json, where);
      const name = this.#name(field, "name", where);
      if (names.has(name)) this.#fail(where, `two fields are named ${name}`);
      names.add(name);
      const type = this.node(own(field, "type"), `${where}.type`, nesting + 1);
      // Its values are checked when the types around it are known.
      return this.#defaults && Object.hasOwn(field, "default")
        ? { name, type, default: own(field, "default") as Json }
        : { name, type };
    });
  }

  #name(at: Properties, property: string, path: string): string {
    const name = own(at, property);
    const bad = badName(name);
    if (bad !== null) this.#fail(`${path}.${property}`, bad);
    return name as string;
  }

  #list(json: unknown, path: string): readonly unknown[] {
    if (!Array.isArray(json)) this.#fail(path, "expected an array");
    if (json.length > NODES_MAX) this.#fail(path, `more than ${NODES_MAX} entries`);
    return json;
  }

  #object(json: unknown, path: string): Properties {
    if (typeof json !== "object" || json === null || Array.isArray(json))
      this.#fail(path, "expected an object");
    return json as Properties;
  }

  #fail(path: string, what: string): never {
    throw schemaError(`schema${path}`, what, this.#blame);
  }
}

/** Every ref has a target; every default is a value of its field's type, and is replaced by a copy. */
function settle(
  node: SchemaNode,
  scope: Scope | null,
  path: string,
  allowance: Allowance,
  blame: Blame,
): void {
  if (node.kind === "ref" && resolve(node, scope) === null) {
    throw schemaError(path, `no enclosing type is named ${node.name}`, blame);
  }
  const inner = enter(node, scope);
  const fieldLists =
    node.kind === "struct"
      ? [node.fields]
      : node.kind === "enum"
        ? node.variants.flatMap(({ payload }) => (payload.kind === "struct" ? [payload.fields] : []))
        : [];
  // Of nodes that the Reader has just made.
  for (const field of fieldLists.flat() as { -readonly [K in keyof FieldNode]: FieldNode[K] }[]) {
    if (field.default === undefined) continue;
    try {
      field.default = valueToJSON(
        field.type,
        valueFromJSON(field.type, field.default, inner, allowance),
        inner,
      );
    } catch (error) {
      throw schemaError(`${path}.${field.name}`, (error as Error).message, blame);
    }
  }
  for (const child of children(node)) settle(child.node, inner, path + child.step, allowance, blame);
}

function own(at: Properties, name: string): unknown {
  return Object.hasOwn(at, name) ? at[name] : undefined;
}

function isIndex(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
}
