// Later versions of random schemas, and what their readers make of a value.
import { valueFromJSON, valueToJSON } from "../../src/codec/json-value.js";
import {
  enter,
  type FieldNode,
  isUnitEnum,
  type PayloadNode,
  resolve,
  type SchemaNode,
  type Scope,
  type VariantNode,
} from "../../src/codec/node.js";
import type { Random } from "../wasm/random.js";
import { randomNode, randomValue } from "./random-schema.js";

/** Makes later versions of schemas. */
export class Evolution {
  readonly #random: Random;
  #names = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A later version of `node`, which readers of today's messages may have. */
  evolved(node: SchemaNode, scope: Scope | null = null): SchemaNode {
    const random = this.#random;
    const inner = enter(node, scope);
    const part = (of: SchemaNode) => this.evolved(of, inner);
    switch (node.kind) {
      case "option":
        return { kind: node.kind, element: part(node.element) };
      case "set":
      case "list": {
        // A list of scalars may become a set and the other way round; objects in a set could not be compared.
        const scalar = node.element.kind === "string" || node.element.kind === "u32";
        if (scalar && random.oneIn(4))
          return { kind: random.pick(["list", "set"]), element: part(node.element) };
        return { kind: node.kind, element: part(node.element) };
      }
      case "array":
        return { ...node, element: part(node.element) };
      case "map":
        return { kind: "map", key: part(node.key), value: part(node.value) };
      case "tuple":
        return { kind: "tuple", elements: node.elements.map(part) };
      case "struct":
        return { ...node, fields: this.#evolvedFields(node.fields, inner) };
      case "enum": {
        const kept = node.variants.filter(() => !random.oneIn(6));
        const variants = kept.map(({ name, payload }): VariantNode => {
          return { name, payload: this.#evolvedPayload(payload, inner) };
        });
        while (variants.length === 0 || random.oneIn(4)) {
          variants.push(this.#addedVariant(isUnitEnum(node) && !random.oneIn(3)));
        }
        const tag = random.oneIn(3) ? { tag: "mark" } : {};
        return { kind: "enum", name: node.name, variants: this.#shuffled(variants), ...tag };
      }
      default:
        return node;
    }
  }

  #evolvedPayload(payload: PayloadNode, scope: Scope | null): PayloadNode {
    switch (payload.kind) {
      case "unit":
        return payload;
      case "newtype":
        return { kind: "newtype", type: this.evolved(payload.type, scope) };
      case "tuple":
        return { kind: "tuple", elements: payload.elements.map((element) => this.evolved(element, scope)) };
      case "struct":
        return { kind: "struct", fields: this.#evolvedFields(payload.fields, scope) };
    }
  }

  #evolvedFields(fields: readonly FieldNode[], scope: Scope | null): FieldNode[] {
    const random = this.#random;
    const kept = fields.filter(() => !random.oneIn(5));
    const evolved = kept.map(({ name, type }): FieldNode => ({ name, type: this.evolved(type, scope) }));
    while (random.oneIn(3)) {
      const type = randomNode(random, 2);
      evolved.push({
        name: this.#name("added"),
        type,
        default: valueToJSON(type, randomValue(random, type)),
      });
    }
    return random.oneIn(2) ? evolved : this.#shuffled(evolved);
  }

  #addedVariant(unit: boolean): VariantNode {
    const name = this.#name("added");
    const type = () => randomNode(this.#random, 1);
    const payloads: PayloadNode[] = [
      { kind: "unit" },
      { kind: "newtype", type: type() },
      { kind: "tuple", elements: [type(), type()] },
      { kind: "struct", fields: [{ name: "field", type: type() }] },
    ];
    return { name, payload: unit ? payloads[0] : this.#random.pick(payloads) };
  }

  #shuffled<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.#random.below(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
    }
    return shuffled;
  }

  #name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }
}

/** Thrown by mapped() for what only arrives. */
export const UNKNOWN_VARIANT = Symbol("unknown variant");

/** A writer's value as the reader has it: what decoding with a plan has to come to, done by hand. */
export function mapped(writer: Place, reader: Place, value: unknown): unknown {
  const w = behind(writer);
  const r = behind(reader);
  const written = enter(w.node, w.scope);
  const read = enter(r.node, r.scope);
  const part = (of: SchemaNode, to: SchemaNode, item: unknown) =>
    mapped({ node: of, scope: written }, { node: to, scope: read }, item);
  const fields = (of: readonly FieldNode[], to: readonly FieldNode[], from: unknown) => {
    const item = from as Record<string, unknown>;
    return Object.fromEntries(
      to.map(({ name, type, default: json }) => {
        const old = of.find((field) => field.name === name);
        return [name, old ? part(old.type, type, item[name]) : valueFromJSON(type, json!, read)];
      }),
    );
  };
  const { node } = w;
  const to = r.node;
  if (node.kind === "option" && to.kind === "option") {
    if (value === undefined) return undefined;
    if (node.element.kind !== "option") return part(node.element, to.element, value);
    return { some: part(node.element, to.element, (value as { some: unknown }).some) };
  }
  if ((node.kind === "list" || node.kind === "set") && (to.kind === "list" || to.kind === "set")) {
    const items = Array.from(value as Iterable<unknown>, (item) => part(node.element, to.element, item));
    return to.kind === "set" ? new Set(items) : items;
  }
  if (node.kind === "array" && to.kind === "array") {
    return (value as unknown[]).map((item) => part(node.element, to.element, item));
  }
  if (node.kind === "map" && to.kind === "map") {
    const entries = value as Map<unknown, unknown>;
    return new Map(
      Array.from(entries, ([k, v]) => [part(node.key, to.key, k), part(node.value, to.value, v)]),
    );
  }
  if (node.kind === "tuple" && to.kind === "tuple") {
    return node.elements.map((element, i) => part(element, to.elements[i], (value as unknown[])[i]));
  }
  if (node.kind === "struct" && to.kind === "struct") return fields(node.fields, to.fields, value);
  if (node.kind !== "enum" || to.kind !== "enum") return value;

  const name = isUnitEnum(node) ? value : (value as Record<string, unknown>)[node.tag ?? "type"];
  const old = node.variants.find((variant) => variant.name === name)!.payload;
  const known = to.variants.find((variant) => variant.name === name)?.payload;
  if (known === undefined) throw UNKNOWN_VARIANT;
  if (isUnitEnum(to)) return name;
  const tagged = { [to.tag ?? "type"]: name };
  const held = (value as { value: unknown }).value;
  if (old.kind === "newtype" && known.kind === "newtype") {
    return { ...tagged, value: part(old.type, known.type, held) };
  }
  if (old.kind === "tuple" && known.kind === "tuple") {
    const items = held as unknown[];
    return { ...tagged, value: old.elements.map((element, i) => part(element, known.elements[i], items[i])) };
  }
  if (old.kind === "struct" && known.kind === "struct") {
    return { ...tagged, ...fields(old.fields, known.fields, value) };
  }
  return tagged;
}

/** A node and the named types around it. */
export interface Place {
  node: SchemaNode;
  scope: Scope | null;
}

function behind({ node, scope }: Place): Place {
  if (node.kind !== "ref") return { node, scope };
  const target = resolve(node, scope)!;
  return { node: target.node, scope: target.outer };
}
