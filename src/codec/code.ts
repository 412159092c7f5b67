// What the three generators share: text with fresh names, and one function for each type that refers to itself.
import {
  children,
  enter,
  isNamed,
  type NamedNode,
  type RefNode,
  resolve,
  type SchemaNode,
  type Scope,
} from "./node.js";

/** A type of more nodes than this within another gets a function of its own: engines do not optimise huge ones. */
const INLINE_NODES = 200;

/** A type that is called, not written out. */
export interface Callee {
  readonly node: NamedNode;
  /** What is inside the type. */
  readonly scope: Scope;
}

export abstract class Code {
  #names = 0;
  readonly #functions = new Map<string, string>();
  readonly #callees = new Map<object, string>();
  readonly #recursive = new Map<SchemaNode, boolean>();
  readonly #large = new Map<SchemaNode, boolean>();
  readonly #complete = new Map<SchemaNode, boolean>();

  /** A name that nothing else has. */
  fresh(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  /** The text of all functions that were asked for. */
  functions(): string {
    return [...this.#functions.values()].join("\n");
  }

  /** The type behind `node` when it has to be called: when it contains itself, or is large. */
  callee(node: SchemaNode, scope: Scope | null): Callee | null {
    if (node.kind === "ref") {
      const target = resolve(node as RefNode, scope)!;
      return { node: target.node, scope: target };
    }
    if (!isNamed(node) || !(this.#isRecursive(node) || this.#isLarge(node))) return null;
    return { node, scope: enter(node, scope)! };
  }

  /** The name of a type's function; `write` is asked for its text at the first time. */
  call({ node, scope }: Callee, variation: string, write: (name: string) => string): string {
    // Types that are complete in themselves are the same wherever they stand; others depend on what is around.
    const key = this.#isComplete(node) ? node : scope;
    const known = this.#callees.get(key);
    const base = known ?? this.fresh("f");
    if (known === undefined) this.#callees.set(key, base);
    const name = base + variation;
    if (!this.#functions.has(name)) {
      this.#functions.set(name, "");
      this.#functions.set(name, write(name));
    }
    return name;
  }

  #isRecursive(node: NamedNode): boolean {
    let known = this.#recursive.get(node);
    if (known === undefined) {
      const scope = { node, outer: null };
      known = children(node).some((child) => refersTo(child.node, scope, scope));
      this.#recursive.set(node, known);
    }
    return known;
  }

  #isComplete(node: NamedNode): boolean {
    let known = this.#complete.get(node);
    if (known === undefined) {
      known = isComplete(node, null);
      this.#complete.set(node, known);
    }
    return known;
  }

  #isLarge(node: NamedNode): boolean {
    let known = this.#large.get(node);
    if (known === undefined) {
      known = countNodes(node, INLINE_NODES) > INLINE_NODES;
      this.#large.set(node, known);
    }
    return known;
  }
}

/** The depth of what is called for `node`: only a ref leads deeper than the schema itself. */
export function deeper(node: SchemaNode): string {
  return node.kind === "ref" ? "d + 1" : "d";
}

function refersTo(node: SchemaNode, scope: Scope | null, target: Scope): boolean {
  if (node.kind === "ref") return resolve(node, scope) === target;
  const inner = enter(node, scope);
  return children(node).some((child) => refersTo(child.node, inner, target));
}

/** Whether all refs within lead to types within. */
function isComplete(node: SchemaNode, scope: Scope | null): boolean {
  if (node.kind === "ref") return resolve(node, scope) !== null;
  const inner = enter(node, scope);
  return children(node).every((child) => isComplete(child.node, inner));
}

function countNodes(node: SchemaNode, enough: number): number {
  let count = 1;
  for (const child of children(node)) {
    if (count > enough) break;
    count += countNodes(child.node, enough - count);
  }
  return count;
}
