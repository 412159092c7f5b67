// A schema as a Rust module of `#[derive(Facet)]` types, which vox-postcard writes and reads.
//
// Rust is stricter than a schema: names have to be identifiers, types of one name one type, keys of maps and elements
// of sets ordered. What does not fit is an error, not another wire form.
import { fingerprint } from "../codec/fingerprint.js";
import { valueFromJSON } from "../codec/json-value.js";
import {
  children,
  type EnumNode,
  enter,
  type FieldNode,
  isNamed,
  type Json,
  type PayloadNode,
  resolve,
  rootStep,
  type SchemaNode,
  type Scope,
  schemaError,
} from "../codec/node.js";
import type { Schema } from "../codec/schema.js";
import { leaves, type NamedType, NamedTypes } from "./named-types.js";

const KEYWORDS = new Set(
  "as async await break const continue dyn else enum extern false fn for gen if impl in let loop match mod move mut pub ref return static struct trait true type unsafe use where while abstract become box do final macro override priv try typeof unsized virtual yield".split(
    " ",
  ),
);
/** Not even raw identifiers. */
const RESERVED = new Set(["crate", "self", "super", "Self", "_"]);

/** What the module's text, or what derive makes of it, takes to be something else than a type of the module. */
const NEEDED = new Set(
  "Vec String Option Box BTreeMap BTreeSet Facet Payload Sized std facet vox_types bool char str u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64".split(
    " ",
  ),
);

/** The module's text. `root` names a schema that is no struct or enum. Throws CONDUIT_SCHEMA. */
export function toRust(schema: Schema<unknown>, root = "Message"): string {
  return new Emitter(schema, root).text();
}

class Emitter {
  readonly #schema: Schema<unknown>;
  readonly #root: string;
  readonly #types: NamedTypes;
  readonly #used = new Set<string>();

