// Runs the interop suite against the reference, vox-core 0.4.0 in Rust: npm run test:interop [-- --report] [-- filter …]
// It builds test/interop/rust-peer first, which the lock file makes repeatable. --report writes INTEROP.md from this run.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const { values, positionals } = parseArgs({
  options: { report: { type: "boolean", default: false } },
  allowPositionals: true,
});

const version = spawnSync("cargo", ["--version"], { encoding: "utf8" });
if (version.status !== 0) {
  console.error(
    "test:interop needs cargo (Rust 1.95 or later, https://rustup.rs): it builds the reference peer.",
  );
  process.exit(1);
}
const manifest = join(root, "test/interop/rust-peer/Cargo.toml");
run("cargo", ["build", "--release", "--locked", "--manifest-path", manifest]);

const scratch = mkdtempSync(join(tmpdir(), "interop-report-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
const rowsPath = join(scratch, "rows.jsonl");
writeFileSync(rowsPath, "");
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
const config = join(root, "test/interop/vitest.config.ts");
run(process.execPath, [vitest, "run", "--root", root, "--config", config, ...positionals], {
  INTEROP_ROWS: rowsPath,
});
if (values.report) writeFileSync(join(root, "INTEROP.md"), reportOf(rowsOf(rowsPath), version.stdout.trim()));

/**
 * @param {string} command
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 */
function run(command, args, env = {}) {
  const { status } = spawnSync(command, args, { stdio: "inherit", env: { ...process.env, ...env } });
  if (status !== 0) process.exit(status ?? 1);
}

/**
 * @typedef {import("../test/interop/report.js").Row} Row
 * @param {string} path
 * @returns {Row[]}
 */
function rowsOf(path) {
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

/**
 * @param {Row[]} rows
 * @param {string} cargo
 */
function reportOf(rows, cargo) {
  const order = (/** @type {Row} */ row) => `${row.rust} ${row.transport}`;
  const sorted = [...rows].sort((a, b) => order(a).localeCompare(order(b)));
  const [sessions, limits] = [sorted.filter((row) => row.links > 0), sorted.filter((row) => row.links === 0)];
  return `# Interoperation with vox-core 0.4.0

Written by \`npm run test:interop -- --report\` on ${new Date().toISOString().slice(0, 10)}: Node ${process.versions.node}, ${cargo}, ${process.platform}
${process.arch}. The other end is the Rust crate's own \`StableConduit\` over its own \`StreamLink\`, in a process of its own, behind a proxy that cuts.

*Cuts* are the proxy's, *links* all that the session used. A *gap* is a frame that came before its turn; *rescued* counts the gaps that took a new
link: the reference had lost the frame on the old one. The others were frames that came late and were waited for.

| Rust side | over | what | items to Rust | items from Rust | cuts | links | gaps | rescued | s | result |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${sessions.map((row) => `| ${[row.rust, row.transport, row.what, row.toRust, row.fromRust, row.cuts, row.links, row.gaps, row.rescued, row.seconds.toFixed(1), row.result].join(" | ")} |`).join("\n")}

## What the reference cannot do

Each shown on the reference by a test (\`test/interop/limits.test.ts\`), with what our side makes of it.

| Rust side | what | result |
| --- | --- | --- |
${limits.map((row) => `| ${row.rust} | ${row.what} | ${row.result} |`).join("\n")}

How cuts are placed where the Rust side sends: a cut within its hello or its replay ends its session, so the proxy cuts only once the Rust process has
told that a frame went out which no earlier link carried. Towards a Rust acceptor that sends nothing, links are cut at any byte, hellos included.

Its sender can sleep through a reconnect: it starts to wait for the end of the reconnect after that was told, and wakes at the next one. Without
[base.again] such a session stands still until something else cuts the link; with it, for \`probeMs\` or a few times that.
`;
}
