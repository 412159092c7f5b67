// The buddy allocator and the views: regions never overlap, merge back, and growth does what each build promises.
import assert from "node:assert/strict";
import { describe, expect, test } from "vitest";
import { BLOCK_BYTES, RESULT_BYTES } from "../../assembly/abi.js";
import { Core, SCAN_BYTES_MAX, TABLE_ENTRIES, threadCore } from "../../src/wasm/core.js";
import { LinearMemory, RESULT } from "../../src/wasm/memory.js";
import { BUILDS } from "./builds.js";
import { Random, seeds } from "./random.js";

const MIB = 1_048_576;
const SMALLEST = BLOCK_BYTES;

describe.each(BUILDS)("%s memory", (build) => {
  test.each(seeds(4))(
    "random regions are aligned, apart from each other, and merge back, SEED=%i",
    (seed) => {
      const random = new Random(seed);
      const memory = new LinearMemory(build);
      const regions: { address: number; bytes: number; size: number; mark: number }[] = [];
      const checkMark = ({ address, size, mark }: (typeof regions)[number]) => {
        for (const at of [0, size >>> 1, size - 4]) assert.equal(memory.u32[(address + at) >>> 2], mark);
      };
      let used = 0;
      for (let step = 0; step < 4_000; step++) {
        if (random.below(100) < (step % 1_000 < 600 ? 60 : 40)) {
          const bytes = random.oneIn(30) ? random.below(MIB) : 1 + (random.u32() >>> random.between(17, 31));
          const size = LinearMemory.regionSize(bytes);
          assert.ok(size >= bytes && size >= SMALLEST && (size === SMALLEST || size < 2 * bytes));
          const address = memory.allocate(bytes);
          assert.ok(address >= RESULT + RESULT_BYTES && address + size <= memory.totalBytes);
          assert.equal(address % size, 0, "aligned to its size");
          const mark = random.u32();
          for (const other of regions) {
            assert.ok(address + size <= other.address || other.address + other.size <= address, "overlap");
          }
          for (const at of [0, size >>> 1, size - 4]) memory.u32[(address + at) >>> 2] = mark;
          regions.push({ address, bytes, size, mark });
          used += size;
        } else if (regions.length > 0) {
          const [region] = regions.splice(random.below(regions.length), 1);
          checkMark(region);
          memory.free(region.address, region.bytes);
          used -= region.size;
        }
        assert.equal(memory.usedBytes, used);
      }
      for (const region of regions) {
        checkMark(region);
        memory.free(region.address, region.bytes);
      }
      assert.equal(memory.usedBytes, 0);
      // With the memory in use up to a power of two, one free region of each size is left: it starts at its size.
      const end = LinearMemory.regionSize(memory.totalBytes);
      assert.equal(memory.allocate(end), end);
      const total = memory.totalBytes;
      for (let size = SMALLEST; size < end; size *= 2) assert.equal(memory.allocate(size), size);
      assert.equal(memory.totalBytes, total);
    },
  );

  test("freed small regions make room for a large one, without growth", () => {
    const memory = new LinearMemory(build);
    // A region of 1 MiB exists, then is used up in small pieces.
    const large = memory.allocate(MIB);
    memory.free(large, MIB);
    const total = memory.totalBytes;
    const small: number[] = [];
    while (small.at(-1) !== large + MIB - SMALLEST) small.push(memory.allocate(SMALLEST));
    expect(memory.totalBytes).toBe(total);
    for (const address of small.reverse()) memory.free(address, SMALLEST);
    expect(memory.usedBytes).toBe(0);
    expect(memory.allocate(MIB)).toBe(large);
    expect(memory.totalBytes).toBe(total);
  });

  test("the gap in front of an aligned region merges with the free region below it", () => {
    const memory = new LinearMemory(build);
    const kept = memory.allocate(SMALLEST);
    const below = memory.allocate(SMALLEST);
    memory.free(below, SMALLEST);
    // Starts at 1,024 and leaves 384..1,024 behind; 256..384 was free already.
    const beyond = memory.allocate(1_024);
    expect([kept, below, beyond]).toEqual([128, 256, 1_024]);
    expect(memory.allocate(256)).toBe(256);
    expect(memory.allocate(512)).toBe(512);
  });

  test("regions are powers of two from 128 bytes on", () => {
    const sizes = [0, 1, 128, 129, 256, 257, 65_536, 65_537, 2 ** 30];
    expect(sizes.map((size) => LinearMemory.regionSize(size))).toEqual([
      128,
      128,
      128,
      256,
      256,
      512,
      65_536,
      131_072,
      2 ** 30,
    ]);
  });

  test("a full memory answers 0, changes nothing, and has only positive addresses", () => {
    const memory = new LinearMemory(build);
    expect(memory.allocate(2 ** 30 + 1)).toBe(0);
    expect(memory.totalBytes).toBe(MIB);
    // 1 GiB at 1 GiB is all there can be of that size.
    const half = memory.allocate(2 ** 30);
    expect(half).toBe(2 ** 30);
    const used = memory.usedBytes;
    expect(memory.allocate(2 ** 30)).toBe(0);
    expect(memory.usedBytes).toBe(used);
    expect(memory.totalBytes).toBe(2 ** 31);
    // What the alignment left below it is in use.
    expect(memory.allocate(2 ** 29)).toBe(2 ** 29);
    expect(memory.allocate(2 ** 29)).toBe(0);
    memory.u8[2 ** 31 - 1] = 7;
    expect(memory.view(2 ** 31 - 1, 1)[0]).toBe(7);
    memory.free(half, 2 ** 30);
    expect(memory.allocate(2 ** 30)).toBe(half);
  });

  test(`old views ${build === "shared" ? "survive growth" : "die with growth, new ones are in their place"}`, () => {
    const memory = new LinearMemory(build);
    const address = memory.allocate(256);
    const { u8, u32, totalBytes } = memory;
    const view = memory.view(address, 256);
    view.fill(0x11);
    const grown = memory.allocate(4 * MIB);
    expect(memory.totalBytes).toBeGreaterThan(totalBytes);
    expect(memory.u8 === u8 || memory.u32 === u32).toBe(false);
    expect(memory.u8.length).toBe(memory.memory.buffer.byteLength);
    expect(memory.u32.length * 4).toBe(memory.u8.length);
    // The bytes are where they were, and the new end can be written.
    expect(memory.u8[address]).toBe(0x11);
    memory.u8[grown + 4 * MIB - 1] = 1;
    memory.u8[address] = 0x22;
    expect(view.length).toBe(build === "shared" ? 256 : 0);
    expect(view[0]).toBe(build === "shared" ? 0x22 : undefined);
  });

  test("copyOut gives memory of its own", () => {
    const memory = new LinearMemory(build);
    const address = memory.allocate(128);
    memory.u8.set([1, 2, 3], address);
    const copy = memory.copyOut(address, 3);
    memory.u8.fill(9, address, address + 3);
    expect([...copy]).toEqual([1, 2, 3]);
    expect(copy.buffer).toBeInstanceOf(ArrayBuffer);
  });

  test("a core has its scan regions and hands out zeroed blocks", () => {
    const core = new Core(new LinearMemory(build));
    expect(core.memory.usedBytes).toBe(2 * SCAN_BYTES_MAX + TABLE_ENTRIES * 8);
    expect(core.memory.totalBytes).toBe(MIB);
    const first = core.allocateBlock();
    core.memory.u8.fill(0xff, first, first + BLOCK_BYTES);
    core.freeBlock(first);
    const again = core.allocateBlock();
    expect(again).toBe(first);
    expect(core.memory.copyOut(again, BLOCK_BYTES).every((byte) => byte === 0)).toBe(true);
  });
});

test("a thread has one core, of the best build there is", () => {
  expect(threadCore()).toBe(threadCore());
  expect(threadCore().build).toBe("SharedArrayBuffer" in globalThis ? "shared" : "plain"); // Node has it, not every page
});
