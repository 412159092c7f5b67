// Lays out nested expressions: on one line what fits, one part a line what does not.

export type Layout =
  | string
  | {
      readonly open: string;
      readonly parts: readonly Layout[];
      readonly close: string;
      /** A list: its parts go on lines of their own, all of them. Else a long last part opens on this line. */
      readonly list: boolean;
    };

const LINE_WIDTH = 100;

export function enclosed(open: string, parts: readonly Layout[], close: string): Layout {
  return { open, parts, close, list: false };
}

export function braced(parts: readonly Layout[]): Layout {
  return parts.length === 0 ? "{}" : { open: "{ ", parts, close: " }", list: true };
}

export function bracketed(parts: readonly Layout[]): Layout {
  return { open: "[", parts, close: "]", list: true };
}

/** A property of an object literal. */
export function property(name: string, value: Layout): Layout {
  return enclosed(`${propertyName(name)}: `, [value], "");
}

export function propertyName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** `depth`: of indentation; `taken`: what else stands on its line. */
export function print(layout: Layout, depth = 0, taken = depth * 2): string {
  const line = flat(layout);
  if (typeof layout === "string" || taken + line.length <= LINE_WIDTH) return line;
  const { open, parts, close, list } = layout;
  const last = parts.at(-1);
  if (!list && (typeof last === "object" || parts.length < 2)) {
    const before =
      open +
      parts
        .slice(0, -1)
        .map((part) => `${flat(part)}, `)
        .join("");
    const rest = last === undefined ? "" : print(last, depth, taken + before.length + close.length);
    return before + rest + close;
  }
  const rows = parts.map((part) => `${"  ".repeat(depth + 1)}${print(part, depth + 1)},\n`);
  return `${open.trimEnd()}\n${rows.join("")}${"  ".repeat(depth)}${close.trimStart()}`;
}

function flat(layout: Layout): string {
  if (typeof layout === "string") return layout;
  return layout.open + layout.parts.map(flat).join(", ") + layout.close;
}
