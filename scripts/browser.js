// Runs the tests that need a real browser: npm run test:browser [-- filter …]. It takes Debian's Chromium, or the one
// that CHROMIUM names, and downloads nothing.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { missing } from "../test/browser/chromium.js";

if (missing) {
  console.error(`test:browser needs a browser: ${missing}.`);
  process.exit(1);
}

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
const config = join(root, "test/browser/vitest.config.ts");
const { status } = spawnSync(
  process.execPath,
  [vitest, "run", "--root", root, "--config", config, ...process.argv.slice(2)],
  { stdio: "inherit" },
);
process.exit(status ?? 1);
