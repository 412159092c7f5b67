// Refs among closures: what a recursive type's closure calls.
import { type RefNode, resolve, type SchemaNode, type Scope } from "./node.js";

/** Closures of the named types, for `ref`s to find. */
export type Made<F> = Map<Scope, F>;

/** What a ref means; types around the node that compilation began with are compiled when first met. */
export function referred<F>(
  node: RefNode,
  scope: Scope | null,
  made: Made<F>,
  make: (node: SchemaNode, outer: Scope | null) => F,
) {
  const target = resolve(node, scope)!;
  return (): F => {
    let found = made.get(target);
    if (found === undefined) {
      found = make(target.node, target.outer);
      made.set(target, found);
    }
    return found;
  };
}
