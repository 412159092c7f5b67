// npm run bench -- <suite> [--quick] [--json] [--sizes 16,64] [--systems a,b] [--rounds N] [--seconds N] [--cpu-prof DIR]
// Progress goes to stderr, the result to stdout: a table, or with --json one line of JSON.
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";

const SUITES = ["throughput", "codec"];

/**
 * @typedef {object} Options
 * @property {string[]} systems
 * @property {number[]} sizes bytes of an item
 * @property {number} rounds how often all systems take their turn
 * @property {number} seconds of each measurement, after its warm-up
 * @property {string | undefined} cpuProf where to leave a CPU profile of each process; what is measured then is slower
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    sizes: { type: "string" },
    systems: { type: "string" },
    rounds: { type: "string" },
    seconds: { type: "string" },
    "cpu-prof": { type: "string" },
  },
});

const [name = ""] = positionals;
if (positionals.length !== 1 || !SUITES.includes(name)) {
  fail(`name one suite: ${SUITES.join(", ")}`);
}
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

const [loadBefore] = loadavg();
const { results, skipped } = await suite.run(options, (/** @type {string} */ line) => console.error(line));
if (values.json) {
  const { systems, sizes, rounds, seconds } = options;
  const [cpu] = cpus();
  // Other work on the machine takes more from two busy processes than from one: its load belongs to the result.
  const machine = { cpu: cpu?.model ?? "unknown", cores: cpus().length, node: process.version, loadBefore };
  console.log(JSON.stringify({ suite: name, machine, systems, sizes, rounds, seconds, skipped, results }));
} else {
  console.log(suite.table(results));
  for (const [system, reason] of Object.entries(skipped)) console.log(`${system} was left out: ${reason}`);
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
