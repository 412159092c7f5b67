// Tables for people: aligned for the terminal, or as Markdown.

/**
 * @typedef {object} Table
 * @property {string} title
 * @property {string[]} head
 * @property {string[][]} rows as long as `head`; the first column is text, the others are figures
 */

/** @param {Table} table */
export function toText({ title, head, rows }) {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const lines = all.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "),
  );
  return [title, ...lines.map((line) => line.trimEnd())].join("\n");
}

/** @param {Table} table */
export function toMarkdown({ title, head, rows }) {
  const rule = head.map((_, column) => (column === 0 ? "---" : "--:"));
  const lines = [head, rule, ...rows].map((row) => `| ${row.join(" | ")} |`);
  return [`**${title}**`, "", ...lines].join("\n");
}

/**
 * 1_234_567 as "1.23 M".
 * @param {number} value
 */
export function short(value) {
  const units = ["", " k", " M", " G"];
  let unit = 0;
  let rest = value;
  for (; rest >= 999.5 && unit < units.length - 1; unit++) rest /= 1_000;
  return `${figure(rest)}${units[unit]}`;
}

/**
 * Three digits, never as a power of ten.
 * @param {number} value
 */
export function figure(value) {
  if (!(Math.abs(value) < 999.5)) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes >= 1_048_576) return `${figure(bytes / 1_048_576)} MiB`;
  return bytes >= 1_024 ? `${figure(bytes / 1_024)} KiB` : `${bytes} B`;
}
