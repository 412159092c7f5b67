// The seeds that a test run goes through. SEED=n repeats one of them; SIM_SCHEDULES and SIM_FROM choose how many
// and from where; SOAK_MINUTES goes on for so long (scripts/soak.js).
import { test } from "vitest";
import { runSchedule } from "./schedule.js";

const WORKERS = 2;
/** A test's share: small enough to see where a slow one is. */
const BLOCK = 200;

/** One of the test files that share the schedules: each worker takes every second seed. */
export function schedules(worker: number): void {
  const runs = Math.ceil(Number(process.env.SIM_SCHEDULES ?? 2_400) / WORKERS);
  seedsOf("every item arrives once and in order under chaos", {
    first: worker,
    step: WORKERS,
    runs,
    run: runSchedule,
  });
}

interface Seeds {
  first: number;
  step: number;
  runs: number;
  run: (seed: number) => unknown;
}

/** Tests that go through `runs` seeds, or through what the environment asks for. */
export function seedsOf(title: string, { first, step, runs, run }: Seeds): void {
  const { SEED, SIM_FROM = "1", SOAK_MINUTES } = process.env;
  if (SEED !== undefined) {
    test(`${title}, SEED=${SEED}`, () => void run(Number(SEED)));
    return;
  }
  const from = Number(SIM_FROM) + first;
  if (SOAK_MINUTES !== undefined) {
    const ms = Number(SOAK_MINUTES) * 60_000;
    test(`${title}, for ${SOAK_MINUTES} minutes`, { timeout: ms + 60_000 }, () => {
      const until = performance.now() + ms;
      let seed = from;
      for (; performance.now() < until; seed += step) run(seed);
      console.log(`${title}: ${(seed - from) / step} runs, seeds ${from} to ${seed - step}`);
    });
    return;
  }
  for (let done = 0; done < runs; done += BLOCK) {
    const count = Math.min(BLOCK, runs - done);
    const [begin, end] = [from + done * step, from + (done + count - 1) * step];
    test(`${title}, seeds ${begin} to ${end}`, () => {
      for (let seed = begin; seed <= end; seed += step) run(seed);
    });
  }
}
