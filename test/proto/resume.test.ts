import { describe, expect, it } from "vitest";
import {
  RECV_HANDED,
  RECV_NEXT,
  RING_ACKED_SEQ,
  RING_HEAD_SEQ,
  RING_SENT_SEQ,
  RING_WRITTEN_SEQ,
} from "../../assembly/abi.js";
import { ConduitError } from "../../src/errors.js";
import type { ClientHello } from "../../src/link/source.js";
import { backoffMs } from "../../src/proto/backoff.js";
import { Registry } from "../../src/proto/registry.js";
import {
  ACK,
  baseAcceptor,
  baseInitiator,
  control,
  core,
  extendedAcceptor,
  extendedInitiator,
  frame,
  framed,
  framesOf,
  hello,
  key,
  settings,
  varint,
  Wired,
} from "./wire.js";

const text = (payloads: Uint8Array[]) => payloads.map((payload) => Buffer.from(payload).toString("hex"));

function said(
  resumeKey: Uint8Array | null,
  lastReceived: number | null = null,
  extended = false,
): ClientHello {
  return { resumeKey: resumeKey as ClientHello["resumeKey"], lastReceived, extended };
}

describe("a resume", () => {
  it("is answered with a key and what was handed over [hello.server] [resume.key]", () => {
    const wired = baseAcceptor()
      .bytes(framed(frame(0, "x")), framed(frame(1, "y")))
      .hand();
    wired.down();
    const first = wired.machine.keys.valid.at(-1)!;
    wired.attach({ resumeKey: first, lastReceived: null });
    const answer = wired.out();
    expect(answer.slice(0, 29)).toEqual(
      framed(hello("VOSH", { resumeKey: answer.slice(9, 25), lastReceived: 1 })),
    );
  });

  it("acknowledges, and the rest is written again in order, new items behind it [ack.trim] [replay.forward]", () => {
    const wired = baseInitiator().send("a", "b", "c");
    wired.out();
    wired.down();
    wired.send("d").up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2), lastReceived: 0 })));
    expect(wired.events.findLast(({ type }) => type === "open")).toMatchObject({
      resumed: true,
      replayed: 2,
    });
    wired.send("e");
    expect(text(framesOf(wired.out()))).toEqual(
      text([frame(1, "b"), frame(2, "c"), frame(3, "d"), frame(4, "e")]),
    );
  });

  it("may be cut in the middle of a replay, again and again [resume.retry]", () => {
    const wired = baseInitiator().send("a", "b", "c");
    for (let links = 0; links < 5; links++) {
      wired.machine.pollTransmit(wired.now); // taken by a link that dies with it
      wired.down().up();
      wired.bytes(framed(hello("VOSH", { resumeKey: key(2) })));
    }
    expect(text(framesOf(wired.out()))).toEqual(text([frame(0, "a"), frame(1, "b"), frame(2, "c")]));
  });

  it("keeps what was received and not handed over, and drops what comes again [ack.handed] [recv.duplicate]", () => {
    const wired = baseInitiator().bytes(framed(frame(0, "x")), framed(frame(1, "y")));
    wired.down();
    expect(wired.up()).toEqual(framed(hello("VOCH", { resumeKey: key(0x11) })));
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2) })), framed(frame(0, "x")), framed(frame(1, "y")));
    wired.bytes(framed(frame(2, "z")));
    expect(wired.items).toEqual(["x", "y", "z"]);
    expect(wired.hand().machine.unhandedBytes).toBe(0);
    expect(wired.machine.lastReceived).toBe(2);
  });

  it("that knows more than was ever written is a violation [ack.invalid] [resume.check]", () => {
    const wired = baseInitiator().send("a");
    wired.out();
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2), lastReceived: 1 })));
    expect(wired.ended).toMatchObject({ rule: "ack.invalid", blame: "peer" });
  });

  it.each([undefined, 0])(
    "that has forgotten an ack loses the session, last_received %s [resume.lost]",
    (lastReceived) => {
      const wired = extendedInitiator().send("a", "b", "c");
      wired.out();
      wired.bytes(control(ACK, 1));
      wired.down().up();
      wired.bytes(framed(hello("VOSH", { resumeKey: key(2), lastReceived }, true)));
      expect(wired.ended).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "peer-restarted" });
      const { undelivered } = wired.events.find((event) => event.type === "finished")!;
      expect(undelivered.items).toEqual([Uint8Array.of(99)]);
    },
  );
});

