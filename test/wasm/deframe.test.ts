// Receiving: streams of every kind of record, whole, byte by byte and at every split, against the model;
// hostile bytes; and each violation by name.
import assert from "node:assert/strict";
import { describe, expect, test } from "vitest";
import {
  RECV_NEXT,
  SCAN_CONSUMED,
  SCAN_COUNT,
  SCAN_FULL,
  SCAN_NEED,
  SCAN_UNSEEN,
} from "../../assembly/abi.js";
import { SCAN_BYTES_MAX, TABLE_ENTRIES } from "../../src/wasm/core.js";
import { RESULT } from "../../src/wasm/memory.js";
import { onBothBuilds, peek } from "./builds.js";
import { DeframeDriver, type FeedOptions } from "./deframe-driver.js";
import { type DeframeState, deframeModel, type Happening, type Invalid } from "./deframe-model.js";
import { goldenFrames, goldenTranscript } from "./golden.js";
import { Random, seeds } from "./random.js";
import { frameBytes, overlongVarint, u32Bytes, varintBytes } from "./reference.js";

const BASE: DeframeState = { extended: false, next: 0, maxItem: 1 << 20, acked: 0, written: 40 };
const EXTENDED: DeframeState = { ...BASE, extended: true };

/** A payload with its link length, or a record's header. */
function record(body: ArrayLike<number>, control = false): number[] {
  return [...u32Bytes((body.length | (control ? 0x8000_0000 : 0)) >>> 0), ...Array.from(body)];
}

function frame(seq: number, ack: number | null = null, item: ArrayLike<number> = [0xaa, 0xbb]): number[] {
  return record(frameBytes(seq, ack, Uint8Array.from(item)));
}

function concat(records: readonly ArrayLike<number>[]): Uint8Array {
  const stream = new Uint8Array(records.reduce((length, bytes) => length + bytes.length, 0));
  let at = 0;
  for (const bytes of records) {
    stream.set(bytes, at);
    at += bytes.length;
  }
  return stream;
}

/** A stream of valid records that a peer in this state may send, most of them the next in order. */
function randomStream(random: Random, state: DeframeState, records: number): Uint8Array {
  let next = state.next;
  let acked = state.acked;
  const stream: number[][] = [];
  const itemLength = () => {
    const kind = random.below(10);
    const length = kind === 0 ? random.below(300) : kind < 3 ? 0 : random.below(30);
    return Math.min(length, state.maxItem);
  };
  for (let i = 0; i < records; i++) {
    const item = random.bytes(itemLength());
    const kind = random.below(12);
    if (state.extended && kind < 2) {
      stream.push(record(item, true));
      continue;
    }
    let seq = next;
    if (kind === 2) seq = next - random.between(1, 5);
    if (kind === 3 && random.oneIn(3)) seq = next + random.between(1, 300);
    if (!state.extended && (seq < 0 || seq > 0xffff_fffe)) seq = next;
    let ack: number | null = null;
    if (!state.extended && state.written > 0 && random.oneIn(2)) {
      ack = random.oneIn(3) ? random.below(state.written) : Math.max(0, acked - 1);
      acked = Math.max(acked, ack + 1);
    }
    if (seq === next) next = state.extended ? (next + 1) >>> 0 : next + 1;
    if (random.oneIn(8)) {
      const size = random.between(varintBytes(seq >>> 0).length, 5);
      const option =
        ack === null ? [0] : [1, ...overlongVarint(ack, random.between(varintBytes(ack).length, 5))];
      stream.push(record([...overlongVarint(seq >>> 0, size), ...option, ...u32Bytes(item.length), ...item]));
    } else {
      stream.push(frame(seq >>> 0, ack, item));
    }
  }
  return concat(stream);
}

