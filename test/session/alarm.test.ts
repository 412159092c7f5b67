// Alarms: many deadlines, one timer.
import { afterEach, describe, expect, test, vi } from "vitest";
import { randomFrom } from "../../examples/demo/chaos-proxy.js";
import { Alarm } from "../../src/session/alarm.js";
import { now } from "../../src/session/clock.js";
import { seeds } from "../wasm/random.js";
import { timeout } from "./helpers.js";

const CLOCK = ["setTimeout", "clearTimeout", "performance"] as const;

const made: Alarm[] = [];
function alarm(wake: () => void): Alarm {
  const one = new Alarm(wake);
  made.push(one);
  return one;
}

afterEach(() => {
  for (const one of made.splice(0)) one.clear();
  vi.useRealTimers();
});

/** Timers that keep this process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
}

describe("alarms", () => {
  test("that are many have one timer, and none when they are cleared", () => {
    vi.useFakeTimers({ toFake: [...CLOCK] });
    const many = Array.from({ length: 1_000 }, () => alarm(() => {}));
    for (const [i, one] of many.entries()) one.set(now() + 5_000 - i, now());
    expect(vi.getTimerCount()).toBe(1);
    for (const one of many) one.clear();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each(seeds(4))(
    "wake when they are due, in order, whatever is set, moved and cleared: seed %i",
    (seed) => {
      vi.useFakeTimers({ toFake: [...CLOCK] });
      const random = randomFrom(seed);
      const due = new Map<number, number>(); // what is set
      const all = Array.from({ length: 200 }, (_, i) =>
        alarm(() => {
          expect(due.get(i)).toBeLessThanOrEqual(now());
          for (const at of due.values()) expect(due.get(i)).toBeLessThanOrEqual(at);
          due.delete(i);
          if (random() < 0.5) set(Math.floor(random() * 200));
          if (random() < 0.2) clear(Math.floor(random() * 200));
        }),
      );
      const set = (i: number) => {
        const at = now() + Math.floor(random() * 100);
        all[i].set(at, now());
        due.set(i, Math.min(at, due.get(i) ?? at));
        expect(all[i].at).toBe(due.get(i));
      };
      const clear = (i: number) => {
        all[i].clear();
        due.delete(i);
      };
      for (let step = 0; step < 3_000; step++) {
        const i = Math.floor(random() * 200);
        if (random() < 0.6) set(i);
        else clear(i);
        if (random() < 0.3) {
          vi.advanceTimersByTime(Math.floor(random() * 20));
          for (const at of due.values()) expect(at).toBeGreaterThanOrEqual(now());
        }
      }
    },
  );

  test("that are set to this very moment when they wake let other tasks run", () => {
    vi.useFakeTimers({ toFake: [...CLOCK] });
    let woken = 0;
    const one = alarm(() => {
      if (++woken < 10) one.set(now(), now());
    });
    one.set(now(), now());
    vi.advanceTimersToNextTimer();
    expect(woken).toBe(1);
    vi.advanceTimersByTime(10);
    expect(woken).toBe(10);
  });

  test("whose owner throws do not keep others from being woken", () => {
    vi.useFakeTimers({ toFake: [...CLOCK] });
    let woken = 0;
    const wrong = alarm(() => {
      throw new Error("wrong");
    });
    const right = alarm(() => woken++);
    wrong.set(now() + 5, now());
    right.set(now() + 5, now());
    expect(() => vi.advanceTimersByTime(5)).toThrow("wrong");
    vi.advanceTimersByTime(1);
    expect(woken).toBe(1);
  });

  test("further away than a timer can be are not early", () => {
    vi.useFakeTimers({ toFake: [...CLOCK] });
    let woken = 0;
    const far = 3 * 2 ** 31;
    alarm(() => woken++).set(now() + far, now());
    vi.advanceTimersByTime(far - 1);
    expect(woken).toBe(0);
    vi.advanceTimersByTime(1);
    expect(woken).toBe(1);
  });

  test("that a fake clock took along, when it went, do not keep others from being woken", async () => {
    vi.useFakeTimers({ toFake: [...CLOCK] });
    alarm(() => {}).set(now() + 5, now());
    vi.useRealTimers();
    const woken = new Promise<void>((resolve) => alarm(resolve).set(now() + 5, now()));
    await timeout(woken, 2_000, "the alarm");
  });

  test("keep the process alive as long as one of them does", () => {
    const before = timers();
    const [a, b] = [alarm(() => {}), alarm(() => {})];
    b.ref(false);
    b.set(now() + 1_000, now());
    expect(timers()).toBe(before);
    a.set(now() + 2_000, now());
    expect(timers()).toBe(before + 1);
    a.ref(false);
    expect(timers()).toBe(before);
    b.ref(true);
    expect(timers()).toBe(before + 1);
    b.clear();
    expect(timers()).toBe(before);
  });
});
