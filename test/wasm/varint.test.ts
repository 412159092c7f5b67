// Varints of 32 and 64 bits against a plain model and the vectors of the Rust crate.
import assert from "node:assert/strict";
import { describe, expect, test } from "vitest";
import { RESULT } from "../../src/wasm/memory.js";
import { onBothBuilds, peek } from "./builds.js";
import { goldenVarints } from "./golden.js";
import { Random, seeds } from "./random.js";
import { overlongVarint, readVarint, varintBytes } from "./reference.js";

interface Codec {
  bits: 32 | 64;
  size(value: bigint): number;
  write(at: number, value: bigint): number;
  /** The value and the address behind it, or null. */
  read(at: number, end: number): { value: bigint; end: number } | null;
}

onBothBuilds((core) => {
  const { exports, chunk } = core;
  const low = (value: bigint) => Number(value & 0xffff_ffffn);
  const high = (value: bigint) => Number(value >> 32n);
  const codecs: Codec[] = [
    {
      bits: 32,
      size: (value) => exports.varintSizeU32(low(value)),
      write: (at, value) => exports.varintWriteU32(at, low(value)),
      read(at, end) {
        const behind = exports.varintReadU32(at, end, RESULT);
        return behind === 0 ? null : { value: BigInt(peek(core, RESULT)), end: behind };
      },
    },
    {
      bits: 64,
      size: (value) => exports.varintSizeU64(low(value), high(value)),
      write: (at, value) => exports.varintWriteU64(at, low(value), high(value)),
      read(at, end) {
        const behind = exports.varintReadU64(at, end, RESULT);
        const value = BigInt(peek(core, RESULT)) | (BigInt(peek(core, RESULT + 4)) << 32n);
        return behind === 0 ? null : { value, end: behind };
      },
    },
  ];

  /** Writes one value everywhere and reads it back. */
  function checkValue(codec: Codec, value: bigint): void {
    const expected = varintBytes(value);
    assert.equal(codec.size(value), expected.length, `size of ${value}`);
    core.memory.u8.fill(0xa5, chunk, chunk + 32);
    const end = codec.write(chunk + 8, value);
    assert.equal(end, chunk + 8 + expected.length, `end of ${value}`);
    const around = [...Array(8).fill(0xa5), ...expected, ...Array(24 - expected.length).fill(0xa5)];
    assert.deepEqual([...core.memory.u8.subarray(chunk, chunk + 32)], around, `bytes of ${value}`);
    assert.deepEqual(codec.read(chunk + 8, end), { value, end }, `read of ${value}`);
    assert.deepEqual(codec.read(chunk + 8, end + 5), { value, end }, "bytes behind it are not touched");
    for (let cut = 0; cut < expected.length; cut++) {
      assert.equal(codec.read(chunk + 8, chunk + 8 + cut), null, `${value} cut to ${cut} bytes`);
    }
  }

  for (const codec of codecs) {
    const { bits } = codec;
    const longest = Math.ceil(bits / 7);

    describe(`u${bits}`, () => {
      test("every boundary is written in minimal form, read back, and refused at each truncation [frame.minimal]", () => {
        for (let exponent = 0; exponent <= bits; exponent++) {
          for (const offset of [-2n, -1n, 0n, 1n]) {
            const value = (1n << BigInt(exponent)) + offset;
            if (value >= 0n && value < 1n << BigInt(bits)) checkValue(codec, value);
          }
        }
      });

      test(`an overlong form of at most ${longest} bytes is read [frame.minimal]`, () => {
        for (const value of [0n, 1n, 127n, 128n, 16_383n, 2n ** 28n, 2n ** BigInt(bits) - 1n]) {
          for (let size = varintBytes(value).length; size <= longest; size++) {
            core.memory.u8.set(overlongVarint(value, size), chunk);
            expect(codec.read(chunk, chunk + size)).toEqual({ value, end: chunk + size });
          }
          core.memory.u8.set(overlongVarint(value, longest + 1), chunk);
          expect(codec.read(chunk, chunk + longest + 1)).toBeNull();
        }
      });

      test(`bits beyond ${bits} are refused [frame.minimal]`, () => {
        for (let last = 0; last < 256; last++) {
          core.memory.u8.fill(0xff, chunk, chunk + longest - 1);
          core.memory.u8[chunk + longest - 1] = last;
          core.memory.u8[chunk + longest] = 0;
          const fits = last < 2 ** (bits - 7 * (longest - 1));
          expect(codec.read(chunk, chunk + longest + 1) !== null, `last byte ${last}`).toBe(fits);
        }
      });

      test.each(seeds(2))("random bytes read as in the model, SEED=%i", (seed) => {
        const random = new Random(seed);
        for (let i = 0; i < 5_000; i++) {
          const bytes = random.bytes(random.below(longest + 3));
          // Continuation bits in most bytes, or nothing would be longer than two.
          for (let k = 0; k < bytes.length; k++) if (!random.oneIn(4)) bytes[k] |= 0x80;
          core.memory.u8.set(bytes, chunk);
          const expected = readVarint(bytes, 0, bytes.length, bits);
          const read = codec.read(chunk, chunk + bytes.length);
          if (typeof expected === "string") assert.equal(read, null, `${bytes}: ${expected}`);
          else assert.deepEqual(read, { value: expected.value, end: chunk + expected.end }, `${bytes}`);
        }
        for (let i = 0; i < 2_000; i++) {
          const value = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
          checkValue(codec, value >> BigInt(64 - random.between(0, bits)));
        }
      });

      test("vectors of the Rust crate are written and read byte for byte [frame.minimal]", () => {
        for (const { value, bytes } of goldenVarints()) {
          const end = codec.write(chunk, value);
          expect([...core.memory.u8.subarray(chunk, end)]).toEqual([...bytes]);
          expect(codec.read(chunk, end)).toEqual({ value, end });
        }
      });
    });
  }

  test("vectors of the Rust crate are all there", () => {
    expect(goldenVarints()).toHaveLength(11);
  });
});
