// A short name for what a schema means on the wire: two sides with one fingerprint need no message plan.
//
// SHA-256 of the canonical form in UTF-8, its first 16 bytes in hexadecimal. A weaker hash would not do: schemas come
// from peers and are remembered by fingerprint. The canonical form, without any white space:
//
//   u32 · bool · bytes ...      scalars by their kind
//   list(T) option(T) set(T)    array(T,4) · map(K,V) · tuple(A,B)
//   struct "Point"{"x":T,...}   names as JSON strings, fields in order
//   enum "Shape"{"Empty","Circle"(T),"Rect"[A,B],"Move"{"x":T}}
//   ref "Tree"                  the innermost enclosing type of that name
//
// It leaves out what one side alone sees: defaults, asNumber(), tags.
import type { FieldNode, PayloadNode, SchemaNode } from "./node.js";
import type { Schema } from "./schema.js";
import { sha256 } from "./sha256.js";

/** 32 hexadecimal digits, the same in every version of this package. */
export function fingerprint<T>(schema: Schema<T>): string {
  const digest = sha256(new TextEncoder().encode(canonicalForm(schema.node)));
  return Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What the fingerprint is a hash of. */
export function canonicalForm(node: SchemaNode): string {
  switch (node.kind) {
    case "option":
    case "list":
    case "set":
      return `${node.kind}(${canonicalForm(node.element)})`;
    case "array":
      return `array(${canonicalForm(node.element)},${node.length})`;
    case "map":
      return `map(${canonicalForm(node.key)},${canonicalForm(node.value)})`;
    case "tuple":
      return `tuple(${node.elements.map(canonicalForm).join()})`;
    case "struct":
      return `struct ${JSON.stringify(node.name)}${fields(node.fields)}`;
    case "enum": {
      const variants = node.variants.map(({ name, payload }) => JSON.stringify(name) + payloadForm(payload));
      return `enum ${JSON.stringify(node.name)}{${variants.join()}}`;
    }
    case "ref":
      return `ref ${JSON.stringify(node.name)}`;
    default:
      return node.kind;
  }
}

function payloadForm(payload: PayloadNode): string {
  switch (payload.kind) {
    case "unit":
      return "";
    case "newtype":
      return `(${canonicalForm(payload.type)})`;
    case "tuple":
      return `[${payload.elements.map(canonicalForm).join()}]`;
    case "struct":
      return fields(payload.fields);
  }
}

function fields(nodes: readonly FieldNode[]): string {
  return `{${nodes.map(({ name, type }) => `${JSON.stringify(name)}:${canonicalForm(type)}`).join()}}`;
}
