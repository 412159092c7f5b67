// Writes the functions that tell at least how many bytes a value takes: the schema's constant part in one number, and
// a look at what it does not bound: 2 ns for a struct of 15 scalars and a string that is encoded in 37, 140 ns for an
// order of 40 strings that is encoded in 1,800. (v)alue, (d)epth, (s)um so far, (l)imit.
//
// A value may share parts, and so be 2^depth times as large as what it is made of. So wherever the text repeats or calls
// something, it returns once the sum is above the limit; each repetition adds to the sum, or it might never be.
import { Code, deeper } from "./code.js";
import { type CompilerOptions, scalarBytes } from "./compiler.js";
import {
  type EnumNode,
  enter,
  type FieldNode,
  isUnitEnum,
  type PayloadNode,
  type SchemaNode,
  type Scope,
} from "./node.js";

/** The constant part of a bound, and the text that adds the rest to `s`. */
interface Piece {
  readonly fixed: number;
  readonly code: string;
}

const NOTHING: Piece = { fixed: 0, code: "" };
/** Also when the sum is no number: what has no length is not of the type. */
const ENOUGH = "if (!(s <= l)) return s;\n";

export class BoundCode extends Code {
  readonly #options: CompilerOptions;

  constructor(options: CompilerOptions) {
    super();
    this.#options = options;
  }

  program(node: SchemaNode, scope: Scope | null): string {
    const { fixed, code } = this.#piece(node, "v", scope);
    return `"use strict";const { lengthOf } = runtime;
${this.functions()}
return function bound(v, l) {
const d = 0;
let s = ${fixed};
${code}return s;
};`;
  }

  #piece(node: SchemaNode, x: string, scope: Scope | null): Piece {
    const scalar = scalarBytes(node.kind);
    if (scalar !== null) return { fixed: scalar, code: "" };
    const callee = this.callee(node, scope);
    if (callee !== null) {
      const name = this.call(callee, "", (self) => {
        const { fixed, code } =
          callee.node.kind === "struct"
            ? this.#fields(callee.node.fields, "v", callee.scope)
            : this.#enum(callee.node, "v", callee.scope);
        return `function ${self}(v, d, s, l) {
${ENOUGH}if (d > ${this.#options.maxDepth}) throw null;
s += ${fixed};
${code}return s;
}`;
      });
      return { fixed: 0, code: `s = ${name}(${x}, ${deeper(node)}, s, l);\n` };
    }
    const inner = enter(node, scope);
    switch (node.kind) {
      case "string":
        return { fixed: 5, code: `s += (${x}.length >>> 0) * 3;\n` };
      case "bytes":
      case "payload":
        return { fixed: 5, code: `s += lengthOf.call(${x});\n` };
      case "option": {
        const y = this.fresh("x");
        const { fixed, code } = this.#piece(node.element, y, inner);
        const value = node.element.kind === "option" ? `${x}.some` : x;
        const some = code === "" ? "" : `if (${x} !== undefined) {\nconst ${y} = ${value};\n${code}}\n`;
        return { fixed: 1 + fixed, code: some };
      }
      case "list": {
        const n = this.fresh("n");
        const { each, code } = this.#elements(node.element, x, n, inner);
        const count = `const ${n} = ${x}.length;\nif ((${n} >>> 0) !== ${n}) throw null;\n`;
        return { fixed: 5, code: `${count}s += ${n} * ${each};\n${code}` };
      }
      case "array": {
        const { each, code } = this.#elements(node.element, x, String(node.length), inner);
        return { fixed: node.length * each, code };
      }
      case "set":
        return this.#collection([node.element], x, (y) => y, inner);
      case "map":
        return this.#collection([node.key, node.value], x, (y, z) => `[${y}, ${z}]`, inner);
      case "tuple":
        return this.#all(
          node.elements.map((element, i) => [element, `${x}[${i}]`]),
          inner,
        );
      case "struct":
        return this.#fields(node.fields, x, inner);
      case "enum":
        return this.#enum(node, x, inner);
      default:
        throw new TypeError(`unreachable: ${node.kind}`);
    }
  }

  /** `n` elements of an array: what each takes at most, as far as the schema says, and the text that adds the rest. */
  #elements(node: SchemaNode, x: string, n: string, scope: Scope | null): { each: number; code: string } {
    const i = this.fresh("i");
    const y = this.fresh("x");
    const { fixed, code } = this.#piece(node, y, scope);
    if (code === "") return { each: fixed, code };
    const loop = `for (let ${i} = 0; ${i} < ${n}; ${i}++) {\n${ENOUGH}const ${y} = ${x}[${i}];\n${code}}\n`;
    return { each: Math.max(fixed, 1), code: `${ENOUGH}${loop}` };
  }

  /** Of a Set or Map, whose own code may give out more than its size says. */
  #collection(
    nodes: readonly SchemaNode[],
    x: string,
    pattern: (...names: string[]) => string,
    scope: Scope | null,
  ): Piece {
    const names = nodes.map(() => this.fresh("x"));
    const pieces = nodes.map((node, i) => this.#piece(node, names[i], scope));
    const each = pieces.reduce((sum, { fixed }) => sum + fixed, 0);
    const code = pieces.map((piece) => piece.code).join("");
    const n = this.fresh("n");
    const count = `let ${n} = ${x}.size;\nif ((${n} >>> 0) !== ${n}) throw null;\n`;
    const all = `${count}s += ${n} * ${Math.max(each, 1)};\n`;
    if (code === "") return { fixed: 5, code: all };
    const loop = `for (const ${pattern(...names)} of ${x}) {\nif (${n}-- === 0) break;\n${ENOUGH}${code}}\n`;
    return { fixed: 5, code: `${all}${ENOUGH}${loop}` };
  }

  #all(parts: readonly (readonly [SchemaNode, string])[], scope: Scope | null): Piece {
    let fixed = 0;
    let code = "";
    for (const [node, value] of parts) {
      const y = this.fresh("x");
      const piece = this.#piece(node, y, scope);
      fixed += piece.fixed;
      if (piece.code !== "") code += `const ${y} = ${value};\n${piece.code}`;
    }
    return { fixed, code };
  }

  #fields(fields: readonly FieldNode[], x: string, scope: Scope | null): Piece {
    return this.#all(
      fields.map(({ name, type }) => [type, `${x}[${JSON.stringify(name)}]`]),
      scope,
    );
  }

  #enum(node: EnumNode, x: string, scope: Scope | null): Piece {
    if (isUnitEnum(node)) return { fixed: 5, code: "" };
    const pieces = node.variants.map(({ payload }) => this.#payload(payload, x, scope));
    const cases = pieces.map(({ code }, i) =>
      code === "" ? "" : `case ${JSON.stringify(node.variants[i].name)}: {\n${code}break;\n}\n`,
    );
    const code = cases.join("");
    const tag = JSON.stringify(node.tag ?? "type");
    return {
      fixed: 5 + Math.max(...pieces.map(({ fixed }) => fixed)),
      code: code === "" ? "" : `switch (${x}[${tag}]) {\n${code}}\n`,
    };
  }

  #payload(payload: PayloadNode, x: string, scope: Scope | null): Piece {
    switch (payload.kind) {
      case "unit":
        return NOTHING;
      case "newtype":
        return this.#all([[payload.type, `${x}.value`]], scope);
      case "tuple":
        return this.#all(
          payload.elements.map((element, i) => [element, `${x}.value[${i}]`]),
          scope,
        );
      case "struct":
        return this.#fields(payload.fields, x, scope);
    }
  }
}
