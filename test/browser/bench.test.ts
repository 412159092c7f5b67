// That the browser suite of the benchmarks measures, at its smallest; what it measures is no test's business.
import { expect, test } from "vitest";
import { resultOf } from "../bench/run.js";

const SYSTEMS = ["stable-conduit", "websocket"];

test("bench browser --quick has a rate for each system in both directions, and ends", async () => {
  const options = ["--sizes=64", "--seconds=0.3", `--systems=${SYSTEMS}`];
  const { suite, results, skipped } = await resultOf("browser", ...options);
  expect([suite, skipped]).toEqual(["browser", {}]);
  const found = results.map(
    ({ system, direction }: { system: string; direction: string }) => `${system} ${direction}`,
  );
  const expected = SYSTEMS.flatMap((system) => [`${system} to Node`, `${system} to the page`]);
  expect(found.sort()).toEqual(expected);
  for (const { messagesPerSecond } of results) expect(messagesPerSecond).toBeGreaterThan(0);
});
