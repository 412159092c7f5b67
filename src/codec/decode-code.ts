// Writes the functions that decode: (b)ytes, (p)osition, (e)nd, (d)epth, (w) a DataView of the bytes.
//
// A scalar is read without asking whether its bytes are there: behind the array it is `undefined`, and the position is
// beyond the end in any case, which the codec finds when all is read. What is asked, before anything is allocated or
// repeated, is whether a length fits into what is left.
import { Code, deeper } from "./code.js";
import { type CompilerOptions, leastBytes, type ReadMode } from "./compiler.js";
import {
  type EnumNode,
  enter,
  isUnitEnum,
  type NamedNode,
  type PayloadNode,
  type SchemaNode,
  type Scope,
} from "./node.js";
import type { EnumReading, FieldReading, FieldsReading, VariantReading } from "./reading.js";
import { BORROWED_WINDOW_BYTES, OWNED_WINDOW_BYTES } from "./text.js";

const HEAD = `
const { wire, out, MALFORMED, ascii, readText, shareString, closeWindow } = runtime;
const { readRest16, readRest32, readU64, readI64, readU128, readI128, viewOf, ownBytes, viewBytes } = wire;
const { readSafeUnsigned, readSafeSigned, readSafeU128, readSafeI128 } = wire;
`;

/** Shorter strings are made on their own when they may share text: the engine would copy them in any case. */
const SHARED_FROM_BYTES = 12;

/** Text that reads a value, and the expression it is then. */
interface Piece {
  readonly code: string;
  readonly value: string;
}

export class DecodeCode extends Code {
  readonly #options: CompilerOptions;
  readonly #makers: (() => unknown)[] = [];
  #constants = "";

  constructor(options: CompilerOptions) {
    super();
    this.#options = options;
  }

  /** What the text calls by index: makers of defaults. */
  get makers(): readonly (() => unknown)[] {
    return this.#makers;
  }

  program(node: SchemaNode, scope: Scope | null, mode: ReadMode): string {
    const { code, value } = this.#piece(node, scope, mode);
    return `"use strict";${HEAD}${this.#constants}${this.functions()}
return function decode(b, p, e) {
const d = 0, w = viewOf(b);
out.emptyLeft = ${this.#options.maxEmptyElements};
${mode === "skip" ? "" : "closeWindow();\n"}${code}out.at = p;
return ${value};
};`;
  }

  #piece(node: SchemaNode, scope: Scope | null, mode: ReadMode): Piece {
    const callee = this.callee(node, scope);
    if (callee !== null) {
      const name = this.call(callee, `_${mode}`, (self) => {
        const { code, value } = this.#named(callee.node, callee.scope, mode);
        return `function ${self}(b, p, e, d, w) {
if (d > ${this.#options.maxDepth}) throw MALFORMED;
${code}out.at = p;
return ${value};
}`;
      });
      return this.#read(`${name}(b, p, e, ${deeper(node)}, w)`);
    }
    const x = this.fresh("x");
    switch (node.kind) {
      case "unit":
        return { code: "", value: "null" };
      case "bool":
        return { code: `const ${x} = b[p++];\nif (${x} > 1) throw MALFORMED;\n`, value: `${x} === 1` };
      case "u8":
        return { code: `const ${x} = b[p++];\n`, value: x };
      case "i8":
        return { code: `const ${x} = b[p++] << 24 >> 24;\n`, value: x };
      case "u16":
        return { code: varint16(x), value: x };
      case "u32":
        return { code: this.#varint(x), value: x };
      case "i16":
        return { code: varint16(x), value: unzigzag(x) };
      case "i32":
        return { code: this.#varint(x), value: unzigzag(x) };
      case "u64":
        return node.as === "number" ? this.#safe(x, "readSafeUnsigned", x) : this.#read("readU64(b, p)");
      case "u128":
        return node.as === "number" ? this.#safe(x, "readSafeU128", x) : this.#read("readU128(b, p)");
      case "i64":
        return node.as === "number"
          ? this.#safe(x, "readSafeSigned", unzigzag(x))
          : this.#read("readI64(b, p)");
      case "i128":
        return node.as === "number"
          ? this.#safe(x, "readSafeI128", unzigzag(x))
          : this.#read("readI128(b, p)");
      case "f32":
        return { code: `const ${x} = w.getFloat32(p, true); p += 4;\n`, value: x };
      case "f64":
        return { code: `const ${x} = w.getFloat64(p, true); p += 8;\n`, value: x };
      case "char":
        return this.#char();
      case "string":
        return this.#string(mode);
      case "bytes": {
        const n = this.fresh("n");
        return this.#bytes(n, this.#varint(n), mode);
      }
      case "payload": {
        const n = this.fresh("n");
        return this.#bytes(n, `const ${n} = w.getUint32(p, true); p += 4;\n`, mode);
      }
      case "option": {
        const tag = this.fresh("o");
        const some = this.#piece(node.element, scope, mode);
        const value = node.element.kind === "option" ? `{ some: ${some.value} }` : some.value;
        return {
          code: `let ${x};
const ${tag} = b[p++];
if (${tag} === 1) {
${some.code}${mode === "skip" ? "" : `${x} = ${value};\n`}} else if (${tag} !== 0) throw MALFORMED;
`,
          value: x,
        };
      }
      case "list": {
        const n = this.fresh("n");
        return this.#elements(node.element, n, this.#varint(n), scope, mode);
      }
      case "array":
        return this.#elements(node.element, String(node.length), "", scope, mode);
      case "set": {
        const put = (item: string) => `${x}.add(${item});\n`;
        return this.#collection(x, "Set", [node.element], put, scope, mode);
      }
      case "map": {
        const put = (key: string, item: string) => `${x}.set(${key}, ${item});\n`;
        return this.#collection(x, "Map", [node.key, node.value], put, scope, mode);
      }
      case "tuple":
        return this.#tuple(node.elements, scope, mode);
      case "struct":
      case "enum":
        return this.#named(node, enter(node, scope)!, mode);
      case "ref":
        throw new TypeError("unreachable");
    }
  }

  #named(node: NamedNode, scope: Scope, mode: ReadMode): Piece {
    return node.kind === "struct" ? this.#struct(node, "", scope, mode) : this.#enum(node, scope, mode);
  }

