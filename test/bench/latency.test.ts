import { expect, test } from "vitest";
import { resultOf } from "./run.js";

test("bench latency has percentiles per system, idle and under load", { timeout: 30_000 }, async () => {
  const { suite, results } = await resultOf("latency", "--seconds=0.1", "--sizes=64");
  expect(suite).toBe("latency");
  const found = results.map(
    ({ system, inFlight }: { system: string; inFlight: number }) => `${system} ${inFlight}`,
  );
  const systems = ["net", "stable-conduit", "ws"];
  expect(found.sort()).toEqual(systems.flatMap((system) => [`${system} 1`, `${system} 64`]));
  for (const { p50, p99, p999, requestsPerSecond } of results) {
    expect(p50).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(p50);
    expect(p999).toBeGreaterThanOrEqual(p99);
    expect(requestsPerSecond).toBeGreaterThan(0);
  }
});
