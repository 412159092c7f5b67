// Writes the functions that encode: (t)arget, (p)osition, (e)nd, (v)alue, (d)epth, (w) a DataView of the target.
//
// Room is checked once for a run of scalars, up to the next part whose size the schema does not tell; such a part
// checks for itself. So each piece of text is written knowing how many bytes are `granted` behind the position.
//
// All of it is JavaScript, into the ring. A call into WASM alone takes 3 ns, as much as a whole field here, and what WASM
// could copy has to be brought into its memory first: placing 900 staged bytes (scatterPlace) would add 48 ns.

import { type Callee, Code, deeper } from "./code.js";
import { type CompilerOptions, leastBytes, scalarBytes } from "./compiler.js";
import {
  type EnumNode,
  enter,
  type FieldNode,
  isUnitEnum,
  type PayloadNode,
  type SchemaNode,
  type Scope,
} from "./node.js";
import { NO_ROOM, WRONG } from "./wire.js";

/** A part of a sequence: a node and the text of its value. */
interface Part {
  readonly node: SchemaNode;
  readonly value: string;
}

const HEAD = `
const { wire, out, text, varintBytes, copy, Bytes, lengthOf, isArray } = runtime;
const { writeVarint, writeU64, writeI64, writeU128, writeI128, writeSafeUnsigned, writeSafeSigned, viewOf } = wire;
`;

/** An enum of more variants than this finds its index in a Map. */
const SWITCH_VARIANTS = 12;

export class EncodeCode extends Code {
  readonly #options: CompilerOptions;
  #constants = "";
  /** Some list may have elements without bytes: they are counted. */
  #empties = false;

  constructor(options: CompilerOptions) {
    super();
    this.#options = options;
  }

  program(node: SchemaNode, scope: Scope | null): string {
    const body = this.#sequence([{ node, value: "v" }], 0, scope);
    const functions = this.functions();
    const count = this.#empties ? `out.emptyLeft = ${this.#options.maxEmptyElements};\n` : "";
    return `"use strict";${HEAD}${this.#constants}${functions}
return function encode(t, p, e, v) {
const d = 0, w = viewOf(t);
${count}${body}return p;
};`;
  }

