import { expect, test } from "vitest";
import { resultOf } from "./run.js";

test("bench resume has times for a cut and for a replay", { timeout: 30_000 }, async () => {
  const { suite, results } = await resultOf(
    "resume",
    "--seconds=0.1",
    "--sizes=65536",
    "--systems=stable-conduit,net",
  );
  expect(suite).toBe("resume");
  const found = results.map(({ system, size }: { system: string; size: number }) => `${system} ${size}`);
  expect(found.sort()).toEqual(["net 0", "net 65536", "stable-conduit 0", "stable-conduit 65536"]);
  for (const { ms, p99, size, megabytesPerSecond } of results) {
    expect(ms).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(ms * 0.99); // both are rounded
    expect(megabytesPerSecond > 0).toBe(size > 0);
  }
});
