// One conversation, cut at every byte of both directions, and then again on the next link.
import { describe, expect, test } from "vitest";
import type { Profile } from "../../src/proto/machine.js";
import { type Cut, converse } from "./conversation.js";

/** The second cut falls on every so many bytes. */
const STEP = 23;

describe.each<Profile>(["base", "extended"])("a conversation in the %s profile", (profile) => {
  const { carried, links } = converse(profile, []);

  for (const direction of [0, 1] as const) {
    const to = direction === 0 ? "acceptor" : "initiator";

    test(`survives a cut at every byte to the ${to} [link.cut]`, () => {
      expect(links).toBe(1);
      expect(carried[direction]).toBeGreaterThan(300);
      let cut = 0;
      for (let offset = 0; offset <= carried[direction]; offset++) {
        if (converse(profile, [{ direction, offset }]).links > 1) cut++;
      }
      // The last bytes of a conversation that happens to be shorter are no cut.
      expect(cut).toBeGreaterThan(0.8 * carried[direction]);
    });

    test(`survives two cuts, the first one on the way to the ${to} [resume.retry]`, () => {
      let most = 0;
      for (const cuts of pairs(direction, carried)) most = Math.max(most, converse(profile, cuts).links);
      expect(most).toBeGreaterThan(2);
    });
  }
});

function* pairs(direction: 0 | 1, carried: number[]): Generator<[Cut, Cut]> {
  for (let offset = 0; offset <= carried[direction]; offset += STEP) {
    for (const next of [0, 1] as const) {
      for (let second = 0; second <= carried[next]; second += STEP) {
        yield [
          { direction, offset },
          { direction: next, offset: second },
        ];
      }
    }
  }
}