  /** Counts `n` elements that may have no bytes: as many as a reader takes. */
  #spendEmpty(n: string, leastBytesEach: number): string {
    if (leastBytesEach > 0) return "";
    this.#empties = true;
    return `if (!((out.emptyLeft -= ${n}) >= 0)) return ${WRONG};\n`;
  }

  #sequence(parts: readonly Part[], granted: number, scope: Scope | null): string {
    let code = "";
    parts.forEach(({ node, value }, i) => {
      const lead = this.#lead(node, scope);
      if (granted < lead) {
        granted = this.#run(parts, i, scope);
        code += `if (e - p < ${granted}) return ${NO_ROOM};\n`;
      }
      const simple = scalarBytes(node.kind) !== null || node.kind === "string";
      // A value is fetched once: a getter might say something else the next time.
      const name = /^\w+$/.test(value) ? value : this.fresh("x");
      if (name !== value) code += `const ${name} = ${value};\n`;
      code += simple ? this.#scalar(node, name) : this.#composite(node, name, granted, scope);
      granted = this.#isDynamic(node, scope) ? 0 : granted - lead;
    });
    return code;
  }

  #scalar(node: SchemaNode, x: string): string {
    const wrong = (condition: string) => `if (${condition}) return ${WRONG};\n`;
    const called = (call: string) => `if ((p = ${call}) < 0) return p;\n`;
    switch (node.kind) {
      case "unit":
        return wrong(`${x} !== null`);
      case "bool":
        return `if (${x} === true) t[p++] = 1; else if (${x} === false) t[p++] = 0; else return ${WRONG};\n`;
      case "u8":
        return `${wrong(`(${x} & 255) !== ${x}`)}t[p++] = ${x};\n`;
      case "i8":
        return `${wrong(`(${x} << 24 >> 24) !== ${x}`)}t[p++] = ${x};\n`;
      case "u16":
        return wrong(`(${x} & 65535) !== ${x}`) + varint(x);
      case "u32":
        return wrong(`(${x} >>> 0) !== ${x}`) + varint(x);
      case "i16":
      case "i32": {
        const z = this.fresh("z");
        const same = node.kind === "i16" ? `(${x} << 16 >> 16)` : `(${x} | 0)`;
        return `${wrong(`${same} !== ${x}`)}const ${z} = (${x} << 1 ^ ${x} >> 31) >>> 0;\n${varint(z)}`;
      }
      case "u64":
      case "u128":
      case "i64":
      case "i128": {
        const signed = node.kind.startsWith("i");
        if (node.as === "number")
          return called(`${signed ? "writeSafeSigned" : "writeSafeUnsigned"}(t, p, ${x})`);
        return called(`write${node.kind.toUpperCase()}(t, p, ${x})`);
      }
      case "f32":
        return `${wrong(`typeof ${x} !== "number"`)}w.setFloat32(p, ${x}, true); p += 4;\n`;
      case "f64":
        return `${wrong(`typeof ${x} !== "number"`)}w.setFloat64(p, ${x}, true); p += 8;\n`;
      case "char":
        return `${wrong(`typeof ${x} !== "string" || ${x}.length !== (${x}.codePointAt(0) > 65535 ? 2 : 1)`)}${called(`text(t, p, e, ${x})`)}`;
      case "string":
        return `${wrong(`typeof ${x} !== "string"`)}${called(`text(t, p, e, ${x})`)}`;
      default:
        throw new TypeError(`unreachable: ${node.kind}`);
    }
  }

  #composite(node: SchemaNode, x: string, granted: number, scope: Scope | null): string {
    const callee = this.callee(node, scope);
    if (callee !== null) return this.#call(callee, x, deeper(node));
    const inner = enter(node, scope);
    switch (node.kind) {
      case "bytes":
      case "payload": {
        const n = this.fresh("n");
        const head =
          node.kind === "bytes"
            ? `if (e - p < ${n} + varintBytes(${n})) return ${NO_ROOM};\n${varint(n)}`
            : `if (e - p < ${n} + 4) return ${NO_ROOM};\nw.setUint32(p, ${n}, true); p += 4;\n`;
        const move = this.#options.copy === undefined ? `t.set(${x}, p)` : `copy(t, p, ${x}, ${n})`;
        return `if (!(${x} instanceof Bytes)) return ${WRONG};
const ${n} = lengthOf.call(${x});
${head}${move}; p += ${n};
`;
      }
      case "option": {
        const value = node.element.kind === "option" ? `${x}.some` : x;
        const boxed = node.element.kind === "option" ? notAnObject(x) : "";
        return `if (${x} === undefined) t[p++] = 0;
else {
${boxed}t[p++] = 1;
${this.#sequence([{ node: node.element, value }], granted - 1, inner)}}
`;
      }
      case "list": {
        const n = this.fresh("n");
        const least = leastBytes(node.element, inner);
        const elements = this.#elements(node.element, x, n, least, varint(n), inner);
        return `if (!isArray(${x})) return ${WRONG};
${counted(n, `${x}.length`)}${this.#spendEmpty(n, least)}${elements}`;
      }
      case "array": {
        const length = String(node.length);
        const least = leastBytes(node.element, inner);
        const spend = this.#spendEmpty(length, least);
        const check = `if (!isArray(${x}) || ${x}.length !== ${length}) return ${WRONG};\n${spend}`;
        if (this.#isDynamic(node, scope))
          return check + this.#elements(node.element, x, length, least, "", inner);
        const i = this.fresh("i");
        const flat = this.#flat(node.element, inner);
        const element = this.#sequence([{ node: node.element, value: `${x}[${i}]` }], flat, inner);
        return `${check}for (let ${i} = 0; ${i} < ${length}; ${i}++) {\n${element}}\n`;
      }
      case "set":
        return this.#collection(x, "Set", [node.element], inner);
      case "map":
        return this.#collection(x, "Map", [node.key, node.value], inner);
      case "tuple":
        return this.#tuple(node.elements, x, granted, inner);
      case "struct":
        return notAnObject(x) + this.#fields(node.fields, x, granted, inner);
      case "enum":
        return isUnitEnum(node) ? this.#unitEnum(node, x) : this.#taggedEnum(node, x, granted, inner);
      default:
        throw new TypeError(`unreachable: ${node.kind}`);
    }
  }

  #call(callee: Callee, x: string, depth: string): string {
    const { node, scope } = callee;
    const name = this.call(callee, "", (self) => {
      const body =
        node.kind === "struct"
          ? notAnObject("v") + this.#fields(node.fields, "v", 0, scope)
          : `if (e - p < ${this.#lead(node, scope.outer, true)}) return ${NO_ROOM};\n${
              isUnitEnum(node)
                ? this.#unitEnum(node, "v")
                : this.#taggedEnum(node, "v", this.#lead(node, scope.outer, true), scope)
            }`;
      return `function ${self}(t, p, e, v, d, w) {
if (d > ${this.#options.maxDepth}) return ${WRONG};
${body}return p;
}`;
    });
    return `if ((p = ${name}(t, p, e, ${x}, ${depth}, w)) < 0) return p;\n`;
  }

  /**
   * Elements of an array, behind `head`: a varint or nothing. When each takes a bounded number of bytes, room is checked
   * for all of them at once; otherwise for the least that they take, lest much be written that will not fit.
   */
  #elements(
    node: SchemaNode,
    x: string,
    n: string,
    least: number,
    head: string,
    scope: Scope | null,
  ): string {
    const i = this.fresh("i");
    const fixed = !this.#isDynamic(node, scope);
    const flat = this.#flat(node, scope);
    const element = this.#sequence([{ node, value: `${x}[${i}]` }], fixed ? flat : 0, scope);
    const headBytes = head === "" ? 0 : 5;
    const room = `if (e - p < ${headBytes} + ${n} * ${fixed ? flat : least}) return ${NO_ROOM};\n`;
    return `${room}${head}for (let ${i} = 0; ${i} < ${n}; ${i}++) {\n${element}}\n`;
  }

  #collection(x: string, type: "Set" | "Map", nodes: readonly SchemaNode[], scope: Scope | null): string {
    const n = this.fresh("n");
    const c = this.fresh("c");
    const names = nodes.map(() => this.fresh("x"));
    const parts = nodes.map((node, i): Part => ({ node, value: names[i] }));
    const least = nodes.reduce((sum, node) => sum + leastBytes(node, scope), 0);
    const pattern = type === "Map" ? `[${names.join(", ")}]` : names[0];
    // It may change while the value's own code runs; what was announced has to come.
    return `if (!(${x} instanceof ${type})) return ${WRONG};
${counted(n, `${x}.size`)}if (e - p < 5 + ${n} * ${least}) return ${NO_ROOM};
${this.#spendEmpty(n, least)}${varint(n)}let ${c} = 0;
for (const ${pattern} of ${x}) {
if (${c}++ === ${n}) return ${WRONG};
${this.#sequence(parts, 0, scope)}}
if (${c} !== ${n}) return ${WRONG};
`;
  }

  #tuple(elements: readonly SchemaNode[], x: string, granted: number, scope: Scope | null): string {
    const parts = elements.map((node, i): Part => ({ node, value: `${x}[${i}]` }));
    return `if (!isArray(${x}) || ${x}.length !== ${elements.length}) return ${WRONG};
${this.#sequence(parts, granted, scope)}`;
  }

  #fields(fields: readonly FieldNode[], x: string, granted: number, scope: Scope | null): string {
    // Fetched together: the engine then looks at the object's shape once.
    const names = fields.map(() => this.fresh("x"));
    const fetch = fields
      .map(({ name }, i) => `const ${names[i]} = ${x}[${JSON.stringify(name)}];\n`)
      .join("");
    const parts = fields.map(({ type }, i): Part => ({ node: type, value: names[i] }));
    return fetch + this.#sequence(parts, granted, scope);
  }

  #unitEnum(node: EnumNode, x: string): string {
    if (node.variants.length <= SWITCH_VARIANTS) {
      const cases = node.variants.map(
        ({ name }, i) => `case ${JSON.stringify(name)}: t[p++] = ${i}; break;\n`,
      );
      return `switch (${x}) {\n${cases.join("")}default: return ${WRONG};\n}\n`;
    }
    const indexes = this.fresh("INDEX");
    const index = this.fresh("k");
    const entries = node.variants.map(({ name }, i) => [name, i]);
    this.#constants += `const ${indexes} = new Map(${JSON.stringify(entries)});\n`;
    return `const ${index} = ${indexes}.get(${x});\nif (${index} === undefined) return ${WRONG};\n${varint(index)}`;
  }

  #taggedEnum(node: EnumNode, x: string, granted: number, scope: Scope | null): string {
    const left = granted - indexBytes(node);
    const cases = node.variants.map(({ name, payload }, index) => {
      const head = [...varintOf(index)].map((byte) => `t[p++] = ${byte};`).join(" ");
      return `case ${JSON.stringify(name)}: {\n${head}\n${this.#payload(payload, x, left, scope)}break;\n}\n`;
    });
    const tag = JSON.stringify(node.tag ?? "type");
    return `${notAnObject(x)}switch (${x}[${tag}]) {\n${cases.join("")}default: return ${WRONG};\n}\n`;
  }

  #payload(payload: PayloadNode, x: string, granted: number, scope: Scope | null): string {
    switch (payload.kind) {
      case "unit":
        return "";
      case "newtype":
        return this.#sequence([{ node: payload.type, value: `${x}.value` }], granted, scope);
      case "tuple": {
        const value = this.fresh("x");
        return `const ${value} = ${x}.value;\n${this.#tuple(payload.elements, value, granted, scope)}`;
      }
      case "struct":
        return this.#fields(payload.fields, x, granted, scope);
    }
  }

  // ---- how many bytes

  /** Whether the schema does not bound the size, or the bytes are another function's. */
  #isDynamic(node: SchemaNode, scope: Scope | null): boolean {
    if (scalarBytes(node.kind) !== null) return false;
    if (this.callee(node, scope) !== null) return true;
    const inner = enter(node, scope);
    switch (node.kind) {
      case "option":
      case "array":
        return this.#isDynamic(node.element, inner);
      case "tuple":
        return node.elements.some((element) => this.#isDynamic(element, inner));
      case "struct":
        return node.fields.some(({ type }) => this.#isDynamic(type, inner));
      case "enum":
        return node.variants.some(({ payload }) =>
          payloadNodes(payload).some((part) => this.#isDynamic(part, inner)),
        );
      default:
        return true;
    }
  }

  /** The most bytes of a node that is not dynamic. */
  #flat(node: SchemaNode, scope: Scope | null): number {
    return this.#isDynamic(node, scope) ? 0 : this.#lead(node, scope);
  }

  /** The most bytes that a node writes before its first dynamic part: granted when its text begins. */
  #lead(node: SchemaNode, scope: Scope | null, inside = false): number {
    const scalar = scalarBytes(node.kind);
    if (scalar !== null) return scalar;
    if (!inside && this.callee(node, scope) !== null) return 0;
    const inner = enter(node, scope);
    const run = (nodes: readonly SchemaNode[]) =>
      this.#run(
        nodes.map((part) => ({ node: part, value: "" })),
        0,
        inner,
      );
    switch (node.kind) {
      case "option":
        return 1 + this.#lead(node.element, inner);
      case "array":
        return this.#isDynamic(node.element, inner) ? 0 : node.length * this.#lead(node.element, inner);
      case "tuple":
        return run(node.elements);
      case "struct":
        return run(node.fields.map(({ type }) => type));
      case "enum":
        return indexBytes(node) + Math.max(...node.variants.map(({ payload }) => run(payloadNodes(payload))));
      default:
        return 0;
    }
  }

  /** The most bytes from a part on to the end of the first dynamic part's lead. */
  #run(parts: readonly Part[], from: number, scope: Scope | null): number {
    let bytes = 0;
    for (let i = from; i < parts.length; i++) {
      bytes += this.#lead(parts[i].node, scope);
      if (this.#isDynamic(parts[i].node, scope)) break;
    }
    return bytes;
  }
}

