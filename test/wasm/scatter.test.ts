// Scatter plans: staged segments are copied to their final place, referenced ones get their address.
import assert from "node:assert/strict";
import { expect, test } from "vitest";
import { PLAN_ENTRY, PLAN_LENGTH, PLAN_SOURCE, PLAN_TARGET } from "../../assembly/abi.js";
import { bytesAt, onBothBuilds, peek, poke } from "./builds.js";
import { Random, seeds } from "./random.js";

onBothBuilds((core) => {
  const { exports, memory, table: plan } = core;
  const staging = memory.allocate(4_096);
  const area = memory.allocate(16_384);

  test("a plan of no segments is an empty item", () => {
    expect(exports.scatterSize(plan, 0)).toBe(0);
    expect(exports.scatterPlace(plan, 0, area)).toBe(area);
  });

  test.each(seeds(3))("random plans become the concatenation of their segments, SEED=%i", (seed) => {
    const random = new Random(seed);
    for (let round = 0; round < 300; round++) {
      const segments = Array.from({ length: random.below(20) }, () => ({
        bytes: random.bytes(random.oneIn(8) ? random.below(200) : random.below(12)),
        staged: random.oneIn(2),
      }));
      let staged = staging;
      for (const [i, segment] of segments.entries()) {
        const entry = plan + i * PLAN_ENTRY;
        poke(core, entry + PLAN_SOURCE, segment.staged ? staged : 0);
        poke(core, entry + PLAN_LENGTH, segment.bytes.length);
        poke(core, entry + PLAN_TARGET, 0);
        if (!segment.staged) continue;
        memory.u8.set(segment.bytes, staged);
        staged += segment.bytes.length;
      }
      const expected = Buffer.concat(segments.map(({ bytes }) => bytes));
      assert.equal(exports.scatterSize(plan, segments.length), expected.length);

      const target = area + 64 + random.below(64);
      memory.u8.fill(0xc5, area, area + 16_384);
      assert.equal(exports.scatterPlace(plan, segments.length, target), target + expected.length);
      let at = target;
      for (const [i, { bytes, staged }] of segments.entries()) {
        const entry = plan + i * PLAN_ENTRY;
        assert.equal(peek(core, entry + PLAN_TARGET), at);
        assert.equal(peek(core, entry + PLAN_LENGTH), bytes.length);
        // A referenced segment is the caller's to copy: nothing was written there.
        if (!staged) assert.ok(bytesAt(core, at, bytes.length).every((byte) => byte === 0xc5));
        if (!staged) memory.u8.set(bytes, peek(core, entry + PLAN_TARGET));
        at += bytes.length;
      }
      assert.ok(bytesAt(core, target, expected.length).equals(expected));
      assert.ok(bytesAt(core, area, target - area).every((byte) => byte === 0xc5));
      assert.ok(bytesAt(core, at, area + 16_384 - at).every((byte) => byte === 0xc5));
    }
  });
});
