// Structs whose fields are decoded when they are read. Making one walks over the message without making values, which
// checks every length and tag; what remains to be found wrong is text that is not UTF-8.
import type { Compiler } from "./compiler.js";
import { enter } from "./node.js";
import type { StructReading } from "./reading.js";
import { out } from "./wire.js";

/** What was not read yet. */
const UNREAD = Symbol("unread");

/** Makes the error of a message that has a field which cannot be decoded. */
export type LazyError = (source: Uint8Array, start: number, end: number) => Error;

/** A class whose instances are one struct's messages; its constructor throws, and leaves `out.at`, as a Read does. */
export function lazyView(
  node: StructReading,
  compiler: Compiler,
  fail: LazyError,
): new (
  source: Uint8Array,
  start: number,
  end: number,
) => object {
  const scope = enter(node, null);
  const skips = node.fields.map(({ type }) => compiler.reader(type, scope, "skip"));
  const reads = node.fields.map(({ type }) => compiler.reader(type, scope, "owned"));

  class View {
    readonly #source: Uint8Array;
    readonly #start: number;
    readonly #end: number;
    /** Where each field starts. */
    readonly #offsets: number[];
    readonly #values: unknown[];

    constructor(source: Uint8Array, start: number, end: number) {
      this.#source = source;
      this.#start = start;
      this.#end = end;
      this.#offsets = new Array<number>(skips.length);
      this.#values = new Array<unknown>(skips.length).fill(UNREAD);
      out.at = start;
      for (let i = 0; i < skips.length; i++) {
        this.#offsets[i] = out.at;
        skips[i](source, out.at, end);
      }
    }

    static field(view: View, index: number): unknown {
      const known = view.#values[index];
      if (known !== UNREAD) return known;
      try {
        return (view.#values[index] = reads[index](view.#source, view.#offsets[index], view.#end));
      } catch {
        throw fail(view.#source, view.#start, view.#end);
      }
    }
  }

  const define = (name: string, get: (this: View) => unknown) =>
    Object.defineProperty(View.prototype, name, { get });
  node.fields.forEach(({ name, skip }, index) => {
    if (skip) return;
    define(name, function () {
      return View.field(this, index);
    });
  });
  // What the writer does not have is made when it is first asked for, and then stays.
  for (const { name, make } of node.properties ?? []) {
    if (make === undefined) continue;
    define(name, function () {
      const value = make();
      Object.defineProperty(this, name, { value });
      return value;
    });
  }
  return View;
}