  /** A function's result, which leaves the position in `out`. */
  #read(call: string): Piece {
    const x = this.fresh("x");
    return { code: `const ${x} = ${call}; p = out.at;\n`, value: x };
  }

  /** A varint of up to 32 bits; one and two bytes without a call. */
  #varint(x: string): string {
    const y = this.fresh("y");
    return `let ${x} = b[p++];
if (${x} > 127) {
const ${y} = b[p++];
if (${y} < 128) ${x} = ${x} & 127 | ${y} << 7;
else { ${x} = readRest32(b, p - 1, ${x}); p = out.at; }
}
`;
  }

  /** A wide integer as number; `small` is what a first byte below 128 means. */
  #safe(x: string, read: string, small: string): Piece {
    const y = this.fresh("y");
    return {
      code: `let ${y};
const ${x} = b[p];
if (${x} < 128) { p++; ${y} = ${small}; } else { ${y} = ${read}(b, p); p = out.at; }
`,
      value: y,
    };
  }

  #string(mode: ReadMode): Piece {
    const n = this.fresh("n");
    const head = `${this.#varint(n)}if (!(${n} <= e - p)) throw MALFORMED;\n`;
    if (mode === "skip") return { code: `${head}p += ${n};\n`, value: "undefined" };
    const x = this.fresh("x");
    const window = mode === "borrowed" ? BORROWED_WINDOW_BYTES : OWNED_WINDOW_BYTES;
    const code = `${head}const ${x} = ${n} <= ${SHARED_FROM_BYTES} ? ascii(b, p, ${n}) ?? readText(b, p, ${n}) : shareString(b, p, ${n}, e, ${window});
p += ${n};
`;
    return { code, value: x };
  }

  /** Read in full even when it is skipped: a char of two characters is wrong in either case. */
  #char(): Piece {
    const { code, value } = this.#string("owned");
    const one = `${value}.length === (${value}.codePointAt(0) > 65535 ? 2 : 1)`;
    return { code: `${code}if (!(${one})) throw MALFORMED;\n`, value };
  }

  #bytes(n: string, head: string, mode: ReadMode): Piece {
    const x = this.fresh("x");
    const value = mode === "owned" ? `ownBytes(b, p, ${n})` : `viewBytes(b, p, ${n})`;
    const take = mode === "skip" ? "" : `const ${x} = ${value};\n`;
    return {
      code: `${head}if (!(${n} <= e - p)) throw MALFORMED;\n${take}p += ${n};\n`,
      value: mode === "skip" ? "undefined" : x,
    };
  }

  /** Refuses a count of elements that cannot all be there. */
  #count(n: string, least: number): string {
    if (least === 0) return `if (!((out.emptyLeft -= ${n}) >= 0)) throw MALFORMED;\n`;
    return `if (!(${n}${least === 1 ? "" : ` * ${least}`} <= e - p)) throw MALFORMED;\n`;
  }

  #elements(node: SchemaNode, n: string, head: string, scope: Scope | null, mode: ReadMode): Piece {
    const x = this.fresh("x");
    const i = this.fresh("i");
    const { code, value } = this.#piece(node, scope, mode);
    const check = this.#count(n, leastBytes(node, scope));
    const skip = mode === "skip";
    return {
      code: `${head}${check}${skip ? "" : `const ${x} = new Array(${n});\n`}for (let ${i} = 0; ${i} < ${n}; ${i}++) {
${code}${skip ? "" : `${x}[${i}] = ${value};\n`}}
`,
      value: skip ? "undefined" : x,
    };
  }

  #collection(
    x: string,
    type: "Set" | "Map",
    nodes: readonly SchemaNode[],
    put: (...values: string[]) => string,
    scope: Scope | null,
    mode: ReadMode,
  ): Piece {
    const n = this.fresh("n");
    const i = this.fresh("i");
    const pieces = nodes.map((node) => this.#piece(node, scope, mode));
    const least = nodes.reduce((sum, node) => sum + leastBytes(node, scope), 0);
    const skip = mode === "skip";
    return {
      code: `${this.#varint(n)}${this.#count(n, least)}${skip ? "" : `const ${x} = new ${type}();\n`}for (let ${i} = 0; ${i} < ${n}; ${i}++) {
${pieces.map(({ code }) => code).join("")}${skip ? "" : put(...pieces.map(({ value }) => value))}}
`,
      value: skip ? "undefined" : x,
    };
  }

  #tuple(elements: readonly SchemaNode[], scope: Scope | null, mode: ReadMode): Piece {
    const pieces = elements.map((element) => this.#piece(element, scope, mode));
    return {
      code: pieces.map(({ code }) => code).join(""),
      value: mode === "skip" ? "undefined" : `[${pieces.map(({ value }) => value).join(", ")}]`,
    };
  }

  /** The fields of a struct, or of a variant whose tag comes first. */
  #struct(reading: FieldsReading, tag: string, scope: Scope, mode: ReadMode): Piece {
    const values = new Map<string, string>();
    let code = "";
    for (const { name, type, skip } of reading.fields as readonly FieldReading[]) {
      const piece = this.#piece(type, scope, skip ? "skip" : mode);
      code += piece.code;
      values.set(name, piece.value);
    }
    if (mode === "skip") return { code, value: "undefined" };
    const properties = (reading.properties ?? reading.fields).map((property): string => {
      const make = "make" in property ? property.make : undefined;
      const value =
        make === undefined ? values.get(property.name) : `makers[${this.#makers.push(make) - 1}]()`;
      return `${JSON.stringify(property.name)}: ${value}`;
    });
    return { code, value: `{ ${[...(tag === "" ? [] : [tag]), ...properties].join(", ")} }` };
  }

  #enum(node: EnumNode & EnumReading, scope: Scope, mode: ReadMode): Piece {
    const k = this.fresh("k");
    const x = this.fresh("x");
    const units = node.units ?? isUnitEnum(node);
    const index = this.#varint(k);
    if (isUnitEnum(node) && units && mode !== "skip") {
      const names = this.fresh("NAMES");
      const known = node.variants.map(({ name, unknown }: VariantReading) => (unknown ? null : name));
      this.#constants += `const ${names} = ${JSON.stringify(known)};\n`;
      const absent = known.includes(null) ? `${x} == null` : `${x} === undefined`;
      return { code: `${index}const ${x} = ${names}[${k}];\nif (${absent}) throw MALFORMED;\n`, value: x };
    }
    const tag = JSON.stringify(node.tag ?? "type");
    const cases = node.variants.map(({ name, payload, unknown }: VariantReading, i) => {
      if (unknown) return "";
      const tagged = `${tag}: ${JSON.stringify(name)}`;
      const { code, value } = this.#payload(payload, tagged, scope, mode);
      const whole = units ? JSON.stringify(name) : value;
      return `case ${i}: {\n${code}${mode === "skip" ? "" : `${x} = ${whole};\n`}break;\n}\n`;
    });
    return {
      code: `${index}let ${x};\nswitch (${k}) {\n${cases.join("")}default: throw MALFORMED;\n}\n`,
      value: x,
    };
  }

  #payload(payload: PayloadNode, tagged: string, scope: Scope, mode: ReadMode): Piece {
    switch (payload.kind) {
      case "unit":
        return { code: "", value: `{ ${tagged} }` };
      case "newtype": {
        const { code, value } = this.#piece(payload.type, scope, mode);
        return { code, value: `{ ${tagged}, value: ${value} }` };
      }
      case "tuple": {
        const { code, value } = this.#tuple(payload.elements, scope, mode);
        return { code, value: `{ ${tagged}, value: ${value} }` };
      }
      case "struct":
        return this.#struct(payload as FieldsReading, tagged, scope, mode);
    }
  }
}

function varint16(x: string): string {
  return `let ${x} = b[p++];\nif (${x} > 127) { ${x} = readRest16(b, p, ${x}); p = out.at; }\n`;
}

function unzigzag(x: string): string {
  return `${x} >>> 1 ^ -(${x} & 1)`;
}
