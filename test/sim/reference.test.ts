import { expect, test } from "vitest";
import { runReference } from "./reference.js";
import { seedsOf } from "./schedules.js";

const RUNS = 400;

seedsOf("everything arrives from and at a peer that loses and permutes frames [recv.gap] [base.probe]", {
  first: 0,
  step: 1,
  runs: RUNS,
  run: runReference,
});

test("the simulated peer loses and permutes frames, or the runs above prove little", () => {
  const total = { missed: 0, permuted: 0, links: 0 };
  for (let seed = 1; seed <= 100; seed++) {
    const { missed, permuted, links } = runReference(seed);
    total.missed += missed;
    total.permuted += permuted;
    total.links += links;
  }
  expect(total.missed).toBeGreaterThan(50);
  expect(total.permuted).toBeGreaterThan(100);
  expect(total.links).toBeGreaterThan(200);
});
