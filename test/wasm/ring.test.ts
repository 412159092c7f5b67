// The replay ring: random operations against the model, and the cases worth a name.
import assert from "node:assert/strict";
import { describe, expect, test } from "vitest";
import {
  ACK_INVALID,
  ACK_OLD,
  RING_ACKED_SEQ,
  RING_HEAD,
  RING_HEAD_SEQ,
  RING_LIMIT,
  RING_SENT,
  RING_SENT_SEQ,
  RING_TAIL,
  RING_WRITTEN_SEQ,
  SEND_MAX_ITEM,
} from "../../assembly/abi.js";
import { onBothBuilds, poke } from "./builds.js";
import { goldenFrames, goldenTranscript } from "./golden.js";
import { Random, seeds } from "./random.js";
import { parseFrame } from "./reference.js";
import { RingDriver, type RingOptions, randomStep } from "./ring-driver.js";

const ANY = 0xffff_ffff;
const STEPS = 4_000;
/** Seqs before the boundary that a run crosses. */
const NEAR = 100;

onBothBuilds((core) => {
  function withRing(options: RingOptions, use: (ring: RingDriver) => void): void {
    const used = core.memory.usedBytes;
    const ring = new RingDriver(core, options);
    use(ring);
    ring.release();
    assert.equal(core.memory.usedBytes, used, "every region was given back");
  }

  const profiles: [string, Omit<RingOptions, "capacity">][] = [
    ["base", { extended: false }],
    ["base, across seq 2^31", { extended: false, firstSeq: 2 ** 31 - NEAR }],
    ["extended", { extended: true }],
    ["extended, across seq 2^31", { extended: true, firstSeq: 2 ** 31 - NEAR }],
    ["extended, across seq 2^32", { extended: true, firstSeq: 2 ** 32 - NEAR }],
  ];

  describe.each(profiles)("%s", (_, options) => {
    test.each(seeds(5))(
      "random operations are as in the model [replay.forward] [replay.bytes] [replay.bound] [ack.trim], SEED=%i",
      (seed) => {
        const random = new Random(seed);
        const sendMaxItem = random.pick([200, 1_000, 1 << 20]);
        withRing({ ...options, sendMaxItem, capacity: random.between(30, 2_000) }, (ring) => {
          for (let step = 0; step < STEPS; step++) {
            randomStep(ring, random);
            ring.check();
          }
          assert.ok(ring.model.acked > NEAR, "the run crossed its boundary");
        });
      },
    );
  });

  test.each([false, true])(
    "an empty ring takes an item that fills it, wherever its positions were (extended %s)",
    (extended) => {
      const capacity = 200;
      withRing({ extended, capacity }, (ring) => {
        for (let round = 0; round < 100; round++) {
          assert.ok(ring.commit(new Uint8Array(round)));
          const largest = capacity - ring.model.header(0).length;
          ring.take(ANY, ANY);
          ring.finishWrite();
          ring.ack(ring.model.head - 1);
          assert.equal(ring.commit(new Uint8Array(largest + 1)), false);
          assert.ok(ring.commit(new Uint8Array(largest)));
          assert.equal(ring.commit(new Uint8Array(0)), false);
          ring.check();
          ring.take(ANY, ANY);
          ring.finishWrite();
          ring.ack(ring.model.head - 1);
          ring.check();
          assert.equal(ring.field(RING_HEAD), 0);
        }
      });
    },
  );

  test("a wrapped ring that is full to the last byte is neither empty nor overwritten [replay.bound]", () => {
    // Slots of 10 bytes (no ack, seq below 128): four fill the ring.
    withRing({ extended: true, capacity: 40 }, (ring) => {
      for (let i = 0; i < 4; i++) assert.ok(ring.commit(new Uint8Array(0)));
      ring.take(20, ANY);
      ring.finishWrite();
      ring.ack(1);
      for (let i = 0; i < 2; i++) assert.ok(ring.commit(new Uint8Array(0)));
      assert.equal(ring.commit(new Uint8Array(0)), false);
      assert.equal(ring.field(RING_HEAD), ring.field(RING_TAIL));
      assert.equal(ring.field(RING_LIMIT), 40);
      ring.check();
      assert.equal(ring.take(ANY, ANY)?.length, 20);
      assert.equal(ring.take(ANY, ANY)?.length, 20);
      assert.equal(ring.take(ANY, ANY), null);
      ring.check();
      // Everything is sent: what comes next is the next slot, not an old one.
      ring.move(64);
      ring.check();
      ring.commit(Uint8Array.of(1));
      assert.equal(ring.take(ANY, ANY)?.length, 11);
      ring.check();
      ring.ack(6);
      ring.check();
    });
  });

  test("a pending write keeps its bytes while everything else is acknowledged, wrapped and moved [replay.bytes]", () => {
    withRing({ extended: true, capacity: 40 }, (ring) => {
      const item = Uint8Array.of(1, 2, 3, 4, 5);
      ring.commit(item);
      ring.take(ANY, ANY);
      ring.commit(item);
      ring.take(ANY, ANY);
      ring.ack(1);
      ring.check();
      // 30 of 40 bytes are held by pending writes.
      assert.equal(ring.commit(item), false);
      ring.finishWrite();
      assert.equal(ring.commit(item), true);
      ring.check();
      ring.move(100);
      ring.commit(item);
      ring.take(ANY, ANY);
      ring.ack(3);
      ring.check();
      ring.finishWrite();
      ring.finishWrite();
      ring.check();
    });
  });

  test("a run is at most `max` bytes, but at least one slot [replay.forward]", () => {
    withRing({ extended: true, capacity: 400 }, (ring) => {
      for (let i = 0; i < 10; i++) ring.commit(new Uint8Array(10));
      expect(ring.take(0, ANY)).toHaveLength(20);
      expect(ring.take(19, ANY)).toHaveLength(20);
      expect(ring.take(20, ANY)).toHaveLength(20);
      expect(ring.take(39, ANY)).toHaveLength(20);
      expect(ring.take(40, ANY)).toHaveLength(40);
      expect(ring.take(ANY, ANY)).toHaveLength(80);
      expect(ring.take(ANY, ANY)).toBeNull();
    });
  });

  test("at most a window is unacknowledged, but always at least one record [ext.window]", () => {
    withRing({ extended: true, capacity: 400 }, (ring) => {
      for (let i = 0; i < 10; i++) ring.commit(new Uint8Array(10));
      expect(ring.take(ANY, 0)).toHaveLength(20);
      expect(ring.take(ANY, 0)).toBeNull();
      expect(ring.take(ANY, 39)).toBeNull();
      expect(ring.take(ANY, 40)).toHaveLength(20);
      expect(ring.take(ANY, 99)).toHaveLength(40);
      ring.ack(0);
      expect(ring.take(ANY, 99)).toHaveLength(20);
      ring.check();
    });
  });

  test("only an ack beyond everything ever written is invalid [ack.invalid]", () => {
    for (const extended of [false, true]) {
      withRing({ extended, capacity: 400 }, (ring) => {
        expect(ring.ack(0)).toBe("invalid");
        for (let i = 0; i < 4; i++) ring.commit(new Uint8Array(10));
        expect(ring.ack(0)).toBe("invalid");
        ring.take(60, ANY);
        ring.dropLink();
        expect(ring.ack(3)).toBe("invalid");
        // Written by the link before, not yet by this one.
        expect(ring.ack(2)).toBe("new");
        expect(ring.ack(1)).toBe("old");
        ring.check();
      });
    }
  });

  test("an ack half the sequence away is invalid in the extended profile [seq.serial]", () => {
    withRing({ extended: true, firstSeq: 100, capacity: 400 }, (ring) => {
      ring.commit(new Uint8Array(1));
      ring.take(ANY, ANY);
      expect(core.exports.ringAck(ring.block, 101)).toBe(ACK_INVALID);
      expect(core.exports.ringAck(ring.block, 100 + 2 ** 31)).toBe(ACK_INVALID);
      ring.check();
    });
  });

  test("a base session commits no item when its sequence is used up [seq.serial]", () => {
    withRing({ extended: false, firstSeq: 2 ** 32 - 3, capacity: 400 }, (ring) => {
      expect(ring.commit(Uint8Array.of(1))).toBe(true);
      expect(ring.commit(Uint8Array.of(2))).toBe(true);
      expect(ring.field(RING_HEAD_SEQ)).toBe(0xffff_ffff);
      expect(core.exports.frameEnter(ring.block, core.chunk, 1)).toBe(0);
      expect(core.exports.ringReserve(ring.block, 0)).toBe(0);
      poke(core, core.table, 0);
      expect(core.exports.batchCommit(ring.block, core.chunk, core.table, 1)).toBe(0);
      ring.take(ANY, ANY);
      expect(core.exports.ringAck(ring.block, 0xffff_ffff)).toBe(ACK_INVALID);
      expect(ring.ack(1)).toBe("new");
      ring.check();
    });
  });

  test("an item above SEND_MAX_ITEM is refused however much room there is [link.max]", () => {
    withRing({ extended: false, capacity: 4_000, sendMaxItem: 100 }, (ring) => {
      expect(ring.commit(new Uint8Array(101))).toBe(false);
      expect(ring.batch([new Uint8Array(100), new Uint8Array(101), new Uint8Array(1)])).toBe(1);
      expect(core.exports.frameEnter(ring.block, core.chunk, 0xffff_ffff)).toBe(0);
      expect(core.exports.frameEnter(ring.block, core.chunk, 0xffff_fff0)).toBe(0);
      poke(core, ring.block + SEND_MAX_ITEM, 101);
      expect(core.exports.frameEnter(ring.block, core.chunk, 101)).not.toBe(0);
    });
  });

  test("a ring without a region refuses, and takes up where it was when it has one again", () => {
    withRing({ extended: false, capacity: 100 }, (ring) => {
      ring.commit(Uint8Array.of(1));
      ring.take(ANY, ANY);
      ring.ack(0);
      ring.move(null);
      expect(ring.commit(Uint8Array.of(2))).toBe(false);
      expect(ring.take(ANY, ANY)).toBeNull();
      expect(ring.ack(0)).toBe("old");
      ring.dropLink();
      ring.check();
      ring.move(100);
      expect(ring.commit(Uint8Array.of(2))).toBe(true);
      ring.check();
      ring.take(ANY, ANY);
      expect(ring.ack(1)).toBe("new");
    });
  });

  test("a ring that is given up with unacknowledged items reads and writes no memory any more", () => {
    for (const extended of [false, true]) {
      const ring = new RingDriver(core, { extended, capacity: 100 });
      for (let i = 0; i < 4; i++) ring.commit(new Uint8Array(5));
      ring.take(30, ANY);
      core.exports.ringMove(ring.block, 0, 0);
      // Slots that lead out of the memory, for whoever takes address 0 for a region.
      const low = core.memory.copyOut(0, 64);
      core.memory.u8.fill(0x7f, 0, 64);
      expect(core.exports.ringTake(ring.block, ANY, ANY)).toBe(0);
      expect(core.exports.ringAck(ring.block, 0)).toBe(ACK_OLD);
      expect(core.exports.ringAck(ring.block, 1)).toBe(ACK_OLD);
      core.exports.ringRewind(ring.block);
      expect(core.exports.ringTake(ring.block, ANY, ANY)).toBe(0);
      expect(core.exports.ringAck(ring.block, 1)).toBe(ACK_OLD);
      expect(core.exports.frameEnter(ring.block, core.chunk, 1)).toBe(0);
      expect(core.exports.ringAck(ring.block, 9)).toBe(ACK_INVALID);
      // What was given up can still be told, and what of it was written.
      const positions = [RING_ACKED_SEQ, RING_SENT_SEQ, RING_WRITTEN_SEQ, RING_HEAD_SEQ];
      expect(positions.map((position) => ring.field(position))).toEqual([0, 0, 2, 4]);
      core.memory.u8.set(low, 0);
      ring.release();
    }
  });

  test("the ring writes the frames of the Rust crate byte for byte, ack included [frame.layout] [ack.piggyback]", () => {
    for (const { seq, ack, item, frame } of goldenFrames()) {
      // Nobody commits the last seq, and there is no way to say "handed 2^32".
      if (seq === 0xffff_ffff || ack === 0xffff_ffff) continue;
      withRing({ extended: false, firstSeq: seq, capacity: frame.length + 4 }, (ring) => {
        ring.setHanded(ack === null ? 0 : ack + 1);
        assert.ok(ring.commit(item));
        const run = Buffer.from(ring.take(ANY, ANY)!);
        assert.equal(run.readUInt32LE(), frame.length);
        assert.equal(run.subarray(4).toString("hex"), frame.toString("hex"));
      });
    }
  });

  test("a whole session of the Rust initiator comes out of the ring byte for byte [replay.bytes] [replay.forward]", () => {
    withRing({ extended: false, capacity: 128 }, (ring) => {
      let frames = 0;
      for (const { from, payload } of goldenTranscript()) {
        if (!from || !payload) continue;
        const bytes = Buffer.from(payload, "hex");
        if (bytes.subarray(0, 4).toString() === "VOSH") {
          ring.dropLink();
          if (bytes[4] & 2) ring.ack(bytes.readUInt32LE(21));
        } else if (bytes.subarray(0, 4).toString() !== "VOCH") {
          const frame = parseFrame(bytes, 0, bytes.length);
          if (typeof frame === "string") throw new Error(`the transcript has a bad ${frame}`);
          if (from === "acceptor") {
            if (frame.ack !== null) ring.ack(frame.ack);
            if (frame.seq === ring.model.handed) ring.setHanded(frame.seq + 1);
          } else {
            if (frame.seq === ring.model.head) ring.commit(bytes.subarray(frame.item));
            assert.equal(Buffer.from(ring.take(ANY, ANY)!).subarray(4).toString("hex"), payload);
            frames++;
          }
        }
        ring.check();
      }
      expect(frames).toBe(7);
      expect(ring.model.unsent + ring.model.inFlight).toBe(0);
    });
  });

  test("two rings do not touch each other", () => {
    const one = new RingDriver(core, { extended: false, capacity: 300 });
    const other = new RingDriver(core, { extended: true, capacity: 300 });
    const random = new Random(1);
    for (let step = 0; step < 1_000; step++) {
      randomStep(random.oneIn(2) ? one : other, random);
      one.check();
      other.check();
    }
    one.release();
    other.release();
  });

  test("positions that have no slot yet follow the head to the start when it wraps", () => {
    withRing({ extended: true, capacity: 50 }, (ring) => {
      ring.commit(new Uint8Array(10));
      ring.commit(new Uint8Array(10));
      ring.take(20, ANY);
      ring.finishWrite();
      ring.take(20, ANY);
      ring.ack(0);
      // Everything is sent; the next slot does not fit behind 40.
      ring.commit(new Uint8Array(6));
      expect(ring.field(RING_SENT)).toBe(0);
      // The first slot is acknowledged while the pending write still pins it: `acked` follows as well.
      ring.ack(1);
      ring.check();
      expect(ring.field(RING_ACKED_SEQ)).toBe(ring.field(RING_SENT_SEQ));
      expect(ring.field(RING_WRITTEN_SEQ)).toBe(2);
      expect(ring.take(ANY, ANY)).toHaveLength(16);
      ring.finishWrite();
      ring.finishWrite();
      ring.check();
    });
  });
});
