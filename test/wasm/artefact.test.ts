// The binaries as they are shipped, not as they were meant: walked section by section.
import { createHash } from "node:crypto";
import { instantiateSync } from "@assemblyscript/loader";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/wasm/binary.generated.js";
import { binaryOf, instantiate } from "../../src/wasm/instantiate.js";
import { BUILDS } from "./builds.js";
import { readVarint } from "./reference.js";

const MAX_BYTES = 6_144;
const SECTIONS = { type: 1, import: 2, function: 3, global: 6, export: 7, code: 10 };
const EXPORTS = [
  "batchCommit",
  "controlCommit",
  "copyBytes",
  "deframe",
  "frameEnter",
  "frameHeaderSize",
  "frameParse",
  "frameWrite",
  "ringAck",
  "ringCommit",
  "ringMove",
  "ringPin",
  "ringReserve",
  "ringRewind",
  "ringTake",
  "ringUnpin",
  "scatterPlace",
  "scatterSize",
  "seqBefore",
  "varintReadU32",
  "varintReadU64",
  "varintSizeU32",
  "varintSizeU64",
  "varintWriteU32",
  "varintWriteU64",
];

/** Section ids with their contents. WebAssembly's LEB128 is the varint of the frames. */
function sections(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (let at = 8; at < bytes.length; ) {
    const size = readVarint(bytes, at + 1, bytes.length, 32);
    if (typeof size === "string") throw new Error("a section without a size");
    const end = size.end + Number(size.value);
    found.set(bytes[at], bytes.subarray(size.end, end));
    at = end;
  }
  return found;
}

describe.each(BUILDS)("%s binary", (build) => {
  const bytes = binaryOf(build);

  test("is a WebAssembly module of at most 6,144 bytes", () => {
    expect([...bytes.subarray(0, 8)]).toEqual([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(bytes.length).toBeLessThanOrEqual(MAX_BYTES);
  });

  test("is what the compiler wrote", () => {
    expect(sha256[build]).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  test("has no data, no start function, no table, no memory of its own, no custom section", () => {
    expect([...sections(bytes).keys()].sort((a, b) => a - b)).toEqual(Object.values(SECTIONS));
  });

  test("imports env.memory and nothing else, shared or not as its name says", () => {
    expect(WebAssembly.Module.imports(new WebAssembly.Module(bytes))).toEqual([
      { module: "env", name: "memory", kind: "memory" },
    ]);
    const name = (text: string) => [text.length, ...Buffer.from(text)];
    const flags = build === "shared" ? 3 : 1;
    // One import: memory (2), flags (has a maximum, shared), at least 1 page, at most 32,768.
    expect([...sections(bytes).get(SECTIONS.import)!]).toEqual([
      1,
      ...name("env"),
      ...name("memory"),
      2,
      flags,
      1,
      0x80,
      0x80,
      2,
    ]);
  });

  test("exports its functions and nothing else", () => {
    const exports = WebAssembly.Module.exports(new WebAssembly.Module(bytes));
    expect(exports.every(({ kind }) => kind === "function")).toBe(true);
    expect(exports.map(({ name }) => name).sort()).toEqual(EXPORTS);
  });

  test("is what AssemblyScript's own loader can use: a page does without it, 2 KB that two lines replace", () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 32_768, shared: build === "shared" });
    const { exports } = instantiateSync<Record<string, (value: number) => number>>(bytes, {
      env: { memory },
    });
    expect(Object.keys(exports)).toEqual(expect.arrayContaining(EXPORTS));
    expect(exports.varintSizeU32(300)).toBe(2);
  });

  test("does not write to the memory when it is instantiated", () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 32_768, shared: build === "shared" });
    const all = Buffer.from(memory.buffer);
    all.fill(0xc5);
    const exports = instantiate(build, memory);
    expect(all.every((byte) => byte === 0xc5)).toBe(true);
    expect(memory.buffer.byteLength).toBe(all.length);
    expect(exports.varintSizeU32(300)).toBe(2);
  });
});

test("both binaries are the same code", () => {
  const [one, other] = BUILDS.map((build) => sections(binaryOf(build)));
  expect(one.get(SECTIONS.code)).toEqual(other.get(SECTIONS.code));
});
