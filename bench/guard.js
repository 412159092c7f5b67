// npm run bench -- guard: a quick look whether something has become half as fast. Ratios of one run only, with wide
// margins: each bound is about half of what was measured when it was set. CPU time is compared, not the clock, because
// other work on the machine takes from the clock's figures first; of the rounds the best counts. The clock's bounds are
// wider still.
import { ratio } from "./statistics.js";
import { run as runCore } from "./suites/core.js";
import { run as runThroughput } from "./suites/throughput.js";
import { figure, toText } from "./tables.js";

/** @typedef {import("./suites/throughput.js").Result} Throughput */
/** @typedef {import("./suites/core.js").Result} Core */

const SIZE = 64;
/** What fails because of noise does not fail again and again. */
const ATTEMPTS = 3;

export async function main() {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const checks = await measure();
    const failed = checks.filter(({ value, least }) => !(value >= least));
    const rows = checks.map(({ name, value, least }) => [
      name,
      figure(value),
      figure(least),
      value >= least ? "ok" : "FAILED",
    ]);
    console.log(toText({ title: `${SIZE} B items, ratios`, head: ["", "now", "at least", ""], rows }));
    if (failed.length === 0) return;
  }
  process.exitCode = 1;
}

async function measure() {
  const progress = (/** @type {string} */ line) => console.error(line);
  const usual = { sizes: [SIZE], cpuProf: undefined };
  const throughput = await runThroughput(
    { ...usual, systems: ["stable-conduit", "stable-conduit-batch", "net", "ws"], rounds: 4, seconds: 0.8 },
    progress,
  );
  const core = await runCore(
    { ...usual, systems: ["wasm-shared", "twin"], rounds: 3, seconds: 0.15 },
    progress,
  );
  /** @param {string} name */
  const system = (name) =>
    /** @type {Throughput} */ (throughput.results.find((result) => result.system === name));
  /** @param {string} name */
  const cost = (name) => Number(system(name).leastNsPerItem);
  /** @param {string} name @param {string} other */
  const speed = (name, other) => ratio(system(name).rounds, system(other).rounds);
  /** @param {Core["operation"]} operation */
  const twin = (operation) => {
    const [wasm, other] = ["wasm-shared", "twin"].map(
      (name) =>
        /** @type {Core} */ (
          core.results.find((result) => result.system === name && result.operation === operation)
        ),
    );
    return ratio(other.rounds, wasm.rounds);
  };
  const batch = system("stable-conduit-batch");
  return [
    { name: "CPU time of ws / ours", value: cost("ws") / cost("stable-conduit"), least: 20 },
    { name: "CPU time of raw net / ours", value: cost("net") / cost("stable-conduit"), least: 0.12 },
    {
      name: "CPU time of raw net / ours with sendBatch",
      value: cost("net") / cost("stable-conduit-batch"),
      least: 0.2,
    },
    { name: "items/s of ours / ws", value: speed("stable-conduit", "ws"), least: 15 },
    { name: "items/s of ours / raw net", value: speed("stable-conduit", "net"), least: 0.12 },
    { name: "TypeScript twin / WebAssembly, encode", value: twin("encode"), least: 0.4 },
    { name: "TypeScript twin / WebAssembly, batch", value: twin("batch"), least: 1.3 },
    { name: "TypeScript twin / WebAssembly, scan", value: twin("scan"), least: 0.45 },
    {
      name: "16 B / heap per item with sendBatch",
      value: 16 / (Number(batch.senderHeapBytesPerItem) + Number(batch.receiverHeapBytesPerItem)),
      least: 0.5,
    },
  ];
}
