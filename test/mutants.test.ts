// The mutants themselves run for minutes: npm run test:mutants. Here is only seen that the code still has what they break.
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

it("every mutant can be made of the code as it is", () => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/mutants.js", "--check"], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});
