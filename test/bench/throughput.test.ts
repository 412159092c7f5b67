// The benchmark harness itself: results are well formed. How fast anything is, is not a matter for a test.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { SUITES } from "../../bench/suites/names.js";
import { resultOf, run } from "./run.js";

test("bench throughput has a rate and a cost per system and size", { timeout: 30_000 }, async () => {
  const { suite, machine, versions, results } = await resultOf(
    "throughput",
    "--seconds=0.05",
    "--sizes=64,1024",
  );
  expect(suite).toBe("throughput");
  expect(machine.node).toBe(process.version);
  expect(versions.ws).toMatch(/^8\./);
  const found = results.map(({ system, size }: { system: string; size: number }) => `${system} ${size}`);
  const expected = ["net", "stable-conduit", "stable-conduit-batch", "ws"];
  expect(found.sort()).toEqual(expected.flatMap((system) => [`${system} 1024`, `${system} 64`]));
  for (const result of results) {
    expect(result.messagesPerSecond).toBeGreaterThan(0);
    expect(result.megabytesPerSecond).toBeCloseTo((result.messagesPerSecond * result.size) / 1e6, 1);
    expect(result.rounds).toEqual([result.messagesPerSecond]);
    expect(result.receiverNsPerItem).toBeGreaterThan(0);
  }
});

test("bench without a suite says which there are and exits with 2", async () => {
  await expect(run()).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining("throughput") });
});

test.each(SUITES)(
  "bench %s says which system there is not, and exits with 2",
  { timeout: 30_000 },
  async (suite) => {
    await expect(run(suite, "--quick", "--systems=nothing")).rejects.toMatchObject({
      code: 2,
      stderr: "no system of this suite: nothing\n",
    });
  },
);

test("bench takes a system of somebody else by its path", { timeout: 30_000 }, async () => {
  const example = fileURLToPath(new URL("../../bench/example-system.js", import.meta.url));
  const { results } = await resultOf("throughput", "--seconds=0.05", "--sizes=64", `--systems=${example}`);
  expect(results).toMatchObject([{ system: "length-prefix", size: 64 }]);
});
