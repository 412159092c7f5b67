// Charts as SVG: a dot for the median and a line for the range of each system, on a logarithmic axis, because what is
// compared differs by factors of ten. Colours follow the reader's light or dark theme.

/**
 * @typedef {object} Row
 * @property {string} label
 * @property {number} value median, above 0
 * @property {[number, number]} range
 * @property {string} text the value as it is to be read
 */

/**
 * @typedef {object} Chart
 * @property {string} name of the file, without its suffix
 * @property {string} title
 * @property {string} axis what is measured, its unit, and which way is better
 * @property {{ label: string, rows: Row[] }[]} groups
 */

const WIDTH = 800;
const LABELS = 190; // to the left of the plot
const VALUES = 90; // to the right of it
const ROW = 22;
const TOP = 48;
const GROUP_GAP = 30;
const OWN = "stable-conduit";

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .group { font-weight: 600 }
  .faint { fill: #6e7781 }
  .grid { stroke: #d0d7de }
  .range { stroke: #8c959f; stroke-width: 3; stroke-linecap: round }
  .dot { fill: #57606a }
  .own.range { stroke: #54aeff }
  .own.dot { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .faint { fill: #8d96a0 }
    .grid { stroke: #30363d }
    .range { stroke: #6e7681 }
    .dot { fill: #b1bac4 }
    .own.range { stroke: #1f6feb }
    .own.dot { fill: #79c0ff }
  }`;

/** @param {Chart} chart */
export function toSvg({ title, axis, groups }) {
  const rows = groups.flatMap((group) => group.rows);
  const low = 10 ** Math.floor(Math.log10(Math.min(...rows.map(({ range }) => range[0]))));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...rows.map(({ range }) => range[1]))));
  const decades = Math.max(1, Math.round(Math.log10(high / low)));
  const plot = WIDTH - LABELS - VALUES;
  /** @param {number} value */
  const x = (value) => (LABELS + (plot * Math.log10(value / low)) / decades).toFixed(1);
  const bottom = TOP + groups.length * GROUP_GAP + rows.length * ROW;

  const parts = [`<text class="title" x="0" y="18">${escaped(title)}</text>`];
  for (let decade = 0; decade <= decades; decade++) {
    const value = low * 10 ** decade;
    parts.push(
      `<line class="grid" x1="${x(value)}" y1="${TOP}" x2="${x(value)}" y2="${bottom}"/>`,
      `<text class="faint" x="${x(value)}" y="${bottom + 18}" text-anchor="middle">${power(value)}</text>`,
    );
  }
  let y = TOP;
  for (const group of groups) {
    y += GROUP_GAP;
    parts.push(`<text class="group" x="0" y="${y - 10}">${escaped(group.label)}</text>`);
    for (const { label, value, range, text } of group.rows) {
      const own = label.startsWith(OWN) ? " own" : "";
      const middle = y + ROW / 2;
      parts.push(
        `<text x="12" y="${middle + 4}">${escaped(label)}</text>`,
        `<line class="range${own}" x1="${x(range[0])}" y1="${middle}" x2="${x(range[1])}" y2="${middle}"/>`,
        `<circle class="dot${own}" cx="${x(value)}" cy="${middle}" r="5"/>`,
        `<text x="${WIDTH}" y="${middle + 4}" text-anchor="end">${escaped(text)}</text>`,
      );
      y += ROW;
    }
  }
  parts.push(`<text class="faint" x="${LABELS}" y="${bottom + 38}">${escaped(axis)}</text>`);
  const height = bottom + 46;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}\n</style>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/**
 * A power of ten for the axis: 1000 as "1 k".
 * @param {number} value
 */
function power(value) {
  const exponent = Math.round(Math.log10(value));
  if (exponent < 0) return value.toFixed(-exponent);
  const unit = ["", " k", " M", " G"][Math.min(3, Math.floor(exponent / 3))];
  return `${10 ** (exponent - 3 * Math.min(3, Math.floor(exponent / 3)))}${unit}`;
}
