// Runs the tests under other versions of Node, under Bun and under Deno: npm run test:runtimes [-- [--quick] [--optional] [--report] runtime …]
// A runtime is an npm package with a version, such as node@24 or bun; each is fetched once, into node_modules/.cache/runtimes.
// Under Node everything has to pass, under Bun and Deno the tests of the code and its links, but for test/runtimes/differences.js.
// --quick runs the links, the pure parts and what is built on the runtime's streams only. Complete runs are kept; --report prints
// a table, in Markdown, from the last one of each. With --optional a runtime that npm cannot fetch is left out, and that is said.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { DIFFERENCES } from "../test/runtimes/differences.js";
import { verdictOf } from "../test/runtimes/verdict.js";

const RUNTIMES = ["node@20.19.0", "node@22", "node@24", "bun", "deno"];
const QUICK = [
  "test/codec",
  "test/links",
  "test/proto",
  "test/runtimes",
  "test/session/streams.test.ts",
  "test/wasm",
];
/** The rest is about this package and its examples, which are programs for Node. */
const PORTABLE = [...QUICK, "test/session", "test/sim"];

/**
 * How people write it, and what comes before a script's name.
 * @type {Record<string, { title: string, prefix: string[] }>}
 */
const KINDS = {
  node: { title: "Node", prefix: [] },
  bun: { title: "Bun", prefix: ["--bun"] },
  deno: { title: "Deno", prefix: ["run", "-A"] },
};

/** A runtime has up to 100 MB. */
const FETCH_MS = 300_000;

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const cache = join(root, "node_modules/.cache/runtimes");
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");

const { values, positionals } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    optional: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const scratch = mkdtempSync(join(tmpdir(), "runtimes-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const specs = values.report || positionals.length === 0 ? RUNTIMES : positionals;
const results = specs.flatMap((spec) => {
  if (values.report) return [judged(spec, kept(spec))];
  const command = fetched(spec, nameOf(spec));
  if (command) return [judged(spec, tested(spec, command))];
  if (!values.optional) throw new Error(`npm could not install ${spec}`);
  console.log(`${spec} was left out: npm could not install it`);
  return [];
});
const good = results.every(({ verdict }) => verdict.unexpected.length === 0);
if (values.report && good) console.log(table());
process.exitCode = good ? 0 : 1;

/**
 * What one runtime made of the tests.
 * @typedef {object} Run
 * @property {string} version
 * @property {string | undefined} errors outside of tests, which are in no report
 * @property {import("../test/runtimes/verdict.js").Report} report
 */

/**
 * @typedef {object} Result
 * @property {string} name
 * @property {string} version
 * @property {import("../test/runtimes/verdict.js").Verdict} verdict
 */

/**
 * @param {string} spec
 * @param {string} command
 * @returns {Run}
 */
function tested(spec, command) {
  const name = nameOf(spec);
  const version = versionOf(command);
  const json = join(scratch, `${spec}.json`);
  const suites = values.quick ? QUICK : name === "node" ? [] : PORTABLE;
  const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${json}`];
  const { stdout, stderr } = spawnSync(
    command,
    [...KINDS[name].prefix, vitest, "run", "--root", root, ...reporters, ...suites],
    {
      encoding: "utf8",
      maxBuffer: 2 ** 28,
      timeout: 900_000,
      env: { ...process.env, CI: "true", CONDUIT_RUNTIME: `${name} ${version}` },
    },
  );
  if (!existsSync(json)) throw new Error(`${spec}: no report\n${stdout}\n${stderr}`);
  const errors = /^ *(Errors +\d+ errors?)/m.exec(stripVTControlCharacters(stdout + stderr))?.[1];
  const run = { version, errors, report: JSON.parse(readFileSync(json, "utf8")) };
  if (!values.quick) writeFileSync(keptAt(spec), JSON.stringify(run));
  return run;
}

/**
 * @param {string} spec
 * @returns {Run}
 */
function kept(spec) {
  if (!existsSync(keptAt(spec))) throw new Error(`no run to report: npm run test:runtimes -- ${spec}`);
  return JSON.parse(readFileSync(keptAt(spec), "utf8"));
}

/** @param {string} spec */
function keptAt(spec) {
  return join(cache, spec, "run.json");
}

/**
 * @param {string} spec
 * @param {Run} run
 * @returns {Result}
 */
function judged(spec, { version, errors, report }) {
  const name = nameOf(spec);
  const verdict = verdictOf(
    report,
    DIFFERENCES.filter(({ runtime }) => runtime === name),
  );
  if (errors) verdict.unexpected.push(`outside of tests: ${errors}`);
  const result = { name: KINDS[name].title, version, verdict };
  print(result);
  return result;
}

/** @param {string} spec */
function nameOf(spec) {
  const [name] = spec.split("@");
  if (!Object.hasOwn(KINDS, name)) throw new Error(`not a runtime: ${spec}`);
  return name;
}

/**
 * The executable of a runtime's npm package; null when npm could not install it.
 * @param {string} spec
 * @param {string} name
 */
function fetched(spec, name) {
  const folder = join(cache, spec);
  const command = join(folder, "node_modules/.bin", name);
  if (!existsSync(command)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    const npm = ["install", "--no-audit", "--no-fund", "--loglevel=error", spec];
    // What may be left out is not waited for: no second attempt, and what npm has in its cache will do.
    if (values.optional) npm.push("--prefer-offline", "--fetch-retries=0");
    const { status } = spawnSync("npm", npm, { cwd: folder, stdio: "inherit", timeout: FETCH_MS });
    if (status !== 0 || !existsSync(command)) return null;
  }
  return command;
}

/** @param {string} command */
function versionOf(command) {
  const { stdout } = spawnSync(command, ["--version"], { encoding: "utf8" });
  const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0];
  if (version === undefined) throw new Error(`${command} does not say its version: ${stdout}`);
  return version;
}

/** @param {Result} result */
function print({ name, version, verdict: { passed, differing, unexpected, gone } }) {
  console.log(`${name} ${version}: ${passed} passed, ${sum(differing)} differ, ${unexpected.length} failed`);
  for (const [{ why }, count] of differing) console.log(`  differs (${count}): ${why}`);
  for (const { why } of gone) console.log(`  differs no more: ${why}`);
  for (const failure of unexpected) console.log(`  FAILED ${failure}`);
}

/** @param {Map<unknown, number>} counts */
function sum(counts) {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

function table() {
  const rows = results.map(
    ({ name, version, verdict }) =>
      `| ${name} ${version} | ${verdict.passed} | ${sum(verdict.differing) || ""} |`,
  );
  const reasons = results.flatMap(({ name, verdict }) =>
    [...verdict.differing].map(
      ([{ why, issue }, count]) => `- ${name} (${count}): ${why}${issue ? ` (${issue})` : ""}.`,
    ),
  );
  return ["| runtime | tests passed | differ |", "| --- | --- | --- |", ...rows, "", ...reasons].join("\n");
}
