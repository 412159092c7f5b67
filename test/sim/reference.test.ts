import { expect, test } from "vitest";
import { runReference } from "./reference.js";

const { SEED } = process.env;
const RUNS = 400;

test(`everything arrives from and at a peer that loses and permutes frames${SEED ? `, SEED=${SEED}` : ""} [recv.gap] [base.probe]`, () => {
  if (SEED) {
    runReference(Number(SEED), true);
    return;
  }
  const total = { missed: 0, permuted: 0, links: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    const { missed, permuted, links } = runReference(seed);
    total.missed += missed;
    total.permuted += permuted;
    total.links += links;
  }
  // The peer did what it is known for.
  expect(total.missed).toBeGreaterThan(RUNS);
  expect(total.permuted).toBeGreaterThan(RUNS);
  expect(total.links).toBeGreaterThan(2 * RUNS);
});
