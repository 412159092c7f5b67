import { describe, expect, it } from "vitest";
import {
  RECV_HANDED,
  RECV_NEXT,
  RING_ACKED_SEQ,
  RING_HEAD_SEQ,
  RING_SENT_SEQ,
  RING_WRITTEN_SEQ,
} from "../../assembly/abi.js";
import {
  baseAcceptor,
  baseInitiator,
  core,
  frame,
  framed,
  framesOf,
  hello,
  key,
  u32,
  Wired,
} from "./wire.js";

const text = (payloads: Uint8Array[]) => payloads.map((payload) => Buffer.from(payload).toString("hex"));

describe("frames", () => {
  it("number each direction from 0, one each [seq.start] [frame.layout]", () => {
    const wired = baseInitiator().send("a", "", "ccc");
    expect(wired.out()).toEqual(
      Uint8Array.from([...framed(frame(0, "a")), ...framed(frame(1, "")), ...framed(frame(2, "ccc"))]),
    );
  });

  it("have their seq before the first byte is written, offline too [replay.commit]", () => {
    const wired = new Wired("initiator", "base").send("early", "bird");
    expect(wired.machine.ring.headSeq).toBe(2);
    wired.up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(1) })));
    wired.send("late");
    expect(text(framesOf(wired.out()))).toEqual(
      text([frame(0, "early"), frame(1, "bird"), frame(2, "late")]),
    );
  });

  it("are bare payloads, one each, on a message link [link.message]", () => {
    const wired = new Wired("initiator", "base");
    wired.up("message");
    wired.bytes(hello("VOSH", { resumeKey: key(1) })).send("a", "b");
    expect(wired.machine.pollTransmit(wired.now)!.slice()).toEqual(frame(0, "a"));
    expect(wired.machine.pollTransmit(wired.now)!.slice()).toEqual(frame(1, "b"));
    expect(wired.machine.pollTransmit(wired.now)).toBeNull();
    expect(wired.bytes(frame(0, "x")).items).toEqual(["x"]);
  });

  it("may follow the hello in one chunk [link.stream]", () => {
    const wired = new Wired("initiator", "base");
    wired.up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(1) })), framed(frame(0, "x")), framed(frame(1, "y")));
    expect(wired.items).toEqual(["x", "y"]);
  });

  it.each([
    ["a tag of 2", [0, 2, 0, 0, 0, 0], "frame.exact"],
    ["too few bytes", [0, 0, 2, 0, 0, 0, 1], "frame.exact"],
    ["too many bytes", [0, 0, 0, 0, 0, 0, 1], "frame.exact"],
    ["a varint of 33 bits", [0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 0, 0, 0], "frame.minimal"],
  ])(
    "with %s are fatal, once, and blame the peer [frame.exact] [error.fatal] [error.blame]",
    (_, bytes, rule) => {
      const wired = baseInitiator().bytes(framed(Uint8Array.from(bytes)));
      expect(wired.ended).toMatchObject({ code: "CONDUIT_PROTOCOL", blame: "peer", rule, fatal: true });
      expect(wired.ended!.message).toContain(`[${rule}]`);
      wired.down();
      expect(wired.events.filter(({ type }) => type === "finished")).toHaveLength(1);
    },
  );

  it("with an overlong varint of at most 5 bytes are read [frame.minimal]", () => {
    const wired = baseInitiator().bytes(framed(Uint8Array.from([0x80, 0x80, 0x00, 0, 1, 0, 0, 0, 65])));
    expect(wired.items).toEqual(["A"]);
  });

  it("above maxFrameBytes are fatal as soon as their length is there [link.max]", () => {
    expect(baseInitiator({ maxFrameBytes: 100 }).bytes(u32(100 + 15)).ended).toBeUndefined();
    const wired = baseInitiator({ maxFrameBytes: 100 }).bytes(u32(100 + 16));
    expect(wired.ended).toMatchObject({ code: "CONDUIT_PROTOCOL", rule: "link.max" });
  });

  it("before the cut arrive, the partial one does not, and the next link begins afresh [link.cut] [link.one]", () => {
    const wired = baseInitiator().bytes(framed(frame(0, "a")), framed(frame(1, "cut off")).slice(0, 9));
    expect(wired.items).toEqual(["a"]);
    wired.hand().down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2) })), framed(frame(1, "b")));
    expect(wired.items).toEqual(["a", "b"]);
  });
});

