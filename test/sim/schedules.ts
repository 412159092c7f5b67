// The seeds that a test run goes through. SEED=n repeats one of them; SIM_SCHEDULES and SIM_FROM choose how many
// and from where; SOAK_MINUTES goes on for so long (scripts/soak.js).
import { expect, test } from "vitest";
import { runSchedule } from "./schedule.js";

const WORKERS = 2;
const BLOCK = 100;

export function schedules(worker: number): void {
  const { SEED, SIM_SCHEDULES = "2000", SIM_FROM = "1", SOAK_MINUTES } = process.env;
  const from = Number(SIM_FROM);
  if (SEED !== undefined) {
    if (worker === 0)
      test(`every item once and in order under chaos, SEED=${SEED}`, () => void runSchedule(Number(SEED)));
    else test("leaves a single seed to the other file", () => expect(SEED).toMatch(/^\d+$/));
    return;
  }
  if (SOAK_MINUTES !== undefined) {
    const ms = Number(SOAK_MINUTES) * 60_000;
    test(`every item once and in order under chaos for ${SOAK_MINUTES} minutes`, {
      timeout: ms + 60_000,
    }, () => {
      const until = performance.now() + ms;
      let runs = 0;
      for (let seed = from + worker; performance.now() < until; seed += WORKERS, runs++) runSchedule(seed);
      console.log(`${runs} schedules, seeds ${from + worker} to ${from + worker + (runs - 1) * WORKERS}`);
    });
    return;
  }
  const to = from + Number(SIM_SCHEDULES);
  for (let block = from + worker * BLOCK; block < to; block += WORKERS * BLOCK) {
    const end = Math.min(block + BLOCK, to);
    test(`every item once and in order under chaos, seeds ${block} to ${end - 1}`, () => {
      for (let seed = block; seed < end; seed++) runSchedule(seed);
    });
  }
}
