// Runs the harness as a user does.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const bench = fileURLToPath(new URL("../../bench/bench.js", import.meta.url));

/** @throws when it exits with anything but 0: with `code` and `stderr` */
export function run(...args: string[]) {
  return promisify(execFile)(process.execPath, [bench, ...args]);
}

/** The result of a suite with --json, which has to be one line. */
export async function resultOf(...args: string[]) {
  const { stdout } = await run(...args, "--quick", "--json", "--rounds=1");
  const lines = stdout.trimEnd().split("\n");
  if (lines.length !== 1) throw new Error(`${lines.length} lines where one was expected`);
  return JSON.parse(lines[0]);
}