describe("a sequence of the base profile", () => {
  it("ends before its last seq instead of starting again [seq.serial]", () => {
    const wired = baseInitiator();
    const { block } = wired.machine.ring;
    for (const field of [RING_ACKED_SEQ, RING_SENT_SEQ, RING_WRITTEN_SEQ, RING_HEAD_SEQ]) {
      core.memory.u32[(block + field) >>> 2] = 2 ** 32 - 2;
    }
    wired.send("last");
    expect(wired.machine.ring.exhausted).toBe(true);
    expect(() => wired.send("one more")).toThrow(
      expect.objectContaining({ code: "CONDUIT_SESSION_LOST", reason: "sequence-exhausted", blame: "local" }),
    );
  });

  it("ends the session when the peer uses its last seq [seq.serial]", () => {
    const wired = baseInitiator();
    const { block } = wired.machine.ring;
    for (const field of [RECV_NEXT, RECV_HANDED]) core.memory.u32[(block + field) >>> 2] = 2 ** 32 - 1;
    wired.bytes(framed(frame(2 ** 32 - 1, "x")));
    expect(wired.ended).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "sequence-exhausted" });
  });
});

describe("duplicates and gaps", () => {
  it("hand a seq over once, and take the ack of its duplicate [recv.duplicate] [recv.order]", () => {
    const wired = baseInitiator().send("a");
    wired.out();
    wired.bytes(framed(frame(0, "x")), framed(frame(0, "another", 0)), framed(frame(1, "y")));
    expect(wired.items).toEqual(["x", "y"]);
    expect(wired.has("acked")).toBe(true);
    expect(wired.machine.ring.length).toBe(0);
  });

  it("hold frames beyond a gap and release them in order [recv.gap] [recv.order]", () => {
    const wired = baseInitiator().bytes(framed(frame(2, "c")), framed(frame(1, "b")), framed(frame(4, "e")));
    expect(wired.items).toEqual([]);
    expect(wired.machine.heldFrames).toBe(3);
    wired.bytes(framed(frame(0, "a")));
    expect(wired.items).toEqual(["a", "b", "c"]);
    wired.bytes(framed(frame(3, "d")), framed(frame(5, "f")));
    expect(wired.items).toEqual(["a", "b", "c", "d", "e", "f"]);
    expect(wired.machine.unhandedBytes).toBe(6 * framed(frame(0, "a")).length);
  });

  it("close within one chunk [recv.gap]", () => {
    const chunk = [1, 0, 3, 2, 4].map((seq) => framed(frame(seq, String(seq))));
    expect(baseInitiator().bytes(...chunk).items).toEqual(["0", "1", "2", "3", "4"]);
  });

  it("do not acknowledge what is held [recv.gap] [ack.cumulative]", () => {
    const wired = baseInitiator().send("mine");
    wired.out();
    wired
      .bytes(framed(frame(1, "b")))
      .hand()
      .wait(100);
    expect(wired.out()).toHaveLength(0);
    wired.down();
    expect(wired.up()).toEqual(framed(hello("VOCH", { resumeKey: key(0x11) })));
  });

  it("cost the link when the missing frame does not come in gapTimeoutMs [recv.gap]", () => {
    const wired = baseInitiator({ gapTimeoutMs: 40 }).bytes(framed(frame(1, "b")));
    expect(wired.wait(39).dropped).toBeUndefined();
    expect(wired.wait(1).dropped).toMatchObject({ code: "CONDUIT_LINK", fatal: false });
    expect(wired.ended).toBeUndefined();
  });

  it("cost the link at once when a quarter of the window is held [recv.gap]", () => {
    const wired = baseInitiator({ receiveWindow: 4_096, replayBytes: 8_192 });
    wired.bytes(framed(frame(1, "x".repeat(500))), framed(frame(2, "x".repeat(500))));
    expect(wired.dropped).toBeUndefined();
    wired.bytes(framed(frame(3, "x")));
    expect(wired.dropped?.message).toContain("items 0 to 0");
    expect(wired.machine.handleLinkDown(wired.now)).toBeUndefined();
    expect(wired.machine.unhandedBytes).toBe(0);
  });

  it("cost the link at once when 1,024 frames are held [recv.gap]", () => {
    const wired = baseInitiator();
    wired.bytes(...Array.from({ length: 1_024 }, (_, i) => framed(frame(1 + i, ""))));
    expect(wired.dropped).toBeUndefined();
    expect(wired.bytes(framed(frame(1_025, ""))).dropped).toBeDefined();
  });

  it("tell of an ack that came in the chunk that costs the link [recv.gap] [ack.trim]", () => {
    const wired = baseInitiator({ receiveWindow: 4_096, replayBytes: 8_192 }).send("mine");
    wired.out();
    wired.bytes(
      framed(frame(1, "x".repeat(1_000), 0)),
      framed(frame(2, "x")),
      framed(frame(3, "x".repeat(100))),
    );
    expect(wired.dropped).toBeDefined();
    expect(wired.has("acked")).toBe(true);
  });

  it("end the session when three links in a row end at the same one [recv.gap]", () => {
    const wired = baseInitiator({ gapTimeoutMs: 40 });
    for (let links = 1; links <= 3; links++) {
      wired.bytes(framed(frame(3, "d")));
      expect(wired.ended).toBeUndefined();
      // Each link has twice the time of the one before: the missing item may come last.
      wired.events.length = 0;
      wired.wait(40 * 2 ** (links - 1) - 1);
      expect(wired.dropped).toBeUndefined();
      wired.wait(1);
      if (links === 3) break;
      expect(wired.dropped).toBeDefined();
      wired.down().up();
      wired.bytes(framed(hello("VOSH", { resumeKey: key(1) })));
    }
    expect(wired.ended).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "gap" });
    expect(wired.ended!.message).toContain("items 0 to 2");
  });

  it("cost a link once, however long it takes to end [recv.gap]", () => {
    const wired = baseInitiator({ gapTimeoutMs: 40, probeMs: 50 }).bytes(framed(frame(1, "b")));
    wired.wait(5_000);
    expect(wired.machine.gapResumes).toBe(1);
    expect(wired.events.filter(({ type }) => type === "drop")).toHaveLength(1);
  });

  it("leave the window as it is on a link that is ended and cannot be paused [ext.window] [recv.gap]", () => {
    const wired = baseInitiator({ gapTimeoutMs: 40, receiveWindow: 65_536, maxFrameBytes: 16_384 });
    wired.bytes(framed(frame(0, "a")), framed(frame(2, "c"))).wait(41);
    expect(wired.dropped).toBeDefined();
    const large = "x".repeat(16_000);
    for (let seq = 1; seq < 100; seq++) wired.bytes(framed(frame(seq, large)));
    expect(wired.machine.unhandedBytes).toBeLessThan(65_536 + 2 * 16_384);
  });

  it("do not end the session while there is progress between them [recv.gap]", () => {
    const wired = baseInitiator({ gapTimeoutMs: 40 });
    for (let seq = 0; seq < 5; seq++) {
      wired.bytes(framed(frame(seq, "x")), framed(frame(seq + 2, "y"))).wait(40);
      wired.down().up();
      wired.bytes(framed(hello("VOSH", { resumeKey: key(1) })));
    }
    expect(wired.ended).toBeUndefined();
  });
});

