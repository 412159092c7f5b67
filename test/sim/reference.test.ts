import { expect, test } from "vitest";
import { runReference } from "./reference.js";
import { seedsOf } from "./schedules.js";

const RUNS = 400;

seedsOf(
  "everything arrives from and at a peer that loses and permutes frames and sleeps [recv.gap] [base.probe] [base.again]",
  {
    first: 0,
    step: 1,
    runs: RUNS,
    run: runReference,
  },
);

test("the simulated peer loses and permutes frames and sleeps, or the runs above prove little", () => {
  const total = { missed: 0, permuted: 0, slept: 0, links: 0 };
  for (let seed = 1; seed <= 100; seed++) {
    const { missed, permuted, slept, links } = runReference(seed);
    total.missed += missed;
    total.permuted += permuted;
    total.slept += slept;
    total.links += links;
  }
  expect(total.missed).toBeGreaterThan(50);
  expect(total.permuted).toBeGreaterThan(100);
  expect(total.slept).toBeGreaterThan(10);
  expect(total.links).toBeGreaterThan(200);
});
