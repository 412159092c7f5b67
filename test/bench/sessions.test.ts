import { expect, test } from "vitest";
import { resultOf } from "./run.js";

test("bench sessions has memory and CPU time for each kind of idle session", {
  timeout: 30_000,
}, async () => {
  const { suite, results } = await resultOf(
    "sessions",
    "--seconds=0.1",
    "--sizes=20",
    "--systems=stable-conduit,net",
  );
  expect(suite).toBe("sessions");
  const found = results.map(({ system, mode }: { system: string; mode: string }) => `${system} ${mode}`);
  expect(found.sort()).toEqual([
    "net connected",
    "stable-conduit connected",
    "stable-conduit detached",
    "stable-conduit keepalive",
  ]);
  for (const { size, heapBytes, acceptedPerSecond, acceptCpuUs } of results) {
    expect(size).toBe(20);
    expect(Number.isFinite(heapBytes)).toBe(true);
    expect(acceptedPerSecond).toBeGreaterThan(0);
    expect(acceptCpuUs).toBeGreaterThan(0);
  }
});