describe("acks of the base profile", () => {
  it("ride on each frame as it is committed, and stay as they were [ack.piggyback] [replay.bytes]", () => {
    const wired = baseInitiator()
      .bytes(framed(frame(0, "x")))
      .hand()
      .send("a");
    wired
      .bytes(framed(frame(1, "y")))
      .hand()
      .send("b");
    const written = text(framesOf(wired.out()));
    expect(written).toEqual(text([frame(0, "a", 0), frame(1, "b", 1)]));
    wired
      .bytes(framed(frame(2, "z")))
      .hand()
      .down()
      .up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2) })));
    expect(text(framesOf(wired.out()))).toEqual(written);
  });

  it("say what was handed over, not what was received [ack.cumulative]", () => {
    const wired = baseInitiator()
      .bytes(framed(frame(0, "x")))
      .hand()
      .bytes(framed(frame(1, "y")))
      .send("a");
    expect(text(framesOf(wired.out()))).toEqual(text([frame(0, "a", 0)]));
  });

  it("are owed after ackDelayMs [ack.delay]", () => {
    const wired = baseInitiator({ ackDelayMs: 30, ackBytes: 1_000 }).send("a");
    wired.out();
    wired
      .bytes(framed(frame(0, "x")))
      .hand()
      .wait(29);
    expect(wired.out()).toHaveLength(0);
    wired.wait(1);
    expect(text(framesOf(wired.out()))).toEqual(text([frame(0, "", 0)]));
  });

  it("are owed at once after ackBytes [ack.delay]", () => {
    const wired = baseInitiator({ ackDelayMs: 30, ackBytes: 20 }).send("a");
    wired.out();
    wired.bytes(framed(frame(0, "0123456789"))).hand();
    expect(text(framesOf(wired.out()))).toEqual(text([frame(0, "", 0)]));
  });

  it("go as a duplicate of the newest acknowledged seq, with an empty item [ack.only]", () => {
    const wired = baseInitiator().send("a", "b", "c");
    wired.out();
    wired
      .bytes(framed(frame(0, "x", 1)))
      .hand()
      .wait(10);
    expect(text(framesOf(wired.out()))).toEqual(text([frame(1, "", 0)]));
    expect(wired.wait(500).out()).toHaveLength(0);
  });

  it("are owed in silence by a side that has sent nothing yet, until it has [ack.only]", () => {
    const wired = baseInitiator()
      .bytes(framed(frame(0, "x")))
      .hand()
      .wait(500);
    expect(wired.out()).toHaveLength(0);
    wired.send("a");
    expect(text(framesOf(wired.out()))).toEqual(text([frame(0, "a", 0)]));
  });

  it("follow the first frame of a link that replays, when they were due before it [ack.only]", () => {
    const wired = baseInitiator().send("a");
    wired.out();
    wired.down();
    wired.up();
    wired
      .bytes(framed(hello("VOSH", { resumeKey: key(2) })), framed(frame(0, "x")))
      .hand()
      .wait(500);
    expect(text(framesOf(wired.out()))).toEqual(text([frame(0, "a"), frame(0, "", 0)]));
  });

  it("beyond everything ever written are a violation [ack.invalid]", () => {
    const wired = baseInitiator().send("a", "b");
    wired.out();
    wired.send("c"); // committed, not written
    expect(wired.bytes(framed(frame(0, "x", 2))).ended).toMatchObject({ rule: "ack.invalid", blame: "peer" });
  });

  it("older than the newest are ignored [ack.invalid]", () => {
    const wired = baseInitiator().send("a", "b");
    wired.out();
    wired.bytes(framed(frame(0, "x", 1)), framed(frame(1, "y", 0)));
    expect(wired.ended).toBeUndefined();
    expect(wired.machine.ring.ackedSeq).toBe(2);
  });
});

