// The whole build: WASM binaries, type check and JavaScript by tsc, bundles and .d.ts by rollup.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

/**
 * Runs a bin of an installed package with this Node, without a shell.
 * @param {string} packageName
 * @param {string} bin
 * @param {...string} args
 */
function run(packageName, bin, ...args) {
  const root = dirname(require.resolve(`${packageName}/package.json`));
  execFileSync(process.execPath, [join(root, bin), ...args], { stdio: "inherit" });
}

rmSync("build/js", { recursive: true, force: true });
await import("./build-wasm.js");
run("typescript", "bin/tsc", "-p", "tsconfig.build.json");
rmSync("dist", { recursive: true, force: true }); // chunks of yesterday would be published
run("rollup", "dist/bin/rollup", "-c", "rollup.config.js", "--silent");