  constructor(schema: Schema<unknown>, root: string) {
    this.#schema = schema;
    this.#root = typeIdentifier(root);
    this.#types = new NamedTypes(schema.node, (name, attempt) => {
      if (attempt > 1) throw schemaError(name, "two types of this name: a Rust module has room for one");
      return typeIdentifier(name);
    });
    if (!isNamed(schema.node) && this.#types.all.some((type) => type.identifier === this.#root)) {
      throw schemaError(root, "the schema has a type of this name: choose another one for the whole");
    }
  }

  text(): string {
    const { node } = this.#schema;
    const parts = this.#types.all.map((type) => this.#declaration(type));
    if (!isNamed(node)) {
      const life = this.#borrows(node, null) ? "<'a>" : "";
      parts.push(`pub type ${this.#root}${life} = ${this.#type(node, null, rootStep(node))};\n`);
    }
    const collections = ["BTreeMap", "BTreeSet"].filter((name) => this.#used.has(name));
    const imports = [
      ...(this.#types.all.length > 0 ? ["use facet::Facet;\n"] : []),
      ...(collections.length > 0
        ? [`use std::collections::${collections.length === 1 ? collections[0] : "{BTreeMap, BTreeSet}"};\n`]
        : []),
      ...(this.#used.has("Payload") ? ["use vox_types::Payload;\n"] : []),
    ];
    const head = `// Made by stable-conduit-schema. Fingerprint ${fingerprint(this.#schema)}.\n`;
    return [`${head}${imports.join("")}`, ...parts].join("\n");
  }

  #declaration({ node, scope, identifier: name }: NamedType): string {
    const inner = enter(node, scope);
    const borrows = this.#borrows(node, scope);
    // A Payload is neither cloned nor compared.
    const derives = borrows ? ["Facet", "Debug"] : ["Facet", "Debug", "Clone", "PartialEq"];
    if (this.#isKey(name)) derives.push("Eq", "PartialOrd", "Ord");
    const head = `#[derive(${derives.join(", ")})]\n`;
    const life = borrows ? "<'a>" : "";
    if (node.kind === "struct") {
      const fields = this.#fields(node.fields, inner, "    pub ", node.name);
      return `${head}pub struct ${name}${life} ${block(fields, "")}\n`;
    }
    const repr = node.variants.length <= 256 ? "u8" : "u16";
    return `${head}#[repr(${repr})]\npub enum ${name}${life} {\n${this.#variants(node, inner)}}\n`;
  }

  #variants(node: EnumNode, scope: Scope | null): string {
    const rows = node.variants.map(({ name, payload }) => {
      const path = `${node.name}.${name}`;
      return `    ${identifier(name, path)}${this.#payload(payload, scope, path)},\n`;
    });
    return rows.join("");
  }

  #payload(payload: PayloadNode, scope: Scope | null, path: string): string {
    const part = (node: SchemaNode, i: number) =>
      `${this.#recursion(node, scope)}${this.#type(node, scope, `${path}.${i}`)}`;
    switch (payload.kind) {
      case "unit":
        return "";
      case "newtype":
        return `(${part(payload.type, 0)})`;
      case "tuple":
        if (payload.elements.length < 2)
          throw schemaError(path, "Rust has no tuple variant of fewer than two");
        return `(${payload.elements.map(part).join(", ")})`;
      case "struct":
        return ` ${block(this.#fields(payload.fields, scope, "        ", path), "    ")}`;
    }
  }

  #fields(fields: readonly FieldNode[], scope: Scope | null, indent: string, path: string): string {
    const rows = fields.map(({ name, type, default: json }) => {
      const where = `${path}.${name}`;
      const attributes = [this.#recursion(type, scope).trim()];
      if (json !== undefined) {
        const value = this.#literal(type, scope, json, where);
        attributes.push(`#[facet(default = ${value})]`);
      }
      const before = attributes
        .filter((text) => text !== "")
        .map((text) => `${/^ */.exec(indent)![0]}${text}\n`);
      return `${before.join("")}${indent}${identifier(name, where)}: ${this.#type(type, scope, where)},\n`;
    });
    return rows.join("");
  }

  /** A field through which a type contains itself has to say so. */
  #recursion(node: SchemaNode, scope: Scope | null): string {
    return leaves(node, scope, scope) ? "#[facet(recursive_type)] " : "";
  }

  #type(node: SchemaNode, scope: Scope | null, path: string, sized = false): string {
    const of = (part: SchemaNode, onHeap = sized) => this.#type(part, scope, path, onHeap);
    switch (node.kind) {
      case "string":
        return "String";
      case "bytes":
        return "Vec<u8>";
      case "unit":
        return "()";
      case "payload":
        this.#used.add("Payload");
        return "Payload<'a>";
      case "option":
        return `Option<${of(node.element)}>`;
      case "list":
        if (node.element.kind === "u8") return "Vec<u8>";
        return `Vec<${of(node.element, true)}>`;
      case "set":
        this.#used.add("BTreeSet");
        this.#checkKey(node.element, scope, path);
        return `BTreeSet<${of(node.element, true)}>`;
      case "map":
        this.#used.add("BTreeMap");
        this.#checkKey(node.key, scope, path);
        return `BTreeMap<${of(node.key, true)}, ${of(node.value, true)}>`;
      case "array":
        return `[${of(node.element)}; ${node.length}]`;
      case "tuple":
        return tuple(
          node.elements.map((element) => of(element)),
          path,
        );
      case "struct":
      case "enum":
      case "ref": {
        const { identifier: name, node: target, scope: around } = this.#types.of(node, scope)!;
        const type = this.#borrows(target, around) ? `${name}<'a>` : name;
        return node.kind === "ref" && !sized ? `Box<${type}>` : type;
      }
      default:
        return node.kind;
    }
  }

  /** Whether a payload is somewhere inside. */
  #borrows(node: SchemaNode, scope: Scope | null, open: readonly SchemaNode[] = []): boolean {
    if (node.kind === "payload") return true;
    if (node.kind === "ref") {
      const target = resolve(node, scope)!;
      return !open.includes(target.node) && this.#borrows(target.node, target.outer, open);
    }
    const inner = enter(node, scope);
    return children(node).some((child) => this.#borrows(child.node, inner, [...open, node]));
  }

  // ---- keys

  #isKey(name: string): boolean {
    const visit = (node: SchemaNode, scope: Scope | null, inKey: boolean): boolean => {
      if (inKey && isNamed(node) && this.#types.of(node, scope)!.identifier === name) return true;
      const inner = enter(node, scope);
      return children(node).some(({ step, node: child }) =>
        visit(child, inner, inKey || node.kind === "set" || step === "{key}"),
      );
    };
    return visit(this.#schema.node, null, false);
  }

  #checkKey(node: SchemaNode, scope: Scope | null, path: string): void {
    if (node.kind === "f32" || node.kind === "f64" || node.kind === "payload") {
      throw schemaError(path, `${node.kind} is not ordered in Rust, and cannot be in a key or a set`);
    }
    const inner = enter(node, scope);
    for (const child of children(node)) this.#checkKey(child.node, inner, path);
  }

  // ---- defaults

  #literal(node: SchemaNode, scope: Scope | null, json: Json, path: string): string {
    return this.#expression(node, scope, valueFromJSON(node, json, scope), path);
  }

  #expression(node: SchemaNode, scope: Scope | null, value: unknown, path: string): string {
    const inner = enter(node, scope);
    const of = (part: SchemaNode, item: unknown) => this.#expression(part, inner, item, path);
    const all = (part: SchemaNode, items: Iterable<unknown>) => Array.from(items, (item) => of(part, item));
    switch (node.kind) {
      case "bool":
        return String(value);
      case "unit":
        return "()";
      case "char":
        return `'${escaped(value as string, "'")}'`;
      case "string":
        return `"${escaped(value as string, '"')}".to_string()`;
      case "bytes":
        return vector(
          "u8",
          Array.from(value as Uint8Array, (byte) => `${byte}u8`),
        );
      case "payload":
        throw schemaError(path, "a payload has no default in Rust");
      case "f32":
      case "f64":
        return float(value as number, node.kind);
      case "option":
        if (value === undefined) return `None::<${this.#type(node.element, scope, path)}>`;
        return `Some(${of(node.element, node.element.kind === "option" ? (value as { some: unknown }).some : value)})`;
      case "list":
        return vector(this.#type(node.element, scope, path, true), all(node.element, value as unknown[]));
      case "array":
        return `[${all(node.element, value as unknown[]).join(", ")}]`;
      case "set":
        return collection(this.#type(node, scope, path), all(node.element, value as Set<unknown>));
      case "map": {
        const entries = Array.from(value as Map<unknown, unknown>, ([key, item]) => {
          return `(${of(node.key, key)}, ${of(node.value, item)})`;
        });
        return collection(this.#type(node, scope, path), entries);
      }
      case "tuple":
        return tuple(
          node.elements.map((element, i) => of(element, (value as unknown[])[i])),
          path,
        );
      case "struct":
        return `${this.#types.of(node, scope)!.identifier}${this.#fieldValues(node.fields, inner, value, path)}`;
      case "enum":
        return this.#variantValue(node, scope, value, path);
      case "ref": {
        const target = resolve(node, scope)!;
        return `Box::new(${this.#expression(target.node, target.outer, value, path)})`;
      }
      default:
        return `${value}${node.kind}`;
    }
  }

  #variantValue(node: EnumNode, scope: Scope | null, value: unknown, path: string): string {
    const tag = node.tag ?? "type";
    const name = typeof value === "string" ? value : (value as Record<string, unknown>)[tag];
    const { payload } = node.variants.find((variant) => variant.name === name)!;
    const type = `${this.#types.of(node, scope)!.identifier}::${identifier(name as string, path)}`;
    const inner = enter(node, scope);
    const { value: held } = value as { value: unknown };
    switch (payload.kind) {
      case "unit":
        return type;
      case "newtype":
        return `${type}(${this.#expression(payload.type, inner, held, path)})`;
      case "tuple": {
        const parts = payload.elements.map((part, i) =>
          this.#expression(part, inner, (held as unknown[])[i], path),
        );
        return `${type}(${parts.join(", ")})`;
      }
      case "struct":
        return `${type}${this.#fieldValues(payload.fields, inner, value, path)}`;
    }
  }

  #fieldValues(fields: readonly FieldNode[], scope: Scope | null, value: unknown, path: string): string {
    const entries = fields.map(({ name, type }) => {
      const item = (value as Record<string, unknown>)[name];
      return `${identifier(name, path)}: ${this.#expression(type, scope, item, path)}`;
    });
    return entries.length === 0 ? " {}" : ` { ${entries.join(", ")} }`;
  }
}