describe("a probe", () => {
  const HALF = "x".repeat(1_000);

  it("resumes for the ack when the ring is half full and none comes [base.probe]", () => {
    const wired = baseInitiator({ replayBytes: 4_096, probeMs: 100 }).send(HALF, HALF);
    wired.out();
    expect(wired.wait(1_000).dropped).toBeUndefined();
    wired.send(HALF);
    wired.out();
    wired.wait(99);
    expect(wired.dropped).toBeUndefined();
    wired.wait(2);
    expect(wired.events.at(-1)).toMatchObject({ type: "drop", graceful: true });
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2), lastReceived: 2 })));
    expect(wired.machine.ring.length).toBe(0);
  });

  it("resumes when somebody waits for delivery [base.probe]", () => {
    const wired = baseInitiator({ probeMs: 100 }).send("a");
    wired.out();
    expect(wired.wait(1_000).dropped).toBeUndefined();
    wired.machine.wantAck(1);
    expect(wired.wait(101).dropped).toBeDefined();
  });

  it("waits while the peer could have something to replay [base.probe]", () => {
    const wired = baseInitiator({ probeMs: 100 }).send("a");
    wired.machine.wantAck(1);
    wired.out();
    wired.bytes(framed(frame(0, "x"))).wait(1_000);
    expect(wired.dropped).toBeUndefined();
    wired.hand().wait(10);
    wired.out();
    expect(wired.wait(101).dropped).toBeDefined();
  });

  it("that brings nothing doubles the wait for the next one, asking again or not [base.probe] [base.again]", () => {
    const wired = baseInitiator({ probeMs: 100 }).send("a");
    wired.machine.wantAck(1);
    const waits: number[] = [];
    for (let links = 0; links < 8; links++) {
      wired.out();
      wired.events.length = 0;
      const from = wired.now;
      while (!wired.dropped) wired.wait(1);
      waits.push(wired.now - from);
      wired.down().up();
      wired.bytes(framed(hello("VOSH", { resumeKey: key(2) })));
    }
    expect(waits).toEqual([100, 100, 200, 200, 400, 400, 800, 800]);
  });
});

