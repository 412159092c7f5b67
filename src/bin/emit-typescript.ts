// A schema as a TypeScript module: its types, and the schema itself in combinators.
//
// A type that stands on its own becomes a constant. One that refers to a type around it is written where it occurs,
// inside that type's recursive(); its TypeScript type is declared all the same.
import { fingerprint } from "../codec/fingerprint.js";
import { valueFromJSON } from "../codec/json-value.js";
import {
  type EnumNode,
  enter,
  type FieldNode,
  isUnitEnum,
  type NamedNode,
  type PayloadNode,
  type SchemaNode,
  type Scope,
} from "../codec/node.js";
import type { Schema } from "../codec/schema.js";
import { braced, bracketed, enclosed, type Layout, print, property, propertyName } from "./layout.js";
import { type NamedType, NamedTypes } from "./named-types.js";

/** What the module may import, and so does not name its own types after. */
const IMPORTED =
  "Schema array asNumber bool bytes char enumOf f32 f64 i8 i16 i32 i64 i128 list map option payload recursive set string struct tuple u8 u16 u32 u64 u128 unit withDefault".split(
    " ",
  );
const RESERVED =
  "arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof undefined var void while with yield".split(
    " ",
  );
const GLOBALS = "Array Map Set Uint8Array Infinity NaN undefined".split(" ");

/** The module's text. Its default export is the schema; `root` names a schema that is no struct or enum. */
export function toTypeScript(schema: Schema<unknown>, root = "Message"): string {
  return new Emitter(schema, root).text();
}

class Emitter {
  readonly #schema: Schema<unknown>;
  readonly #root: string;
  readonly #types: NamedTypes;
  readonly #used = new Set<string>(["Schema"]);

  constructor(schema: Schema<unknown>, root: string) {
    this.#schema = schema;
    this.#types = new NamedTypes(schema.node, typeIdentifier, [...IMPORTED, ...GLOBALS]);
    const taken = new Set(this.#types.all.map(({ identifier }) => identifier));
    let identifier = typeIdentifier(root, 1);
    for (let attempt = 2; taken.has(identifier); attempt++) identifier = typeIdentifier(root, attempt);
    this.#root = identifier;
  }

  text(): string {
    const { node } = this.#schema;
    const parts = this.#types.all.map((type) => this.#declaration(type));
    let root = this.#types.of(node, null)?.identifier;
    if (root === undefined) {
      root = this.#root;
      parts.push(`export type ${root} = ${this.#type(node, null)};\n${this.#constant(root, node, null)}`);
    }
    parts.push(`export default ${root};\n`);
    const used = IMPORTED.filter((name) => this.#used.has(name));
    const imported = braced(used.map((name) => (name === "Schema" ? `type ${name}` : name)));
    const head = [
      `// Made by stable-conduit-schema. Fingerprint ${fingerprint(this.#schema)}.`,
      print(enclosed("import ", [imported], ` from "stable-conduit/schema";`)),
    ];
    return `${head.join("\n")}\n\n${parts.join("\n")}`;
  }

  #declaration({ node, scope, identifier, open }: NamedType): string {
    const inner = enter(node, scope);
    const type =
      node.kind === "struct"
        ? `export interface ${identifier} ${this.#fields(node.fields, inner)}\n`
        : `export type ${identifier} =${this.#enumType(node, inner)};\n`;
    if (open) return type;
    return type + this.#constant(identifier, node, scope);
  }

  #constant(identifier: string, node: SchemaNode, scope: Scope | null): string {
    const head = `export const ${identifier}: Schema<${identifier}> = `;
    return `${print(enclosed(head, [this.#definition(node, scope)], ";"))}\n`;
  }

  // ---- types