describe("an acceptor's check", () => {
  const checked = () => {
    const wired = extendedAcceptor().send("a", "b", "c", "d");
    wired.out();
    wired.bytes(control(ACK, 1));
    return { wired, current: wired.machine.keys.valid[0] };
  };

  it("wants a valid key, the same profile, and a position between acked and written [resume.check] [hello.ext]", () => {
    const { wired, current } = checked();
    const { machine } = wired;
    const check = (...args: Parameters<typeof said>) => machine.canResume(said(...args));
    expect([1, 2, 3].map((position) => check(current, position, true))).toEqual([true, true, true]);
    expect(check(current, 0, true)).toBe(false); // before an ack that it gave
    expect(check(current, null, true)).toBe(false);
    expect(check(current, 4, true)).toBe(false); // never written
    expect(check(key(0xee), 1, true)).toBe(false);
    expect(check(null, 1, true)).toBe(false);
    expect(check(current, 1, false)).toBe(false);
  });

  it("has no effect [resume.check]", () => {
    const { wired, current } = checked();
    const before = [wired.machine.state, wired.machine.ring.ackedSeq, wired.machine.keys.valid];
    for (const position of [0, 2, 9]) wired.machine.canResume(said(current, position, true));
    expect([wired.machine.state, wired.machine.ring.ackedSeq, wired.machine.keys.valid]).toEqual(before);
    expect(wired.send("e").out().length).toBeGreaterThan(0); // the link goes on
  });

  it("counts what was written to any link, after a rewind too [resume.check] [replay.forward]", () => {
    const wired = baseAcceptor().send("a", "b");
    wired.out();
    const current = wired.machine.keys.valid[0];
    wired.attach({ resumeKey: current }); // rewound, nothing written yet
    expect(wired.machine.canResume(said(wired.machine.keys.valid.at(-1)!, 1))).toBe(true);
    expect(wired.machine.canResume(said(wired.machine.keys.valid.at(-1)!, 2))).toBe(false);
  });
});

describe("a takeover", () => {
  it("replaces a link that looks alive, whose bytes and writes count no more [resume.takeover] [link.one]", () => {
    const wired = baseAcceptor().bytes(framed(frame(0, "x")), framed(frame(1, "cut off")).slice(0, 8));
    wired.send("a");
    wired.machine.pollTransmit(wired.now); // pending on the old link
    wired.attach({ resumeKey: wired.machine.keys.valid[0] });
    expect(wired.machine.state).toBe("open");
    wired.out();
    wired.bytes(framed(frame(1, "y")));
    expect(wired.items).toEqual(["x", "y"]);
  });

  it("writes the ServerHello before anything else [resume.takeover] [hello.server]", () => {
    const wired = baseAcceptor().send("a");
    wired.attach({ resumeKey: wired.machine.keys.valid[0] });
    const written = wired.out();
    expect(new TextDecoder().decode(written.slice(4, 8))).toBe("VOSH");
    expect(framesOf(written.slice(29))).toEqual([frame(0, "a")]);
  });
});

describe("resume keys", () => {
  it("on offer are repeated in every ServerHello until they are confirmed [resume.commit]", () => {
    const { machine } = new Wired("acceptor", "base");
    const offers = [1, 2, 3].map((fresh) => machine.serverHello(said(null), key(fresh)).resumeKey);
    expect(offers).toEqual([key(1), key(1), key(1)]);
  });

  it("are confirmed by the ClientHello that presents them, which voids the older one [resume.commit]", () => {
    const wired = baseAcceptor(); // offered 0x70
    const { machine } = wired;
    expect(machine.serverHello(said(key(0x70)), key(2)).resumeKey).toEqual(key(2));
    expect(machine.keys.valid).toEqual([key(0x70), key(2)]);
    expect(machine.serverHello(said(key(0x70)), key(3)).resumeKey).toEqual(key(2)); // its ServerHello was lost
    expect(machine.keys.valid).toEqual([key(0x70), key(2)]);
    expect(machine.serverHello(said(key(2)), key(4)).resumeKey).toEqual(key(4));
    expect(machine.keys.valid).toEqual([key(2), key(4)]);
  });

  it("are confirmed by a valid frame on the link that offered them, not by a partial one [resume.commit]", () => {
    const wired = baseAcceptor();
    wired.bytes(framed(frame(0, "x")));
    wired.attach({ resumeKey: key(0x70) });
    expect(wired.machine.keys.valid).toEqual([key(0x70), key(0x71)]);
    wired.bytes(framed(frame(1, "y")).slice(0, 5));
    expect(wired.machine.keys.valid).toEqual([key(0x70), key(0x71)]);
    wired.bytes(framed(frame(1, "y")).slice(5));
    expect(wired.machine.keys.valid).toEqual([key(0x71)]);
  });

  it("are confirmed in the extended profile only by the takeover [ext.commit] [resume.commit]", () => {
    const wired = extendedAcceptor();
    const [current] = wired.machine.keys.valid;
    wired.machine.serverHello(said(current, null, true), key(2));
    wired.bytes(framed(frame(0, "x"))); // on the old link, which offered something else
    expect(wired.machine.keys.valid).toEqual([current, key(2)]);
    const attached = { framing: "stream", pausable: true, settings: {} } as const;
    wired.machine.handleAttached(
      { ...attached, hello: said(current, null, true), offeredKey: key(2) },
      null,
      wired.now,
    );
    expect(wired.machine.keys.valid).toEqual([key(2)]);
  });

  it("are not confirmed by a late link that was offered another one [resume.commit]", () => {
    const wired = extendedAcceptor();
    const [first] = wired.machine.keys.valid;
    const attached = { framing: "stream", pausable: true, settings: {} } as const;
    const greet = (resumeKey: Uint8Array, fresh: number) => {
      const hello = said(resumeKey, null, true);
      return { ...attached, hello, offeredKey: wired.machine.serverHello(hello, key(fresh)).resumeKey };
    };
    const [late, later] = [greet(first, 2), greet(first, 3)]; // both are offered 2
    const second = greet(key(2), 4); // so the initiator has it: 2 is repeated
    wired.machine.handleAttached(later, null, wired.now);
    expect(wired.machine.keys.valid).toEqual([key(2)]);
    const third = greet(key(2), 5); // offered 5, which gets lost
    expect(wired.machine.keys.valid).toEqual([key(2), key(5)]);
    for (const stale of [late, second]) {
      wired.machine.handleAttached(stale, null, wired.now);
      expect(wired.machine.keys.valid).toEqual([key(2), key(5)]);
    }
    wired.machine.handleAttached(third, null, wired.now);
    expect(wired.machine.keys.valid).toEqual([key(5)]);
  });
});

