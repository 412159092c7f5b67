// Schemas and values that are made to cost more than they are worth. What fails here would hang, or run out of memory.
import { describe, expect, it } from "vitest";
import { codecOf } from "../../src/codec/codec.js";
import { list, recursive, string, struct, u8 } from "../../src/schema.js";

const Reader = struct("M", { a: u8 });

/** What a reader of `a` makes of a message whose writer has a field more. */
function readBeside(extra: object): unknown {
  const fields = [{ name: "a", type: { kind: "u8" } }, extra];
  const decode = Reader.messages.decoderOf(JSON.stringify({ kind: "struct", name: "M", fields }), "owned");
  return decode(Uint8Array.of(1, 0), 0, 2);
}

describe("a peer's schema", () => {
  it("whose refs can be followed in 2^60 ways takes no time", () => {
    // Each type refers to all around it; the innermost has a list of itself, whose least size is asked for.
    const nested = (i: number, last: number): object => {
      const inside =
        i < last ? nested(i + 1, last) : { kind: "list", element: { kind: "ref", name: `S${last}` } };
      const refs = Array.from({ length: i }, (_, j) => ({
        name: `r${j}`,
        type: { kind: "ref", name: `S${j}` },
      }));
      return { kind: "struct", name: `S${i}`, fields: [{ name: "inside", type: inside }, ...refs] };
    };
    expect(readBeside({ name: "b", type: { kind: "option", element: nested(0, 58) } })).toEqual({ a: 1 });
  });

  it("with as many refs to one type as there may be does not stall", { timeout: 20_000 }, () => {
    const fields = Array.from({ length: 8_000 }, (_, i) => ({
      name: `f${i}`,
      type: { kind: "list", element: { kind: "ref", name: "X" } },
    }));
    const type = { kind: "option", element: { kind: "struct", name: "X", fields } };
    expect(readBeside({ name: "b", type })).toEqual({ a: 1 });
  });

  it("has defaults that nobody makes", () => {
    // Each {} of the default stands for 8,000 absent options: 128 million properties.
    const fields = Array.from({ length: 8_000 }, (_, i) => ({
      name: `f${i}`,
      type: { kind: "option", element: { kind: "u8" } },
    }));
    const type = { kind: "list", element: { kind: "struct", name: "W", fields } };
    expect(readBeside({ name: "b", type, default: new Array(16_000).fill({}) })).toEqual({ a: 1 });
  });
});

interface Tree {
  name: string;
  children: Tree[];
}
const Tree = recursive<Tree>("Tree", (tree) => struct("Tree", { name: string, children: list(tree) }));

describe.each([true, false])("generated code: %s: a value", (generate) => {
  it("that contains itself twice is refused at once", () => {
    const tree: Tree = { name: "", children: [] };
    tree.children.push(tree, tree);
    const codec = codecOf(Tree, { generate });
    for (const go of [() => codec.maxSize(tree), () => codec.encode(tree)])
      expect(go).toThrow(/nested deeper than 256/);
  });
});
