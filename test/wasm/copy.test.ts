// Copies into and within linear memory.
import { expect, test } from "vitest";
import { ENTER_BYTES_MAX } from "../../src/wasm/core.js";
import { onBothBuilds } from "./builds.js";
import { Random, seeds } from "./random.js";

const GUARD = 16;
const GUARD_BYTE = 0xee;

const [SEED] = seeds(1);

onBothBuilds((core) => {
  const { memory, exports } = core;
  const random = new Random(SEED);
  const target = memory.allocate(4 * ENTER_BYTES_MAX);

  /** What lies at `at` is the bytes, and nothing around them has changed. */
  function expectCopied(bytes: Uint8Array, at: number): void {
    const around = memory.copyOut(at - GUARD, bytes.length + 2 * GUARD);
    expect(around.subarray(0, GUARD)).toEqual(new Uint8Array(GUARD).fill(GUARD_BYTE));
    expect(Buffer.compare(around.subarray(GUARD, -GUARD), bytes)).toBe(0);
    expect(around.subarray(-GUARD)).toEqual(new Uint8Array(GUARD).fill(GUARD_BYTE));
  }

  test(`copyBytes copies 0 to 300 bytes exactly, at any alignment, SEED=${SEED}`, () => {
    for (let length = 0; length <= 300; length++) {
      const from = core.chunk + (length % 7);
      const to = target + GUARD + (length % 11);
      const bytes = random.bytes(length);
      memory.u8.fill(GUARD_BYTE, target, target + 512);
      memory.u8.set(bytes, from);
      exports.copyBytes(to, from, length);
      expectCopied(bytes, to);
    }
  });

  test(`copyIn copies in pieces when the bytes are more than one, and keeps to their place, SEED=${SEED}`, () => {
    for (const length of [0, 1, 1_000, ENTER_BYTES_MAX, ENTER_BYTES_MAX + 1, 3 * ENTER_BYTES_MAX + 5]) {
      for (const alignment of [0, 5]) {
        const bytes = random.bytes(length + alignment).subarray(alignment);
        const to = target + GUARD + 3;
        memory.u8.fill(GUARD_BYTE, target, target + 4 * ENTER_BYTES_MAX);
        core.copyIn(bytes, to);
        expectCopied(bytes, to);
      }
    }
  });

  // An array over a growable buffer is as long as another thread has made it by the time that it is copied.
  test("an item that is longer than it was enters nothing beyond its place, and not itself", () => {
    const behind = core.table;
    const before = memory.copyOut(behind, 4_096);
    const block = core.allocateBlock();
    expect(core.enter(block, new Uint8Array(2 * ENTER_BYTES_MAX).fill(GUARD_BYTE), 10)).toBe(false);
    expect(Buffer.compare(memory.copyOut(behind, 4_096), before)).toBe(0);
    core.freeBlock(block);

    memory.u8.fill(GUARD_BYTE, target, target + 512);
    core.copyIn(random.bytes(300), target + GUARD, 100);
    expectCopied(memory.copyOut(target + GUARD, 100), target + GUARD);
  });
});
