// Runs the tests that need a real browser: npm run test:browser [-- filter …]. It takes Debian's Chromium, or the one
// that CHROMIUM names, and downloads nothing.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const chromium = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(chromium)) {
  console.error(
    `test:browser needs Chromium, and there is none at ${chromium}: "apt-get install chromium", or set CHROMIUM to one.`,
  );
  process.exit(1);
}

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
const config = join(root, "test/browser/vitest.config.ts");
const { status } = spawnSync(
  process.execPath,
  [vitest, "run", "--root", root, "--config", config, ...process.argv.slice(2)],
  { stdio: "inherit", env: { ...process.env, CHROMIUM: chromium } },
);
process.exit(status ?? 1);
