// Frames: the 216 of the Rust crate byte for byte, malformed ones, and random ones against a plain model.
import assert from "node:assert/strict";
import { describe, expect, test } from "vitest";
import {
  FRAME_ACK,
  FRAME_HAS_ACK,
  FRAME_ITEM,
  FRAME_LENGTH,
  FRAME_SEQ,
  INVALID_FRAME,
  INVALID_VARINT,
  MAX_OVERHEAD,
  RESULT_BYTES,
} from "../../assembly/abi.js";
import { RESULT } from "../../src/wasm/memory.js";
import { bytesAt, onBothBuilds, peek } from "./builds.js";
import { goldenFrames } from "./golden.js";
import { Random, seeds } from "./random.js";
import { frameBytes, overlongVarint, parseFrame, u32Bytes, varintBytes } from "./reference.js";

onBothBuilds((core) => {
  const { exports, chunk, memory } = core;

  /** Writes as the ring does: header first, then the item where it says. Returns the frame. */
  function write(seq: number, ack: number | null, item: Uint8Array): Buffer {
    const at = exports.frameWrite(chunk, seq, ack === null ? 0 : 1, ack ?? 0, item.length);
    assert.equal(at - chunk, exports.frameHeaderSize(seq, ack === null ? 0 : 1, ack ?? 0));
    memory.u8.set(item, at);
    return bytesAt(core, chunk, at - chunk + item.length);
  }

  /** Parses at the end of the memory, where reading one byte more would trap. */
  function parse(frame: Uint8Array) {
    const end = memory.totalBytes;
    const at = end - frame.length;
    memory.u8.set(frame, at);
    memory.u8.fill(0xee, RESULT, RESULT + RESULT_BYTES);
    const invalid = exports.frameParse(at, end, RESULT);
    if (invalid !== 0) {
      // Nothing of a refused frame may be taken for a result.
      assert.equal(peek(core, RESULT + FRAME_SEQ), 0xeeee_eeee);
      return invalid;
    }
    const ack = peek(core, RESULT + FRAME_HAS_ACK) === 1 ? peek(core, RESULT + FRAME_ACK) : null;
    const item = peek(core, RESULT + FRAME_ITEM) - at;
    assert.equal(peek(core, RESULT + FRAME_LENGTH), frame.length - item);
    return { seq: peek(core, RESULT + FRAME_SEQ), ack, item };
  }

  const frames = goldenFrames();

  test("the 216 frames of the Rust crate are there", () => {
    expect(frames).toHaveLength(216);
  });

  test("frames of the Rust crate are written byte for byte [frame.layout]", () => {
    for (const { seq, ack, item, frame } of frames) {
      assert.equal(write(seq, ack, item).toString("hex"), frame.toString("hex"));
    }
  });

  test("frames of the Rust crate are parsed [frame.layout]", () => {
    for (const { seq, ack, item, frame } of frames) {
      assert.deepEqual(parse(frame), { seq, ack, item: frame.length - item.length });
    }
  });

  test("every truncation of a frame is refused, and every byte too many [frame.exact]", () => {
    for (const { frame } of frames) {
      if (frame.length > 300) continue;
      for (let length = 0; length < frame.length; length++) {
        assert.equal(parse(frame.subarray(0, length)), INVALID_FRAME);
      }
      assert.equal(parse(Buffer.concat([frame, Buffer.of(0)])), INVALID_FRAME);
    }
  });

  describe("malformed frames", () => {
    const item = [0xaa, 0xbb];
    const length = u32Bytes(2);
    const wrong: [string, number[], number][] = [
      ["an empty payload [frame.exact]", [], INVALID_FRAME],
      ["a tag of 2 [frame.exact]", [7, 2, ...length, ...item], INVALID_FRAME],
      [
        "a tag of 0x81, which would be a varint of 1 [frame.exact]",
        [7, 0x81, 0, ...length, ...item],
        INVALID_FRAME,
      ],
      [
        "an item that is shorter than its length [frame.exact]",
        [7, 0, ...u32Bytes(3), ...item],
        INVALID_FRAME,
      ],
      [
        "an item that is longer than its length [frame.exact]",
        [7, 0, ...u32Bytes(1), ...item],
        INVALID_FRAME,
      ],
      ["an item length of 2^32 - 1 [frame.exact]", [7, 0, 255, 255, 255, 255, ...item], INVALID_FRAME],
      ["an item length that wraps around to fit [frame.exact]", [7, 0, 254, 255, 255, 255], INVALID_FRAME],
      ["an ack that is cut off [frame.exact]", [7, 1, 0x80], INVALID_FRAME],
      ["a seq of 33 bits [frame.minimal]", [255, 255, 255, 255, 0x1f, 0, ...length, ...item], INVALID_VARINT],
      [
        "a seq of six bytes [frame.minimal]",
        [128, 128, 128, 128, 128, 0, 0, ...length, ...item],
        INVALID_VARINT,
      ],
      [
        "an ack of 33 bits [frame.minimal]",
        [7, 1, 255, 255, 255, 255, 0x10, ...length, ...item],
        INVALID_VARINT,
      ],
    ];
    test.each(wrong)("%s is refused", (_, frame, invalid) => {
      expect(parse(Uint8Array.from(frame))).toBe(invalid);
    });

    test("overlong varints are read [frame.minimal]", () => {
      for (let size = 1; size <= 5; size++) {
        const header = [...overlongVarint(7, size), 1, ...overlongVarint(3, size)];
        expect(parse(Uint8Array.from([...header, ...length, ...item]))).toEqual({
          seq: 7,
          ack: 3,
          item: header.length + 4,
        });
      }
    });
  });

  test("the largest header is MAX_OVERHEAD with its link length", () => {
    expect(4 + exports.frameHeaderSize(0xffff_ffff, 1, 0xffff_ffff)).toBe(MAX_OVERHEAD);
  });

  test.each(seeds(3))("random frames, whole and mutated, are as in the model, SEED=%i", (seed) => {
    const random = new Random(seed);
    const number = () => random.u32() >>> random.below(32);
    for (let i = 0; i < 3_000; i++) {
      const item = random.bytes(random.below(40));
      const seq = number();
      const ack = random.oneIn(2) ? null : number();
      const frame = Uint8Array.from(write(seq, ack, item));
      assert.deepEqual(frame, frameBytes(seq, ack, item));
      assert.equal(exports.varintSizeU32(seq), varintBytes(seq).length);
      assert.deepEqual(parse(frame), parseFrame(frame, 0, frame.length));
      for (let mutations = random.between(1, 3); mutations > 0; mutations--) {
        frame[random.below(Math.min(frame.length, 14))] = random.u32();
      }
      const mutated = frame.subarray(0, random.oneIn(4) ? random.below(frame.length) : frame.length);
      const expected = parseFrame(mutated, 0, mutated.length);
      const details = { frame: INVALID_FRAME, varint: INVALID_VARINT };
      assert.deepEqual(parse(mutated), typeof expected === "string" ? details[expected] : expected);
    }
  });
});