function payloadNodes(payload: PayloadNode): readonly SchemaNode[] {
  if (payload.kind === "unit") return [];
  if (payload.kind === "newtype") return [payload.type];
  return payload.kind === "tuple" ? payload.elements : payload.fields.map(({ type }) => type);
}

/** A Proxy, or a property in the way, can say anything of a length: it counts once, and only as a u32. */
function counted(n: string, length: string): string {
  return `const ${n} = ${length};\nif ((${n} >>> 0) !== ${n}) return ${WRONG};\n`;
}

function notAnObject(x: string): string {
  return `if (typeof ${x} !== "object" || ${x} === null) return ${WRONG};\n`;
}

/** Up to three bytes without a call: a store into a Uint8Array drops the high bits. */
function varint(x: string): string {
  return `if (${x} < 128) t[p++] = ${x};
else if (${x} < 16384) { t[p] = ${x} | 128; t[p + 1] = ${x} >> 7; p += 2; }
else if (${x} < 2097152) { t[p] = ${x} | 128; t[p + 1] = ${x} >> 7 | 128; t[p + 2] = ${x} >> 14; p += 3; }
else p = writeVarint(t, p, ${x});
`;
}

function indexBytes(node: EnumNode): number {
  return [...varintOf(node.variants.length - 1)].length;
}

function* varintOf(value: number): Generator<number> {
  for (; value > 127; value >>>= 7) yield (value & 127) | 128;
  yield value;
}
