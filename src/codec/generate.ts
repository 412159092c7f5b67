// The compiler that writes JavaScript: for each type of schema one function without a call or a loop that it does not
// need. What goes into the source text is numbers, and names as JSON strings.
//
// Generated code finds out that something is wrong, never what: interpret.ts says that.

import { bytesOf, plainBytes } from "../bytes-of.js";
import { BoundCode } from "./bound-code.js";
import {
  type Bound,
  COPY_FROM_BYTES,
  type Compiler,
  type CompilerOptions,
  type Encode,
  type Read,
} from "./compiler.js";
import { DecodeCode } from "./decode-code.js";
import { EncodeCode } from "./encode-code.js";
import { closeWindow, readText, shareString, varintBytes, writeString } from "./text.js";
import * as wire from "./wire.js";

/** ASCII of at most this many bytes is read by a function with a case for each length. */
const ASCII_BYTES = 12;

let allowed: boolean | undefined;

/** Whether a Content-Security-Policy lets this page make functions from text. Asked when a codec is first used. */
export function canGenerate(): boolean {
  if (allowed === undefined) {
    try {
      allowed = new Function("return true")() as boolean;
    } catch {
      allowed = false;
    }
  }
  return allowed;
}

export function generator(options: CompilerOptions): Compiler {
  const { copy } = options;
  const runtime = {
    wire,
    out: wire.out,
    MALFORMED: wire.MALFORMED,
    text: writeString,
    readText,
    shareString,
    closeWindow,
    ascii: asciiReader(),
    varintBytes,
    Bytes: Uint8Array,
    lengthOf: bytesOf.length,
    isArray: Array.isArray,
    copy:
      copy === undefined
        ? undefined
        : (target: Uint8Array, at: number, bytes: Uint8Array, length: number) => {
            if (length < COPY_FROM_BYTES) target.set(bytes, at);
            else copy(target, at, plainBytes(bytes, length));
          },
  };
  const make = (code: string, makers?: readonly (() => unknown)[]) =>
    new Function("runtime", "makers", code)(runtime, makers);
  return {
    encoder: (node, scope): Encode => make(new EncodeCode(options).program(node, scope)),
    bounder: (node, scope): Bound => make(new BoundCode(options).program(node, scope)),
    reader(node, scope, mode): Read {
      const code = new DecodeCode(options);
      const program = code.program(node, scope, mode);
      return make(program, code.makers);
    },
  };
}

/**
 * Reads ASCII of up to ASCII_BYTES bytes with one call of String.fromCharCode, which the engine turns into a single
 * allocation: 16 ns for 8 bytes. null: longer, or not ASCII. Beyond 12 bytes strings share a text (text.ts), which is faster,
 * and which the engine would copy for shorter ones.
 */
function asciiReader(): (source: Uint8Array, at: number, length: number) => string | null {
  const cases = Array.from({ length: ASCII_BYTES }, (_, i) => {
    const names = Array.from({ length: i + 1 }, (_, j) => `c${j}`);
    const loads = names.map((name, j) => `${name} = b[p + ${j}]`).join(", ");
    return `case ${i + 1}: {
const ${loads};
return (${names.join(" | ")}) > 127 ? null : fromCharCode(${names.join(", ")});
}`;
  });
  const code = `"use strict";
const { fromCharCode } = String;
return function ascii(b, p, n) {
switch (n) {
case 0: return "";
${cases.join("\n")}
default: return null;
}
};`;
  return new Function(code)();
}
