// Runs simulated schedules for as long as it is told: npm run test:soak -- --minutes 5 [--seed 1].
// A failure prints its seed; SEED=<seed> npx vitest run test/sim repeats it.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "5" }, seed: { type: "string" } },
});
const minutes = Number(values.minutes);
// Without --seed each soak goes where none has been.
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!(minutes > 0) || !Number.isInteger(seed)) {
  console.error("usage: npm run test:soak -- --minutes <number> [--seed <whole number>]");
  process.exit(2);
}

console.log(`soak: ${minutes} minutes from seed ${seed}`);
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
const { status } = spawnSync(process.execPath, [vitest, "run", "test/sim/schedules", "test/sim/reference"], {
  stdio: "inherit",
  env: { ...process.env, SOAK_MINUTES: String(minutes), SIM_FROM: String(seed) },
});
process.exitCode = status ?? 1;