describe("a resumed link", () => {
  const resume = (wired: Wired): Wired => {
    wired.events.length = 0;
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2) })));
    return wired;
  };
  const resumed = () => resume(baseInitiator({ probeMs: 100 }).bytes(framed(frame(0, "x"))));

  const silence = (wired: Wired): number => {
    const from = wired.now;
    while (!wired.dropped) wired.wait(1);
    return wired.now - from;
  };

  it("is replaced when the peer falls silent on it for probeMs, after twice the time each time, up to 64 times [base.again]", () => {
    const wired = resumed();
    const waits: number[] = [];
    for (let links = 0; links < 9; links++) {
      waits.push(silence(wired));
      expect(wired.events.at(-1)).toMatchObject({ type: "drop", graceful: true });
      resume(wired);
    }
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 6_400, 6_400]);
  });

  it("that dies by itself changes nothing of that, or two sides that ask would never stop; a new item does [base.again]", () => {
    const wired = resumed();
    silence(wired);
    resume(resume(wired));
    expect(silence(wired)).toBe(200);
    resume(wired).bytes(framed(frame(0, "x"))); // a duplicate
    expect(silence(wired)).toBe(400);
    resume(wired).bytes(framed(frame(1, "y")));
    expect(silence(wired)).toBe(100);
  });

  it("is replaced although this side goes on writing [base.again]", () => {
    const wired = resumed();
    for (let i = 0; i < 3; i++) {
      wired.wait(30).send("beat");
      wired.out();
    }
    expect(wired.dropped).toBeUndefined();
    expect(wired.wait(11).dropped).toBeDefined();
  });

  it("is left alone when the peer offered more than the base profile [base.again]", () => {
    const machine = new Wired("acceptor", "base", { probeMs: 100 });
    machine.attach({ extended: true }).down();
    machine.attach({ extended: true, resumeKey: key(0x70) });
    expect(machine.wait(100_000).dropped).toBeUndefined();
    const other = new Wired("acceptor", "base", { probeMs: 100 });
    other.attach({ extended: false }).down();
    other.attach({ extended: false, resumeKey: key(0x70) });
    expect(other.wait(101).dropped).toBeDefined();
  });

  it("is left alone as long as something is being written to it [base.again]", () => {
    const wired = resumed().send("a");
    expect(wired.machine.pollTransmit(wired.now)).not.toBeNull();
    expect(wired.wait(1_000).dropped).toBeUndefined();
    wired.machine.handleWritten(wired.now);
    expect(wired.wait(1).dropped).toBeDefined();
  });

  it("is left alone when it is the session's first [base.again]", () => {
    expect(baseInitiator({ probeMs: 100 }).wait(100_000).dropped).toBeUndefined();
  });
});

