// The benchmark harness itself: results are well formed. How fast anything is, is not a matter for a test.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const bench = fileURLToPath(new URL("../../bench/bench.js", import.meta.url));
const run = (...args: string[]) => promisify(execFile)(process.execPath, [bench, ...args]);

test("bench throughput --quick --json prints one line of JSON with a rate per system and size", async () => {
  const { stdout } = await run(
    "throughput",
    "--quick",
    "--json",
    "--rounds=1",
    "--seconds=0.05",
    "--sizes=64,1024",
  );
  expect(stdout.trimEnd()).not.toContain("\n");
  const { suite, results } = JSON.parse(stdout);
  expect(suite).toBe("throughput");
  expect(
    results.map(({ system, size }: { system: string; size: number }) => `${system} ${size}`).sort(),
  ).toEqual(["net 1024", "net 64", "stable-conduit 1024", "stable-conduit 64", "ws 1024", "ws 64"]);
  for (const { size, messagesPerSecond, megabytesPerSecond } of results) {
    expect(messagesPerSecond).toBeGreaterThan(0);
    expect(megabytesPerSecond).toBeCloseTo((messagesPerSecond * size) / 1e6, 1);
  }
});

test("bench without a suite says which there are and exits with 2", async () => {
  await expect(run()).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining("throughput") });
});