/** Cuts at random offsets. */
function randomChunks(random: Random, stream: Uint8Array, most: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const length = random.between(1, most);
    chunks.push(stream.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

function randomState(random: Random): DeframeState {
  const extended = random.oneIn(2);
  // Where the varint of a seq gets longer.
  const starts = [0, 2 ** 7 - 8, 2 ** 14 - 8, 2 ** 21 - 8, 2 ** 28 - 8, 2 ** 31 - 8];
  if (extended) starts.push(2 ** 32 - 8);
  return {
    extended,
    next: random.pick(starts),
    maxItem: random.pick([300, 300, 1_000, 1 << 28]),
    acked: random.below(20),
    written: random.between(20, 60),
  };
}

onBothBuilds((core) => {
  /** Feeds the chunks and compares everything with the model's view of the whole stream. */
  function check(
    state: DeframeState,
    chunks: readonly Uint8Array[],
    options: FeedOptions = {},
    expected = deframeModel(concat(chunks), state),
  ): Happening[] {
    const driver = new DeframeDriver(core, state);
    const outcome = driver.feed(chunks, options);
    driver.release();
    assert.deepEqual(outcome, expected);
    return outcome.happenings;
  }

  describe("streams", () => {
    test.each(seeds(3))(
      "whole, byte by byte and at every split give the same [link.stream] [recv.order], SEED=%i",
      (seed) => {
        const random = new Random(seed);
        for (let round = 0; round < 8; round++) {
          const state = randomState(random);
          const stream = randomStream(random, state, 14);
          check(state, [stream]);
          check(
            state,
            Array.from(stream, (_, i) => stream.subarray(i, i + 1)),
          );
          for (let split = 0; split <= stream.length; split++) {
            check(state, [stream.subarray(0, split), stream.subarray(split)]);
          }
          // A link may end at any byte [link.cut].
          for (let end = 0; end < stream.length; end += 7) check(state, [stream.subarray(0, end)]);
        }
      },
    );

    test.each(seeds(3))("random cuts, scratches, tables and origins give the same, SEED=%i", (seed) => {
      const random = new Random(seed);
      for (let round = 0; round < 150; round++) {
        const state = randomState(random);
        const stream = randomStream(random, state, 60);
        check(state, randomChunks(random, stream, random.pick([3, 40, 400, 4_000])), {
          scratch: random.pick([19, 20, 23, 64, 300, 65_536]),
          tableEntries: random.pick([1, 2, 3, 10, 64]),
          bias: random.pick([0, 5, 65_536, 2 ** 31]),
        });
      }
    });

    test.each(seeds(3))(
      "mutated streams are read as in the model, nothing outside is touched, SEED=%i",
      (seed) => {
        const random = new Random(seed);
        for (let round = 0; round < 600; round++) {
          const state = randomState(random);
          const stream = randomStream(random, state, random.between(1, 20));
          for (let mutations = random.between(1, 4); mutations > 0; mutations--) {
            const byte = random.oneIn(3) ? random.u32() : random.pick([0, 1, 2, 0x7f, 0x80, 0xff]);
            stream[random.below(stream.length)] = byte;
          }
          check(state, randomChunks(random, stream, random.pick([5, 100, 10_000])), {
            scratch: random.pick([19, 40, 65_536]),
            tableEntries: random.pick([1, 4, 64]),
          });
        }
      },
    );

    test.each(seeds(3))(
      "random bytes are read as in the model, nothing outside is touched, SEED=%i",
      (seed) => {
        const random = new Random(seed);
        for (let round = 0; round < 1_000; round++) {
          const state = { ...randomState(random), next: random.below(3) };
          const stream = random.bytes(random.between(1, 200));
          // Lengths that let the frame parser have its turn.
          for (let at = 0; at + 4 <= stream.length; ) {
            const length = random.below(24);
            stream.set(u32Bytes((length | (random.oneIn(6) ? 0x8000_0000 : 0)) >>> 0), at);
            if (random.oneIn(2) && at + 6 < stream.length)
              stream.set([random.below(4), random.below(3)], at + 4);
            at += 4 + length;
          }
          check(state, randomChunks(random, stream, random.pick([1, 30, 1_000])), { scratch: 19 });
        }
      },
    );
  });

  describe("golden", () => {
    test("the frames of the Rust crate are read, each as the next one [frame.layout]", () => {
      for (const { seq, ack, item, frame } of goldenFrames()) {
        // Acks beyond what the test's ring has written, and the last seq, have tests of their own.
        if (seq === 0xffff_ffff) continue;
        const state = { ...BASE, next: seq };
        const [happening] = check(state, [Uint8Array.from(record(frame))]);
        if (ack !== null && ack >= state.written) assert.equal(happening.what, "invalid");
        else
          assert.deepEqual(happening, {
            what: "item",
            at: 4 + frame.length - item.length,
            length: item.length,
          });
      }
    });

    test("a session with the Rust initiator is read in both directions, a duplicate once [recv.duplicate]", () => {
      for (const side of ["initiator", "acceptor"] as const) {
        const payloads = goldenTranscript()
          .filter(({ from }) => from === side)
          .map(({ payload }) => Buffer.from(payload!, "hex"))
          .filter((payload) => !/^VO[CS]H/.test(payload.toString("latin1")));
        const items = check(BASE, [concat(payloads.map((payload) => record(payload)))]);
        expect(items.every(({ what }) => what === "item")).toBe(true);
        // Each side sent one frame twice.
        expect(items).toHaveLength(side === "initiator" ? 6 : 4);
        expect(payloads).toHaveLength(items.length + 1);
      }
    });
  });

  describe("duplicates, gaps, acks", () => {
    test("a duplicate is dropped, its ack counts [recv.duplicate] [ack.only]", () => {
      const driver = new DeframeDriver(core, { ...BASE, next: 5 });
      const outcome = driver.feed([concat([frame(4, 7, []), frame(0, 3), frame(5, 7)])]);
      driver.release();
      expect(outcome).toMatchObject({ next: 6, acked: 8, frames: 3, bytes: 4 + 7 + 2 });
      expect(outcome.happenings).toHaveLength(1);
    });

    test("a frame beyond the next is reported with its seq and place, its ack counts [recv.gap]", () => {
      const driver = new DeframeDriver(core, BASE);
      const outcome = driver.feed([concat([frame(0), frame(2, 9, [1, 2, 3]), frame(1)])], { bias: 1_000 });
      driver.release();
      expect(outcome.happenings).toEqual([
        { what: "item", at: 10, length: 2 },
        { what: "gap", seq: 2, at: 12 + 4 + 7, length: 3 },
        { what: "item", at: 12 + 14 + 10, length: 2 },
      ]);
      expect(outcome.acked).toBe(10);
      expect(outcome.next).toBe(2);
    });

    test("the extended sequence goes on across 2^32 [seq.serial]", () => {
      const state = { ...EXTENDED, next: 2 ** 32 - 2 };
      const stream = concat([frame(2 ** 32 - 2), frame(2 ** 32 - 1), frame(0), frame(2 ** 32 - 1), frame(1)]);
      expect(check(state, [stream]).map(({ what }) => what)).toEqual(["item", "item", "item", "item"]);
      const half = { ...EXTENDED, next: 10 };
      expect(check(half, [concat([frame(9 + 2 ** 31)])])).toMatchObject([{ what: "gap" }]);
      expect(check(half, [concat([frame(11 + 2 ** 31)])])).toEqual([]);
    });

    test("a base session that receives seq 2^32 - 1 is at its end [seq.serial]", () => {
      const state = { ...BASE, next: 0xffff_fffe };
      expect(check(state, [concat([frame(0xffff_fffe), frame(0xffff_ffff)])])).toMatchObject([
        { what: "item" },
        { what: "invalid", why: "end" },
      ]);
      // Plain integers: 0 lies behind, not ahead.
      expect(check(state, [concat([frame(0)])])).toEqual([]);
    });
  });

  describe("violations", () => {
    const cases: [string, DeframeState, number[], Invalid][] = [
      ["a payload of maxItem + 16 [link.max]", { ...BASE, maxItem: 20 }, u32Bytes(36), "max"],
      [
        "an item of maxItem + 1 in a small frame [link.max]",
        { ...BASE, maxItem: 20 },
        frame(0, null, Array(21).fill(7)),
        "max",
      ],
      [
        "a duplicate's item of maxItem + 1 [link.max]",
        { ...BASE, next: 9, maxItem: 20 },
        frame(0, null, Array(21).fill(7)),
        "max",
      ],
      ["a length of 2^32 - 1 [link.max]", BASE, u32Bytes(0xffff_ffff), "max"],
      ["a control record in the base profile [link.max]", BASE, record([2, 0], true), "max"],
      [
        "a control record above the bound [link.max]",
        { ...EXTENDED, maxItem: 20 },
        u32Bytes(0x8000_0000 + 1025),
        "max",
      ],
      ["an empty payload [frame.exact]", BASE, record([]), "frame"],
      ["a payload of five bytes [frame.exact]", BASE, record([0, 0, 0, 0, 0]), "frame"],
      ["a tag of 2 [frame.exact]", BASE, record([0, 2, 0, 0, 0, 0]), "frame"],
      ["a tag of 2, extended [frame.exact]", EXTENDED, record([0, 2, 0, 0, 0, 0]), "frame"],
      ["a short item [frame.exact]", BASE, record([0, 0, 2, 0, 0, 0, 7]), "frame"],
      ["a long item [frame.exact]", BASE, record([0, 0, 0, 0, 0, 0, 7]), "frame"],
      [
        "a duplicate with a long item [frame.exact]",
        { ...BASE, next: 9 },
        record([0, 0, 0, 0, 0, 0, 7]),
        "frame",
      ],
      ["an ack without an item length [frame.exact]", BASE, record([0, 1, 5, 0, 0, 0]), "frame"],
      ["an ack that the payload cuts off [frame.exact]", BASE, record([0, 1, 128, 128, 128, 128]), "frame"],
      [
        "a seq of six bytes [frame.minimal]",
        BASE,
        record([128, 128, 128, 128, 128, 0, 0, 0, 0, 0, 0]),
        "varint",
      ],
      ["a seq of 33 bits [frame.minimal]", BASE, record([255, 255, 255, 255, 0x10, 0, 0, 0, 0, 0]), "varint"],
      [
        "an ack of 33 bits [frame.minimal]",
        BASE,
        record([0, 1, 255, 255, 255, 255, 0x10, 0, 0, 0, 0]),
        "varint",
      ],
      ["an ack beyond everything written [ack.invalid]", BASE, frame(0, 40), "ack"],
      [
        "a duplicate's ack beyond everything written [ack.invalid]",
        { ...BASE, next: 9 },
        frame(0, 40),
        "ack",
      ],
      ["an ack when nothing was written [ack.invalid]", { ...BASE, written: 0 }, frame(0, 0), "ack"],
      ["an ack in an extended data record [ext.data]", EXTENDED, frame(0, 1), "tag"],
    ];
    test.each(cases)("%s stops the scan in front of it [error.fatal]", (_, state, bytes, why) => {
      const before = frame(state.next);
      const expected = { what: "invalid", why, at: before.length };
      expect(check(state, [concat([before, bytes, frame(state.next + 1)])])).toEqual([
        { what: "item", at: before.length - 2, length: 2 },
        expected,
      ]);
    });

    test("an ack that the last payload cuts off is not read beyond its end [frame.exact]", () => {
      for (let length = 0; length < 4; length++) {
        const body = [...overlongVarint(0, 5), 1, ...Array(length).fill(0x80)];
        expect(check(BASE, [Uint8Array.from(record(body))])).toEqual([
          { what: "invalid", why: "frame", at: 0 },
        ]);
      }
    });

    test("a frame with a violation has no effect, its ack included", () => {
      const driver = new DeframeDriver(core, BASE);
      const outcome = driver.feed([Uint8Array.from(record([0, 1, 5, 1, 0, 0, 0]))]);
      driver.release();
      expect(outcome).toMatchObject({ next: 0, acked: 0, frames: 0, happenings: [{ why: "frame" }] });
    });

    test("too large a length is refused before the record is there [link.max]", () => {
      expect(check({ ...BASE, maxItem: 20 }, [Uint8Array.from(u32Bytes(36))])).toEqual([
        { what: "invalid", why: "max", at: 0 },
      ]);
      expect(check({ ...BASE, maxItem: 20 }, [Uint8Array.from(u32Bytes(35))])).toEqual([
        { what: "partial", at: 0, need: 39 },
      ]);
      // A control record may always have 1,024 bytes.
      expect(check({ ...EXTENDED, maxItem: 20 }, [concat([record(new Uint8Array(1_024), true)])])).toEqual([
        { what: "control", at: 4, length: 1_024 },
      ]);
    });

    test("an item of exactly maxItem is taken with the largest header [link.max]", () => {
      const item = new Uint8Array(20);
      const body = [...overlongVarint(0, 5), 1, ...overlongVarint(3, 5), ...u32Bytes(20), ...item];
      expect(body).toHaveLength(35);
      expect(check({ ...BASE, maxItem: 20 }, [Uint8Array.from(record(body))])).toEqual([
        { what: "item", at: 19, length: 20 },
      ]);
    });
  });

  describe("one scan", () => {
    const scan = (
      driver: DeframeDriver,
      stream: Uint8Array,
      visible: number,
      index: number,
      capacity: number,
    ) => {
      core.memory.u8.set(stream.subarray(0, visible), core.chunk);
      return core.deframe(
        driver.block,
        core.chunk,
        visible,
        stream.length,
        0,
        RESULT,
        core.table,
        index,
        capacity,
      );
    };

    test("a full table stops in front of the item that has no entry", () => {
      const driver = new DeframeDriver(core, BASE);
      const stream = concat([frame(0), frame(1), frame(0), frame(2)]);
      expect(scan(driver, stream, stream.length, 0, 2)).toBe(SCAN_FULL);
      expect(peek(core, RESULT + SCAN_COUNT)).toBe(2);
      // The duplicate behind needs no entry.
      expect(peek(core, RESULT + SCAN_CONSUMED)).toBe(36);
      expect(peek(core, RESULT + SCAN_NEED)).toBe(12);
      expect(peek(core, driver.block + RECV_NEXT)).toBe(2);
      driver.release();
    });

    test("a header that was not copied is asked for, an item need not be", () => {
      const driver = new DeframeDriver(core, BASE);
      const stream = concat([frame(0, null, new Uint8Array(100)), frame(1)]);
      expect(scan(driver, stream, 60, 0, 9)).toBe(SCAN_UNSEEN);
      expect(peek(core, RESULT + SCAN_CONSUMED)).toBe(110);
      expect(peek(core, RESULT + SCAN_COUNT)).toBe(1);
      expect(peek(core, RESULT + SCAN_NEED)).toBe(0);
      driver.release();
    });

    test("the largest headers are read wherever the visible part ends", () => {
      const body = (seq: number) => [
        ...overlongVarint(seq, 5),
        1,
        ...overlongVarint(3, 5),
        ...u32Bytes(2),
        7,
        7,
      ];
      const stream = concat([0, 1, 2, 3].map((seq) => record(body(seq))));
      for (let scratch = 19; scratch <= stream.length; scratch++) check(BASE, [stream], { scratch });
    });

    test("items larger than the scratch are listed without being copied", () => {
      const random = new Random(7);
      const lengths = [200_000, 3, SCAN_BYTES_MAX, SCAN_BYTES_MAX - 10, SCAN_BYTES_MAX - 9, 0, 70_000, 1];
      const stream = concat(lengths.map((length, seq) => frame(seq, null, random.bytes(length))));
      const items = check(BASE, [stream], { scratch: SCAN_BYTES_MAX });
      expect(items.map((item) => "length" in item && item.length)).toEqual(lengths);
      check(BASE, randomChunks(random, stream, 150_000), { scratch: SCAN_BYTES_MAX });
    });

    test("a chunk of the smallest frames fits the thread's table", () => {
      const driver = new DeframeDriver(core, BASE);
      const outcome = driver.feed([concat(Array.from({ length: 6_553 }, (_, seq) => frame(seq, null, [])))], {
        tableEntries: TABLE_ENTRIES - 32,
      });
      driver.release();
      expect(outcome.happenings).toHaveLength(6_553);
      expect(outcome.next).toBe(6_553);
    });
  });
});