describe("links of the base profile", () => {
  it("are given up after idleTimeoutMs of silence, if one is set [base.idle]", () => {
    const wired = baseInitiator({ idleTimeoutMs: 200 }).wait(199);
    expect(wired.dropped).toBeUndefined();
    wired.bytes(framed(frame(0, "x"))).wait(199);
    expect(wired.dropped).toBeUndefined();
    expect(wired.wait(1).dropped?.message).toContain("idleTimeoutMs");
    expect(baseInitiator().wait(10_000_000).dropped).toBeUndefined();
  });

  it("are paused above the window, not given up [ext.window]", () => {
    const wired = baseInitiator({ receiveWindow: 4_096, replayBytes: 8_192, idleTimeoutMs: 200 });
    wired.bytes(framed(frame(0, "x".repeat(4_000))));
    expect(wired.machine.wantsPause).toBe(false);
    wired.bytes(framed(frame(1, "x".repeat(400))));
    expect(wired.machine.wantsPause).toBe(true);
    expect(wired.wait(1_000).dropped).toBeUndefined();
    expect(wired.hand().machine.wantsPause).toBe(false);
  });
});

describe("closing in the base profile", () => {
  it("waits for the acks, and gives the peer its last one [close.unread]", () => {
    const wired = baseAcceptor({ ackDelayMs: 1_000 }).send("a");
    wired.out();
    wired.bytes(framed(frame(0, "x"))).hand();
    wired.machine.end();
    wired.machine.finishWhenAcked(wired.now);
    expect(wired.poll().ended).toBeUndefined();
    wired.bytes(framed(frame(1, "y", 0)));
    expect(wired.ended).toBeNull();
    expect(text(framesOf(wired.out()))).toEqual(text([frame(0, "", 0)]));
  });

  it("probes for the ack that it waits for [base.probe] [close.unread]", () => {
    const wired = baseInitiator({ probeMs: 100 }).send("a");
    wired.out();
    wired.machine.end();
    wired.machine.finishWhenAcked(wired.now);
    expect(wired.wait(101).dropped).toBeDefined();
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2), lastReceived: 0 })));
    expect(wired.ended).toBeNull();
  });
});

describe("a restarted acceptor of the base profile", () => {
  it("is found out when it has forgotten an ack [resume.lost] [base.blind]", () => {
    const wired = baseInitiator().send("a", "b");
    wired.out();
    wired.bytes(framed(frame(0, "x", 1)));
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(9) })));
    expect(wired.ended).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "peer-restarted" });
  });

  it("is not found out when it had acknowledged nothing [base.blind]", () => {
    const wired = baseInitiator().send("a");
    wired.out();
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(9) })));
    expect(wired.ended).toBeUndefined();
    expect(text(framesOf(wired.out()))).toEqual(text([frame(0, "a")]));
  });
});
