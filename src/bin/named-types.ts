// The named types of a schema, each once, parts before wholes: what a module in another language declares.
import {
  children,
  enter,
  isNamed,
  type NamedNode,
  resolve,
  type SchemaNode,
  type Scope,
} from "../codec/node.js";

export interface NamedType {
  readonly node: NamedNode;
  readonly scope: Scope | null;
  /** Unlike those of all others. */
  readonly identifier: string;
  /** It contains itself. */
  readonly recursive: boolean;
  /** It refers to a type around it, and so has no meaning of its own. */
  readonly open: boolean;
}

export class NamedTypes {
  readonly #byKey = new Map<string, NamedType>();
  readonly #taken = new Set<string>();
  readonly #identify: (name: string, attempt: number) => string;

  /** `identify` makes an identifier of a name; from the second attempt on the earlier ones were taken. */
  constructor(
    root: SchemaNode,
    identify: (name: string, attempt: number) => string,
    taken: readonly string[] = [],
  ) {
    this.#identify = identify;
    for (const identifier of taken) this.#taken.add(identifier);
    this.#collect(root, null);
  }

  /** Parts before the types that contain them. */
  get all(): readonly NamedType[] {
    return [...this.#byKey.values()];
  }

  /** Of a struct or enum, or of what a ref means. */
  of(node: SchemaNode, scope: Scope | null): NamedType | null {
    if (isNamed(node)) return this.#byKey.get(keyOf(node, scope)) ?? null;
    if (node.kind !== "ref") return null;
    const target = resolve(node, scope)!;
    return this.of(target.node, target.outer);
  }

  #collect(node: SchemaNode, scope: Scope | null): void {
    if (isNamed(node) && this.#byKey.has(keyOf(node, scope))) return;
    const inner = enter(node, scope);
    for (const child of children(node)) this.#collect(child.node, inner);
    if (!isNamed(node)) return;
    let attempt = 1;
    let identifier = this.#identify(node.name, attempt);
    while (this.#taken.has(identifier)) identifier = this.#identify(node.name, ++attempt);
    this.#taken.add(identifier);
    this.#byKey.set(keyOf(node, scope), {
      node,
      scope,
      identifier,
      recursive: children(node).some((child) => reaches(child.node, inner, inner!)),
      open: leaves(node, scope, scope),
    });
  }
}

/** Whether a ref within `node` means a type in `outside` or around it. `scope` is that of `node`. */
export function leaves(node: SchemaNode, scope: Scope | null, outside: Scope | null): boolean {
  if (node.kind === "ref") return isWithin(resolve(node, scope), outside);
  const inner = enter(node, scope);
  return children(node).some((child) => leaves(child.node, inner, outside));
}

function reaches(node: SchemaNode, scope: Scope | null, target: Scope): boolean {
  if (node.kind === "ref") return resolve(node, scope) === target;
  const inner = enter(node, scope);
  return children(node).some((child) => reaches(child.node, inner, target));
}

function isWithin(found: Scope | null, outside: Scope | null): boolean {
  for (let scope = outside; scope !== null; scope = scope.outer) if (scope === found) return true;
  return false;
}

/** Equal for occurrences that mean the same. */
function keyOf(node: NamedNode, scope: Scope | null): string {
  const text = JSON.stringify(node);
  if (!leaves(node, scope, scope)) return text;
  const around: string[] = [];
  for (let outer = scope; outer !== null; outer = outer.outer) around.push(JSON.stringify(outer.node));
  return [text, ...around].join("\n");
}
