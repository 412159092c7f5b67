// Serial arithmetic on seqs.
import { expect, test } from "vitest";
import { onBothBuilds } from "./builds.js";

onBothBuilds((core) => {
  const before = (a: number, b: number) => core.exports.seqBefore(a, b) !== 0;
  const starts = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 2, 2 ** 32 - 1];

  test("a seq comes before those at most 2^31 - 1 after it, across 2^31 and 2^32 [seq.serial]", () => {
    for (const a of starts) {
      for (const distance of [1, 2, 1_000, 2 ** 31 - 1]) {
        const b = (a + distance) % 2 ** 32;
        expect(before(a, b), `${a} before ${b}`).toBe(true);
        expect(before(b, a), `${b} before ${a}`).toBe(false);
      }
    }
  });

  test("a seq does not come before itself", () => {
    for (const a of starts) expect(before(a, a)).toBe(false);
  });
});