  #type(node: SchemaNode, scope: Scope | null): string {
    switch (node.kind) {
      case "bool":
        return "boolean";
      case "char":
      case "string":
        return "string";
      case "bytes":
      case "payload":
        return "Uint8Array";
      case "unit":
        return "null";
      case "u64":
      case "u128":
      case "i64":
      case "i128":
        return node.as === "number" ? "number" : "bigint";
      case "option":
        return node.element.kind === "option"
          ? `{ some: ${this.#type(node.element, scope)} } | undefined`
          : `${this.#type(node.element, scope)} | undefined`;
      case "list":
      case "array": {
        const element = this.#type(node.element, scope);
        return / /.test(element) ? `(${element})[]` : `${element}[]`;
      }
      case "set":
        return `Set<${this.#type(node.element, scope)}>`;
      case "map":
        return `Map<${this.#type(node.key, scope)}, ${this.#type(node.value, scope)}>`;
      case "tuple":
        return this.#tuple(node.elements, scope);
      case "struct":
      case "enum":
      case "ref":
        return this.#types.of(node, scope)!.identifier;
      default:
        return "number";
    }
  }

  #tuple(elements: readonly SchemaNode[], scope: Scope | null): string {
    return `[${elements.map((element) => this.#type(element, scope)).join(", ")}]`;
  }

  #members(fields: readonly FieldNode[], scope: Scope | null): string[] {
    return fields.map(({ name, type }) => {
      const absent = type.kind === "option" ? "?" : "";
      return `${propertyName(name)}${absent}: ${this.#type(type, scope)}`;
    });
  }

  #fields(fields: readonly FieldNode[], scope: Scope | null): string {
    const members = this.#members(fields, scope);
    return members.length === 0 ? "{}" : `{\n${members.map((member) => `  ${member};\n`).join("")}}`;
  }

  #enumType(node: EnumNode, scope: Scope | null): string {
    if (isUnitEnum(node)) return ` ${node.variants.map(({ name }) => JSON.stringify(name)).join(" | ")}`;
    const variants = node.variants.map(({ name, payload }) => {
      const tag = `${propertyName(node.tag ?? "type")}: ${JSON.stringify(name)}`;
      return `{ ${[tag, ...this.#payloadMembers(payload, scope)].join("; ")} }`;
    });
    return `\n  | ${variants.join("\n  | ")}`;
  }

  #payloadMembers(payload: PayloadNode, scope: Scope | null): string[] {
    switch (payload.kind) {
      case "unit":
        return [];
      case "newtype":
        return [`value: ${this.#type(payload.type, scope)}`];
      case "tuple":
        return [`value: ${this.#tuple(payload.elements, scope)}`];
      case "struct":
        return this.#members(payload.fields, scope);
    }
  }

  // ---- combinators

  /** The expression of a type where it is used. */
  #expression(node: SchemaNode, scope: Scope | null): Layout {
    const named = this.#types.of(node, scope);
    if (node.kind === "ref") return selfName(named!);
    return named !== null && !named.open ? named.identifier : this.#definition(node, scope);
  }

  #definition(node: SchemaNode, scope: Scope | null): Layout {
    switch (node.kind) {
      case "option":
      case "list":
      case "set":
        return this.#call(node.kind, [this.#expression(node.element, scope)]);
      case "array":
        return this.#call("array", [this.#expression(node.element, scope), String(node.length)]);
      case "map":
        return this.#call("map", this.#expressions([node.key, node.value], scope));
      case "tuple":
        return this.#call("tuple", this.#expressions(node.elements, scope));
      case "struct":
      case "enum":
        return this.#named(node, scope);
      case "ref":
        return this.#expression(node, scope);
      case "u64":
      case "u128":
      case "i64":
      case "i128": {
        const kind = this.#use(node.kind);
        return node.as === "number" ? this.#call("asNumber", [kind]) : kind;
      }
      default:
        return this.#use(node.kind);
    }
  }

  #named(node: NamedNode, scope: Scope | null): Layout {
    const inner = enter(node, scope);
    const type = this.#types.of(node, scope)!;
    const name = JSON.stringify(node.name);
    const made =
      node.kind === "struct"
        ? this.#call("struct", [name, this.#fieldSchemas(node.fields, inner)])
        : this.#call("enumOf", [
            name,
            this.#variants(node, inner),
            ...(node.tag === undefined ? [] : [`{ tag: ${JSON.stringify(node.tag)} }`]),
          ]);
    if (!type.recursive) return made;
    const open = `${this.#use("recursive")}<${type.identifier}>(`;
    return enclosed(open, [name, enclosed(`(${selfName(type)}) => `, [made], "")], ")");
  }

  #variants(node: EnumNode, scope: Scope | null): Layout {
    if (isUnitEnum(node) && node.tag === undefined) {
      return bracketed(node.variants.map(({ name }) => JSON.stringify(name)));
    }
    return braced(node.variants.map(({ name, payload }) => property(name, this.#payload(payload, scope))));
  }

  #payload(payload: PayloadNode, scope: Scope | null): Layout {
    switch (payload.kind) {
      case "unit":
        return "null";
      case "newtype":
        return this.#expression(payload.type, scope);
      case "tuple":
        return bracketed(this.#expressions(payload.elements, scope));
      case "struct":
        return this.#fieldSchemas(payload.fields, scope);
    }
  }

  #fieldSchemas(fields: readonly FieldNode[], scope: Scope | null): Layout {
    const entries = fields.map(({ name, type, default: json }) => {
      const schema = this.#expression(type, scope);
      if (json === undefined) return property(name, schema);
      return property(name, this.#call("withDefault", [schema, literal(valueFromJSON(type, json, scope))]));
    });
    return braced(entries);
  }

  #expressions(nodes: readonly SchemaNode[], scope: Scope | null): Layout[] {
    return nodes.map((node) => this.#expression(node, scope));
  }

  #call(combinator: string, parts: readonly Layout[]): Layout {
    return enclosed(`${this.#use(combinator)}(`, parts, ")");
  }

  #use(name: string): string {
    this.#used.add(name);
    return name;
  }
}

/** What the builder of a recursive type calls its own schema. */
function selfName({ identifier }: NamedType): string {
  const name = identifier[0].toLowerCase() + identifier.slice(1);
  return name === identifier || IMPORTED.includes(name) || RESERVED.includes(name) ? `${name}Itself` : name;
}

function typeIdentifier(name: string, attempt: number): string {
  const letters = name.replace(/[^A-Za-z0-9_$]+(.)?/g, (_, next?: string) => next?.toUpperCase() ?? "");
  const safe = /^[A-Za-z_$]/.test(letters) ? letters : `T${letters}`;
  const pascal = safe[0].toUpperCase() + safe.slice(1);
  return attempt === 1 ? pascal : `${pascal}${attempt}`;
}

/** A value of a schema as an expression that makes it. */
function literal(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Uint8Array) return `Uint8Array.of(${value.join(", ")})`;
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (value instanceof Set) return `new Set([${Array.from(value, literal).join(", ")}])`;
  if (value instanceof Map) {
    const entries = Array.from(value, ([key, item]) => `[${literal(key)}, ${literal(item)}]`);
    return `new Map([${entries.join(", ")}])`;
  }
  const entries = Object.entries(value).map(([name, item]) => `${propertyName(name)}: ${literal(item)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}