describe("the registry", () => {
  const entered = () => {
    const registry = new Registry<Wired>();
    const wired = baseAcceptor({ graceMs: 1_000 });
    registry.update(wired);
    return { registry, wired };
  };
  const grave = { clean: false, code: 7, reason: "bye", retryAfterMs: 0, lastReceived: null } as const;

  it("finds a session by the key of the ClientHello, with either valid key [resume.key]", () => {
    const { registry, wired } = entered();
    expect(registry.judge(said(null), 0)).toEqual({ kind: "new" });
    wired.attach({ resumeKey: key(0x70) });
    registry.update(wired);
    for (const valid of [0x70, 0x71]) {
      expect(registry.judge(said(key(valid)), 0)).toEqual({ kind: "resume", session: wired });
    }
    expect(registry.judge(said(key(0x33)), 0)).toEqual({ kind: "refuse", grave: null });
  });

  it("refuses a key that a frame has voided since, and a position that cannot be [resume.check] [resume.reject]", () => {
    const { registry, wired } = entered();
    wired.attach({ resumeKey: key(0x70) });
    registry.update(wired);
    wired.bytes(framed(frame(0, "x")));
    expect(registry.judge(said(key(0x70)), 0)).toEqual({ kind: "refuse", grave: null });
    expect(registry.judge(said(key(0x71)), 0).kind).toBe("resume");
    expect(registry.judge(said(key(0x71), 5), 0)).toEqual({ kind: "refuse", grave: null });
    expect(wired.machine.state).toBe("open"); // it never touches a session that another link belongs to
  });

  it("keeps the reason of an ended session under its keys for graceMs [resume.reject] [ext.fin]", () => {
    const { registry, wired } = entered();
    registry.bury(wired, grave, 1_000);
    expect(registry.size).toBe(0);
    expect(registry.judge(said(key(0x70)), 999)).toEqual({ kind: "refuse", grave });
    expect(registry.judge(said(key(0x70)), 1_000)).toEqual({ kind: "refuse", grave: null });
    expect(registry.pollDeadline()).toBe(1_000);
    registry.handleTimeout(1_000);
    expect(registry.pollDeadline()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("a session without a link", () => {
  it("is kept by the acceptor for graceMs, then ends with what is undelivered [resume.grace]", () => {
    const wired = baseAcceptor({ graceMs: 500 }).send("a");
    wired.down();
    expect(wired.wait(499).ended).toBeUndefined();
    expect(wired.wait(1).ended).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "expired" });
  });

  it("has all of its grace period again after a resume [resume.grace]", () => {
    const wired = baseAcceptor({ graceMs: 500 });
    wired
      .down()
      .wait(400)
      .attach({ resumeKey: key(0x70) })
      .wait(10_000);
    expect(wired.down().wait(499).ended).toBeUndefined();
  });

  it("is proven by the first frame in the base profile, by its takeover in the extended one [resume.grace]", () => {
    const wired = baseAcceptor();
    expect(wired.machine.proven).toBe(false);
    expect(wired.bytes(framed(frame(0, "x"))).machine.proven).toBe(true);
    expect(extendedAcceptor().machine.proven).toBe(true);
  });
});

describe("the ring", () => {
  it("refuses an item when it is full, and nothing is lost or changed [replay.bound]", () => {
    const wired = baseInitiator({ replayBytes: 4_096 });
    const item = "x".repeat(1_000);
    wired.send(item, item, item, item);
    const full = () => wired.send(item);
    expect(full).toThrow(
      expect.objectContaining({ code: "CONDUIT_REPLAY_FULL", blame: "local", fatal: false }),
    );
    expect(wired.machine.ring.headSeq).toBe(4);
    wired.out();
    wired.bytes(framed(frame(0, "x", 1)));
    wired.send(item);
    expect(framesOf(wired.out())).toEqual([frame(4, item)]);
  });

  it("tells when a finished write makes the room that acknowledged bytes could not [replay.bound] [replay.bytes]", () => {
    const wired = baseInitiator({ replayBytes: 4_096 });
    wired.send("x".repeat(2_000), "y".repeat(1_000));
    const pending = wired.machine.pollTransmit(wired.now)!;
    const before = pending.slice();
    wired.bytes(framed(frame(0, "", 1)));
    expect(wired.machine.ring.usedBytes).toBe(0);
    expect(() => wired.send("z".repeat(2_000))).toThrow(
      expect.objectContaining({ code: "CONDUIT_REPLAY_FULL" }),
    );
    expect(pending).toEqual(before);
    wired.events.length = 0;
    wired.machine.handleWritten(wired.now);
    expect(wired.poll().has("acked")).toBe(true);
    wired.send("z".repeat(2_000));
  });

  it("takes a FIN that found no room as soon as a finished write makes some [ext.fin] [replay.bound]", () => {
    const wired = extendedInitiator({ replayBytes: 4_096, maxFrameBytes: 2_048 }, { 1: 2_048, 2: 65_536 });
    wired.send("x".repeat(2_038), "y".repeat(2_038)); // with their headers the whole ring
    wired.machine.pollTransmit(wired.now); // pending
    wired.machine.end();
    expect(wired.machine.finEntered).toBe(false);
    wired.bytes(control(ACK, 1));
    expect(wired.machine.finEntered).toBe(false); // acknowledged, and still read
    wired.machine.handleWritten(wired.now);
    expect(wired.machine.finEntered).toBe(true);
  });

  it("survives memory for other conduits when its session ends unacknowledged [replay.bound]", () => {
    const wired = baseInitiator();
    const other = baseInitiator().send("the other one");
    for (let i = 0; i < 50; i++) wired.send("x".repeat(1_000));
    wired.machine.abort(new ConduitError("CONDUIT_ABORTED", "local", "enough"));
    expect(framesOf(other.out())).toEqual([frame(0, "the other one")]);
  });
});

describe("the backoff", () => {
  it("is exponential with full jitter, up to the cap [resume.retry]", () => {
    expect([0, 1, 2, 3].map((attempt) => backoffMs(attempt, 100, 500, 0.5))).toEqual([50, 100, 200, 250]);
    expect(backoffMs(5_000, 100, 500, 0.999)).toBeLessThan(500);
    expect(backoffMs(3, 100, 500, 0)).toBe(0);
  });
});

describe("serial numbers of the extended profile", () => {
  it.each([2 ** 31 - 2, 2 ** 32 - 2])("go past %i [seq.serial]", (start) => {
    const wired = new Wired("initiator", "extended");
    const { block } = wired.machine.ring;
    for (const field of [
      RING_ACKED_SEQ,
      RING_SENT_SEQ,
      RING_WRITTEN_SEQ,
      RING_HEAD_SEQ,
      RECV_NEXT,
      RECV_HANDED,
    ]) {
      core.memory.u32[(block + field) >>> 2] = start;
    }
    const seqs = [0, 1, 2, 3].map((offset) => (start + offset) >>> 0);
    wired.up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(1) }, true)), settings());
    wired.out();
    wired.send("a", "b", "c", "d");
    expect(text(framesOf(wired.out()))).toEqual(text(seqs.map((seq, i) => frame(seq, "abcd"[i]))));
    wired.bytes(...seqs.map((seq) => framed(frame(seq, "x")))).hand();
    wired.down();
    expect(wired.up()).toEqual(framed(hello("VOCH", { resumeKey: key(1), lastReceived: seqs[3] }, true)));
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2), lastReceived: seqs[1] }, true)), settings());
    expect(text(framesOf(wired.out()))).toEqual(text([frame(seqs[2], "c"), frame(seqs[3], "d")]));
    wired.bytes(control(ACK, varint(seqs[3])));
    expect(wired.machine.ring.length).toBe(0);
  });
});