function block(lines: string, indent: string): string {
  return lines === "" ? "{}" : `{\n${lines}${indent}}`;
}

function identifier(name: string, path: string): string {
  if (!/^[A-Za-z_]\w*$/.test(name) || RESERVED.has(name)) {
    throw schemaError(path, `"${name}" is no identifier in Rust`);
  }
  return KEYWORDS.has(name) ? `r#${name}` : name;
}

function typeIdentifier(name: string): string {
  if (NEEDED.has(name))
    throw schemaError(name, "a Rust module cannot have a type of this name besides its own use of it");
  return identifier(name, name);
}

function tuple(parts: readonly string[], path: string): string {
  // () is the unit type: it takes as many bytes, none, but it is another type.
  if (parts.length === 0) throw schemaError(path, "Rust has no empty tuple");
  return parts.length === 1 ? `(${parts[0]},)` : `(${parts.join(", ")})`;
}

// Where a default stands, Rust infers nothing: what is empty has to say its type.

function vector(element: string, items: readonly string[]): string {
  return items.length === 0 ? `Vec::<${element}>::new()` : `vec![${items.join(", ")}]`;
}

/** `type`: BTreeMap<K, V> or BTreeSet<T>. */
function collection(type: string, entries: readonly string[]): string {
  const path = type.replace("<", "::<");
  return entries.length === 0 ? `${path}::new()` : `${path}::from([${entries.join(", ")}])`;
}

function escaped(text: string, quote: string): string {
  return Array.from(text, (character) => {
    if (character === quote || character === "\\") return `\\${character}`;
    const code = character.codePointAt(0)!;
    return code < 0x20 || code === 0x7f ? `\\u{${code.toString(16)}}` : character;
  }).join("");
}

function float(value: number, kind: "f32" | "f64"): string {
  if (Number.isNaN(value)) return `${kind}::NAN`;
  if (value === Infinity) return `${kind}::INFINITY`;
  if (value === -Infinity) return `${kind}::NEG_INFINITY`;
  return `${Object.is(value, -0) ? "-0.0" : value}${kind}`;
}
