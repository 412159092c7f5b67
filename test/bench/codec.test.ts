// The codec suite: every system encodes and decodes every case right, and the results are well formed.
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const bench = fileURLToPath(new URL("../../bench/bench.js", import.meta.url));
const SYSTEMS = readdirSync(new URL("../../bench/codec/systems", import.meta.url)).map((file) =>
  file.replace(".js", ""),
);

test("bench codec --json has a time and a size for each system, case and operation", async () => {
  const options = ["codec", "--json", "--rounds=1", "--seconds=0.01"];
  const { stdout } = await promisify(execFile)(process.execPath, [bench, ...options]);
  const { suite, results } = JSON.parse(stdout);
  expect(suite).toBe("codec");
  const found = results.map((result: Record<string, string>) => {
    return `${result.system} ${result.case} ${result.operation}`;
  });
  const expected = SYSTEMS.flatMap((system) =>
    (system === "copy" ? ["blob"] : ["state", "order", "blob"]).flatMap((name) => [
      `${system} ${name} encode`,
      `${system} ${name} decode`,
    ]),
  );
  expect(found.sort()).toEqual(expected.sort());
  for (const { nsPerOp, bytes } of results) {
    expect(nsPerOp).toBeGreaterThan(0);
    expect(bytes).toBeGreaterThan(10);
  }
});
