// npm run bench -- <suite> [--quick] [--json] [--save] [--sizes 16,64] [--systems a,b] [--rounds N] [--seconds N]
//                          [--cpu-prof DIR]
// npm run bench -- report     BENCHMARKS.md and its charts, from what --save has left in bench/results/
// npm run bench -- guard      fails when a ratio has slipped by a factor of two
//
// Progress goes to stderr, the result to stdout: tables, or with --json one line of JSON. README.md says more.
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { machine, versions } from "./machine.js";
import { SUITES } from "./suites/names.js";
import { UnknownSystem } from "./system.js";
import { toText } from "./tables.js";

const COMMANDS = ["report", "guard"];

/**
 * @typedef {object} Options
 * @property {string[]} systems
 * @property {number[]} sizes bytes of an item; resume: bytes to replay; sessions: how many sessions
 * @property {number} rounds how often all systems take their turn
 * @property {number} seconds of each measurement, after its warm-up
 * @property {string | undefined} cpuProf where to leave a CPU profile of each process; what is measured then is slower
 */

/**
 * What --json and --save write.
 * @typedef {object} Report
 * @property {string} suite
 * @property {string} date ISO 8601
 * @property {ReturnType<typeof machine>} machine
 * @property {Record<string, string>} versions
 * @property {string[]} systems
 * @property {number[]} sizes
 * @property {number} rounds
 * @property {number} seconds
 * @property {Record<string, string>} skipped system -> reason
 * @property {any[]} results as the suite describes them
 */

/**
 * A module in suites/.
 * @typedef {object} Suite
 * @property {string} [about] for readers of the report, Markdown
 * @property {Omit<Options, "cpuProf"> & { quick: Partial<Options> }} defaults
 * @property {(options: Options, progress: (line: string) => void) => Promise<{ results: any[], skipped: Record<string, string> }>} run
 * @property {(results: any[]) => import("./tables.js").Table[]} [tables]
 * @property {(results: any[]) => string} [table] when it makes its text itself
 * @property {(results: any[]) => import("./chart.js").Chart[]} [charts]
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    sizes: { type: "string" },
    systems: { type: "string" },
    rounds: { type: "string" },
    seconds: { type: "string" },
    "cpu-prof": { type: "string" },
  },
});

const [name = ""] = positionals;
if (positionals.length !== 1 || ![...SUITES, ...COMMANDS].includes(name)) {
  fail(`name one suite (${SUITES.join(", ")}), or ${COMMANDS.join(" or ")}`);
}
if (COMMANDS.includes(name)) await (await import(`./${name}.js`)).main();
else await runSuite();

async function runSuite() {
  /** @type {Suite} */
  const suite = await import(`./suites/${name}.js`);
  const usual = { ...suite.defaults, ...(values.quick ? suite.defaults.quick : {}) };
  /** @type {Options} */
  const options = {
    systems: values.systems?.split(",") ?? usual.systems,
    sizes: values.sizes?.split(",").map((size) => positive("sizes", size)) ?? usual.sizes,
    rounds: values.rounds === undefined ? usual.rounds : positive("rounds", values.rounds),
    seconds: values.seconds === undefined ? usual.seconds : positive("seconds", values.seconds),
    cpuProf: values["cpu-prof"],
  };

  const before = machine();
  const running = suite.run(options, (line) => console.error(line));
  const { results, skipped } = await running.catch((error) => {
    if (error instanceof UnknownSystem) fail(error.message);
    throw error;
  });
  const { systems, sizes, rounds, seconds } = options;
  /** @type {Report} */
  const report = {
    suite: name,
    date: new Date().toISOString(),
    machine: before,
    versions: versions(),
    systems,
    sizes,
    rounds,
    seconds,
    skipped,
    results,
  };
  if (values.save) {
    const directory = new URL("results/", import.meta.url);
    mkdirSync(directory, { recursive: true });
    writeFileSync(new URL(`${name}.json`, directory), `${JSON.stringify(report, null, 2)}\n`);
  }
  if (values.json) {
    console.log(JSON.stringify(report));
  } else {
    console.log(suite.tables ? suite.tables(results).map(toText).join("\n\n") : suite.table?.(results));
    for (const [system, reason] of Object.entries(skipped)) console.log(`${system} was left out: ${reason}`);
  }
}

/**
 * @param {string} option
 * @param {string} text
 */
function positive(option, text) {
  const value = Number(text);
  if (!(value > 0) || (option !== "seconds" && !Number.isInteger(value))) {
    fail(`--${option}: not a positive number: ${text}`);
  }
  return value;
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message);
  process.exit(2);
}
