// The report is made from results alone: here from small ones, written by hand.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { toSvg } from "../../bench/chart.js";
import { generate } from "../../bench/report.js";

const common = {
  date: "2026-01-02T03:04:05.000Z",
  machine: { cpu: "a cpu", cores: 2, memoryGiB: 8, os: "Linux 6", node: "v20.19.0", loadBefore: 0.5 },
  versions: { "stable-conduit": "0.1.0", ws: "8.0.0" },
  sizes: [64],
  rounds: 3,
  seconds: 1,
  skipped: { "vox-core": "no cargo" },
};

function throughput(system: string, messagesPerSecond: number) {
  return {
    system,
    size: 64,
    messagesPerSecond,
    megabytesPerSecond: (messagesPerSecond * 64) / 1e6,
    messagesPerSecondRange: [messagesPerSecond / 2, messagesPerSecond * 2] as [number, number],
    rounds: [messagesPerSecond, messagesPerSecond, messagesPerSecond],
    senderNsPerItem: 10,
    receiverNsPerItem: 20,
    leastNsPerItem: 30,
    senderHeapBytesPerItem: 1,
    receiverHeapBytesPerItem: 2,
  };
}

const reports = {
  throughput: {
    ...common,
    suite: "throughput",
    systems: ["stable-conduit", "net", "ws"],
    results: [throughput("stable-conduit", 13e6), throughput("net", 26e6), throughput("ws", 1e6)],
  },
};

test("the report has the goals with met and missed, the guarantees, a table, a chart and where it comes from", async () => {
  const { page, charts } = await generate(reports, "Why *ws* is near.");
  expect(page).toContain("| ≥ 60 × ws | 13 × | **missed** |");
  expect(page).toContain("| ≥ 0.45 × raw net | 0.5 × | met |");
  expect(page).toContain("| ≥ 150 × Socket.IO | not measured |  |");
  expect(page).toContain("Why *ws* is near.");
  expect(page).toContain("| stable-conduit | yes | yes | yes | yes | yes |");
  expect(page).toContain("| ws | no | yes | no | yes | yes |");
  expect(page).toContain("| stable-conduit, 64 B | 13 M | 6.5 M - 26 M | 832 |  |");
  expect(page).toContain("![One way over loopback, items per second](bench/results/throughput.svg)");
  expect(page).toContain("2026-01-02, a cpu, 2 cores, 8 GiB, Linux 6, Node v20.19.0");
  expect(page).toContain("Without vox-core: no cargo.");
  expect(Object.keys(charts)).toEqual(["throughput"]);
  checkXml(charts.throughput);
});

test("the report has the goals of typed messages: times against the fastest other format, bytes against a copy", async () => {
  const ns = { "stable-conduit": 50, msgpackr: 500, protobufjs: 400, avsc: 100, json: 900, msgpack: 800 };
  const of = (name: string, times: Record<string, number>) =>
    Object.entries(times).flatMap(([system, nsPerOp]) =>
      ["encode", "decode"].map((operation) => ({
        system,
        case: name,
        operation,
        nsPerOp,
        bytes: 46,
        nsPerOpRange: [nsPerOp, nsPerOp],
      })),
    );
  const codec = {
    ...common,
    suite: "codec",
    systems: [...Object.keys(ns), "copy"],
    results: [...of("state", ns), ...of("blob", { "stable-conduit": 120, copy: 100 })],
  };
  const { page } = await generate({ codec }, "");
  expect(page).toContain("| ≥ 2.5 × the fastest other format | 2 × | **missed** |");
  expect(page).toContain("| decode | ≥ 1.2 × | 2 × | met |");
  expect(page).toContain("| ≤ 1.3 × a copy in memory | 1.2 × | met |");
  expect(page).toContain(": encode | ≥ 2.5 × the fastest other format | not measured |  |"); // the order
});

test("a chart is well-formed XML with one dot per row, whatever its labels are", () => {
  const rows = [
    { label: 'a <b> & "c"', value: 5, range: [4, 6] as [number, number], text: "5 < 6" },
    { label: "stable-conduit", value: 0.02, range: [0.02, 0.02] as [number, number], text: "0.02" },
  ];
  const svg = toSvg({ name: "x", title: "A & B", axis: "<", groups: [{ label: "g", rows }] });
  checkXml(svg);
  expect(svg.match(/<circle /g)).toHaveLength(2);
  expect(svg).toContain("prefers-color-scheme: dark");
  for (const [, number] of svg.matchAll(/ (?:x|y|cx|cy|x1|x2|y1|y2)="([^"]*)"/g)) {
    expect(Number.isFinite(Number(number))).toBe(true);
  }
});

test("BENCHMARKS.md and its charts are what the results in bench/results/ give", async () => {
  const results = new URL("../../bench/results/", import.meta.url);
  const kept = readdirSync(results)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(new URL(name, results), "utf8")));
  const notes = new URL("notes.md", results);
  const { page, charts } = await generate(
    Object.fromEntries(kept.map((report) => [report.suite, report])),
    existsSync(notes) ? readFileSync(notes, "utf8") : "",
  );
  const stale = "run: npm run bench -- report";
  expect(readFileSync(new URL("../../BENCHMARKS.md", import.meta.url), "utf8"), stale).toBe(page);
  for (const [name, svg] of Object.entries(charts)) {
    checkXml(svg);
    expect(readFileSync(new URL(`${name}.svg`, results), "utf8"), stale).toBe(svg);
  }
});

/** Every tag is closed in order, attributes are quoted, and nothing that has to be escaped is not. */
function checkXml(text: string): void {
  const open: string[] = [];
  const token = /<(\/?)([a-z]+)((?: [a-z0-9:-]+="[^"<]*")*)(\/?)>|([^<]+)/giy;
  let at = 0;
  for (; at < text.length; at = token.lastIndex) {
    token.lastIndex = at;
    const match = token.exec(text);
    if (!match) throw new Error(`no XML at: ${text.slice(at, at + 60)}`);
    const [, closing, name, attributes, empty, content] = match;
    for (const part of [attributes, content]) {
      if (part && /&(?!(?:amp|lt|gt|quot);)/.test(part)) throw new Error(`not escaped: ${part}`);
    }
    if (content !== undefined || empty) continue;
    if (!closing) open.push(name);
    else if (open.pop() !== name) throw new Error(`</${name}> closes something else`);
  }
  if (open.length > 0) throw new Error(`<${open.join("><")}> is not closed`);
}
