import { describe, expect, it } from "vitest";
import { ConduitError } from "../../src/errors.js";
import { AbortCode, decodeControl } from "../../src/proto/control.js";
import { Greeting } from "../../src/proto/greeting.js";
import {
  ABORT,
  ACK,
  bytesOf,
  control,
  controlsOf,
  extendedAcceptor,
  extendedInitiator,
  FIN,
  frame,
  framed,
  framesOf,
  GOAWAY,
  hello,
  key,
  PING,
  PONG,
  recordsOf,
  SETTINGS,
  settings,
  u32,
  VOLATILE,
  varint,
  Wired,
} from "./wire.js";

const text = (payloads: Uint8Array[]) => payloads.map((payload) => Buffer.from(payload).toString("hex"));

describe("records", () => {
  it("have a header with their length, and data is a frame without an ack [ext.record] [ext.data]", () => {
    const wired = extendedInitiator()
      .bytes(framed(frame(0, "x")))
      .hand()
      .send("abc");
    expect(framesOf(wired.out())).toEqual([frame(0, "abc")]);
  });

  it("set the top bit when they are control, and acks are among them [ext.record] [ext.data]", () => {
    const wired = extendedInitiator()
      .bytes(framed(frame(0, "x")))
      .hand()
      .wait(10);
    expect(wired.out()).toEqual(bytesOf(u32(0x8000_0002), ACK, 0));
  });

  it("of data with an ack are a violation [ext.data]", () => {
    expect(extendedInitiator().bytes(framed(frame(0, "x", 0))).ended).toMatchObject({ rule: "ext.data" });
  });

  it("may come several to a message [link.message]", () => {
    const wired = new Wired("initiator", "extended");
    wired.up("message");
    wired.bytes(hello("VOSH", { resumeKey: key(1) }, true));
    wired.out();
    wired.bytes(
      bytesOf(settings(), framed(frame(0, "x")), control(PING, u32(1), u32(2)), framed(frame(1, "y"))),
    );
    expect(wired.items).toEqual(["x", "y"]);
    wired.send("a", "b");
    const pong = wired.machine.pollTransmit(wired.now)!;
    expect(pong[4]).toBe(PONG);
    const data = wired.machine.pollTransmit(wired.now)!.slice();
    expect(framesOf(data)).toEqual([frame(0, "a"), frame(1, "b")]);
  });

  it("that a message cuts off are a violation [link.message]", () => {
    const wired = new Wired("initiator", "extended");
    wired.up("message");
    wired.bytes(hello("VOSH", { resumeKey: key(1) }, true));
    wired.bytes(settings()).bytes(framed(frame(0, "x")).slice(0, 6));
    expect(wired.ended).toMatchObject({ code: "CONDUIT_PROTOCOL", rule: "link.message" });
  });

  it("with a gap are a violation [recv.gap]", () => {
    expect(extendedInitiator().bytes(framed(frame(1, "x"))).ended).toMatchObject({
      rule: "recv.gap",
      blame: "peer",
    });
  });

  it("that come again are dropped [recv.duplicate]", () => {
    const wired = extendedInitiator().bytes(
      framed(frame(0, "x")),
      framed(frame(0, "x")),
      framed(frame(1, "y")),
    );
    expect(wired.items).toEqual(["x", "y"]);
  });

  it.each([0x00, 0x08, 0x3f])("of the unknown type %i are a violation [ext.unknown]", (type) => {
    const wired = extendedInitiator().bytes(control(type, "what?"));
    expect(wired.ended).toMatchObject({ code: "CONDUIT_PROTOCOL", rule: "ext.unknown" });
  });

  it.each([
    ["an item", framed(frame(0, "x"))],
    ["an item that came before", bytesOf(framed(frame(0, "x")), framed(frame(0, "x")))],
    ["a volatile item", control(0x40, "x")],
  ])("with a SCHEMA behind %s of its link are a violation [ext.schema]", (_, items) => {
    const schema = control(0x41, "{}");
    expect(extendedInitiator().bytes(schema, items).ended).toBeUndefined();
    for (const wired of [
      extendedInitiator().bytes(items, schema),
      extendedInitiator().bytes(items).bytes(schema),
    ])
      expect(wired.ended).toMatchObject({ code: "CONDUIT_PROTOCOL", blame: "peer", rule: "ext.schema" });
  });

  it.each([0x41, 0x7f, 0xff])("of the unknown type %i are skipped [ext.unknown]", (type) => {
    const wired = extendedInitiator().bytes(control(type, "what?"), framed(frame(0, "x")));
    expect(wired.ended).toBeUndefined();
    expect(wired.items).toEqual(["x"]);
  });

  it.each([
    ["an ACK without a seq", [ACK]],
    ["an ACK with more", [ACK, 0, 0]],
    ["a short PING", [PING, 1, 2, 3]],
    ["an empty body", []],
    ["a SETTINGS that is cut off", [SETTINGS, 1, 4, 1]],
    ["a SETTINGS number with more", [SETTINGS, 1, 2, 1, 1]],
  ])("that hold %s are a violation [ext.control]", (_, body) => {
    expect(() => decodeControl(bytesOf(body))).toThrow(expect.objectContaining({ code: "CONDUIT_PROTOCOL" }));
  });

  it("reach the peer as ABORT when it has broken a rule [error.fatal]", () => {
    const wired = extendedInitiator().bytes(framed(frame(7, "x")));
    const [abort] = controlsOf(wired.out(), ABORT);
    expect(abort[0]).toBe(AbortCode.violation);
    expect(new TextDecoder().decode(abort.slice(2))).toContain("[recv.gap]");
  });
});

describe("SETTINGS", () => {
  it("are the first record of both sides on every link [ext.settings]", () => {
    const initiator = new Wired("initiator", "extended", { keepaliveMs: 7_000, maxFrameBytes: 500 }).send(
      "a",
    );
    initiator.machine.setCredentials(bytesOf("token"));
    for (const links of [1, 2]) {
      if (links === 2) initiator.down();
      initiator.up();
      initiator.bytes(framed(hello("VOSH", { resumeKey: key(1) }, true)), settings());
      const [first, ...others] = recordsOf(initiator.out());
      expect(decodeControl(first.body)).toMatchObject({
        type: SETTINGS,
        settings: { maxFrameBytes: 500, keepaliveMs: 7_000, credentials: bytesOf("token") },
      });
      expect(text(others.map(({ body }) => body))).toEqual(text([frame(0, "a")]));
    }
    const acceptor = new Wired("acceptor", "extended", { graceMs: 9_000 }).attach({}, {});
    const [answer] = recordsOf(acceptor.out());
    const said = (decodeControl(answer.body) as { settings: object }).settings;
    expect(said).toMatchObject({ graceMs: 9_000, sessionId: "s1" });
    expect(said).not.toHaveProperty("credentials");
  });

  it("with unknown ids are read as if those were not there [ext.settings]", () => {
    const wired = extendedInitiator({}, { 1: 700, 99: 5, 2: 65_536 });
    expect(wired.machine.peer).toMatchObject({ maxFrameBytes: 700, receiveWindow: 65_536 });
  });

  it("bound what may be sent by the smaller maxFrameBytes [ext.settings] [link.max]", () => {
    const wired = extendedInitiator({ maxFrameBytes: 900 }, { 1: 10 });
    wired.send("0123456789");
    expect(() => wired.send("0123456789a")).toThrow(
      expect.objectContaining({ code: "CONDUIT_FRAME_TOO_LARGE" }),
    );
  });

  it("end a session that has an item larger than the peer takes, with a clear error [ext.settings]", () => {
    const wired = new Wired("initiator", "extended").send("0123456789a");
    wired.up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(1) }, true)), settings({ 1: 10 }));
    expect(wired.ended).toMatchObject({ code: "CONDUIT_FRAME_TOO_LARGE", blame: "local" });
  });

  it("with a smaller maxFrameBytes than before are a violation [ext.settings]", () => {
    expect(extendedInitiator({}, { 1: 700 }).bytes(settings({ 1: 699 })).ended).toMatchObject({
      rule: "ext.settings",
    });
  });

  it("that do not come first are a violation [ext.settings]", () => {
    for (const first of [framed(frame(0, "x")), control(ACK, 0)]) {
      const wired = new Wired("initiator", "extended");
      wired.up();
      wired.bytes(framed(hello("VOSH", { resumeKey: key(1) }, true)), first);
      expect(wired.ended).toMatchObject({ code: "CONDUIT_PROTOCOL", rule: "ext.settings" });
    }
  });

  it("are waited for by an acceptor's greeting, byte by byte, and anything else ends the link [ext.settings]", () => {
    const greeting = new Greeting("stream", { resumeKey: null, lastReceived: null, extended: true });
    expect(greeting.expectSettings()).toBe("more");
    const steps = [...settings({ 1: 300 })].map((byte) => greeting.handleBytes(Uint8Array.of(byte)));
    expect(steps.pop()).toBe("settings");
    expect(new Set(steps)).toEqual(new Set(["more"]));
    expect(greeting.settings).toEqual({ maxFrameBytes: 300 });
    for (const other of [framed(frame(0, "x")), control(ACK, 0), control(0x20)]) {
      const bad = new Greeting("stream", { resumeKey: null, lastReceived: null, extended: true });
      bad.expectSettings();
      expect(bad.handleBytes(other)).toBe("bad");
    }
  });
});

describe("the window", () => {
  const ITEM = "x".repeat(90); // 100 bytes of record

  it("bounds the bytes that are not acknowledged [ext.window]", () => {
    const wired = extendedInitiator({}, { 1: 1_024, 2: 250 }).send(ITEM, ITEM, ITEM, ITEM);
    expect(framesOf(wired.out())).toHaveLength(2);
    expect(framesOf(wired.bytes(control(ACK, 0)).out())).toHaveLength(1);
    expect(framesOf(wired.bytes(control(ACK, 2)).out())).toHaveLength(1);
  });

  it("always lets one record through [ext.window]", () => {
    const wired = extendedInitiator({}, { 1: 1_024, 2: 50 }).send(ITEM, ITEM);
    expect(framesOf(wired.out())).toHaveLength(1);
    expect(framesOf(wired.bytes(control(ACK, 0)).out())).toHaveLength(1);
  });

  it("that the peer ignores is a violation [ext.window]", () => {
    const records = Array.from({ length: 42 }, (_, seq) => framed(frame(seq, ITEM)));
    const limits = { receiveWindow: 4_096, replayBytes: 8_192 };
    expect(extendedInitiator(limits).bytes(...records.slice(0, 40)).ended).toBeUndefined();
    const wired = extendedInitiator(limits).bytes(...records);
    expect(wired.ended).toMatchObject({ rule: "ext.window", blame: "peer" });
    expect(wired.machine.wantsPause).toBe(false); // reading is never paused here
  });

  it("does not hold control records back [ext.window]", () => {
    const wired = extendedInitiator({}, { 1: 1_024, 2: 50 }).send(ITEM, ITEM);
    wired.out();
    wired.bytes(control(PING, u32(1), u32(2)));
    expect(controlsOf(wired.out(), PONG)).toEqual([bytesOf(u32(1), u32(2))]);
  });
});

describe("acks of the extended profile", () => {
  it("are one record for all that was handed over since [ack.cumulative] [ack.delay]", () => {
    const wired = extendedInitiator({ ackDelayMs: 20 });
    for (let seq = 0; seq < 300; seq++) wired.bytes(framed(frame(seq, "x")));
    expect(wired.wait(100).out()).toHaveLength(0); // received is not handed
    wired.hand().wait(19);
    expect(wired.out()).toHaveLength(0);
    expect(controlsOf(wired.wait(1).out(), ACK)).toEqual([bytesOf(varint(299))]);
  });

  it.each<{ what: string; limits: object; settings: Record<number, number> }>([
    { what: "the peer's ring", limits: {}, settings: { 9: 4_096 } },
    { what: "the own window", limits: { receiveWindow: 4_096 }, settings: {} },
  ])("are owed at once after a quarter of $what [ack.delay]", ({ limits, settings }) => {
    const wired = extendedInitiator({ ackDelayMs: 20, ...limits }, settings);
    wired.bytes(framed(frame(0, "x".repeat(600)))).hand();
    expect(wired.out()).toHaveLength(0);
    wired.bytes(framed(frame(1, "x".repeat(600)))).hand();
    expect(controlsOf(wired.out(), ACK)).toEqual([bytesOf(varint(1))]);
  });

  it("are told again to a link that takes over after its ServerHello [resume.takeover] [ack.handed]", () => {
    const wired = extendedAcceptor({ ackDelayMs: 0 });
    const said = { resumeKey: wired.machine.keys.valid[0], lastReceived: null, extended: true };
    const { resumeKey: offeredKey } = wired.machine.serverHello(said, key(0x55));
    wired.bytes(framed(frame(0, "x"))).hand();
    expect(controlsOf(wired.out(), ACK)).toEqual([bytesOf(0)]); // to the old link, where it is lost
    wired.machine.handleAttached(
      { framing: "stream", pausable: true, hello: said, settings: {}, offeredKey },
      null,
      wired.now,
    );
    expect(controlsOf(wired.out(), ACK)).toEqual([bytesOf(0)]);
  });

  it("beyond everything ever written are a violation, beyond what this link carried they are not [ack.invalid] [replay.forward]", () => {
    const wired = extendedInitiator().send("a", "b");
    wired.out();
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2) }, true)), settings(), control(ACK, 0));
    expect(wired.ended).toBeUndefined();
    expect(text(framesOf(wired.out()))).toEqual(text([frame(1, "b")]));
    expect(wired.bytes(control(ACK, 2)).ended).toMatchObject({ rule: "ack.invalid" });
  });
});

describe("liveness", () => {
  const limits = { keepaliveMs: 1_000, keepaliveTimeoutMs: 300 };

  it("asks with PING after keepaliveMs of silence, and gives the link up without an answer [ext.ping]", () => {
    const wired = extendedInitiator(limits).wait(999);
    expect(wired.out()).toHaveLength(0);
    expect(controlsOf(wired.wait(1).out(), PING)).toHaveLength(1);
    expect(wired.wait(299).dropped).toBeUndefined();
    expect(wired.wait(1).dropped).toMatchObject({ code: "CONDUIT_LINK", fatal: false });
    expect(wired.ended).toBeUndefined();
  });

  it("takes any byte for an answer [ext.ping]", () => {
    const wired = extendedInitiator(limits).wait(1_000);
    wired.out();
    wired
      .wait(299)
      .bytes(framed(frame(0, "x")).slice(0, 1))
      .wait(900);
    expect(wired.dropped).toBeUndefined();
  });

  it("answers PING with PONG and the same bytes, and measures the round trip [ext.ping] [ext.control]", () => {
    const wired = extendedInitiator(limits).bytes(control(PING, "abcdefgh"));
    expect(wired.out()).toEqual(control(PONG, "abcdefgh"));
    wired.wait(1_000);
    const [token] = controlsOf(wired.out(), PING);
    wired.wait(25).bytes(control(PONG, token));
    expect(wired.machine.rttMs).toBe(25);
  });
});

describe("the end", () => {
  it("is a FIN that takes the next seq, lies in the ring, and is sent again like an item [ext.fin] [ext.control]", () => {
    const wired = extendedInitiator().send("a");
    wired.machine.end();
    expect(recordsOf(wired.out()).map(({ body }) => body)).toEqual([frame(0, "a"), bytesOf(FIN, 1)]);
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2), lastReceived: 0 }, true)), settings());
    expect(controlsOf(wired.out(), FIN)).toEqual([bytesOf(1)]);
    expect(wired.machine.allAcked).toBe(false);
    expect(wired.bytes(control(ACK, 1)).machine.allAcked).toBe(true);
  });

  it("that the peer sends is told behind its items, and acknowledged when they are handed over [ext.fin]", () => {
    const wired = extendedAcceptor().bytes(framed(frame(0, "x")), control(FIN, 1));
    expect(wired.events.slice(-2).map(({ type }) => type)).toEqual(["batch", "peer-ended"]);
    expect(wired.wait(100).out()).toHaveLength(0);
    expect(controlsOf(wired.hand().out(), ACK)).toEqual([bytesOf(1)]);
  });

  it("of both directions lets the acceptor say ABORT 0 [ext.fin]", () => {
    const wired = extendedAcceptor();
    wired.machine.end();
    wired.out();
    wired.bytes(control(FIN, 0));
    expect(wired.ended).toBeUndefined();
    wired.bytes(control(ACK, 0));
    expect(wired.ended).toBeNull();
    expect(wired.out()).toEqual(bytesOf(control(ACK, 0), control(ABORT, 0, 0)));
    expect(wired.machine.lastReceived).toBe(0);
  });

  it("is clean for an initiator with ABORT 0 on whatever link [ext.fin]", () => {
    const end = () => {
      const wired = extendedInitiator();
      wired.machine.end();
      wired.out();
      return wired.bytes(control(FIN, 0));
    };
    expect(end().bytes(control(ACK, 0), control(ABORT, 0, 0)).ended).toBeNull();
    // The last ack was lost with the link: the ServerHello brings it.
    const wired = end();
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2), lastReceived: 0 }, true)), control(ABORT, 0, 0));
    expect(wired.ended).toBeNull();
  });

  it("is clean for an initiator that is rejected when both ends are acknowledged [ext.fin]", () => {
    const wired = extendedInitiator();
    wired.machine.end();
    wired.out();
    wired.bytes(control(FIN, 0), control(ACK, 0));
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { flags: 0x81 })));
    expect(wired.ended).toBeNull();
  });

  it("is waited for by the initiator for the acceptor's graceMs at most [ext.fin]", () => {
    const wired = extendedInitiator({}, { 4: 2_000 });
    wired.machine.end();
    wired.out();
    wired.bytes(control(FIN, 0), control(ACK, 0)).down();
    expect(wired.wait(1_999).ended).toBeUndefined();
    expect(wired.wait(1).ended).toBeNull();
  });

  it("that is ABORT 0 too early is not clean [ext.fin]", () => {
    expect(
      extendedInitiator()
        .send("a")
        .bytes(control(ABORT, 0, 0)).ended,
    ).toMatchObject({ code: "CONDUIT_ABORTED" });
  });

  it.each([
    ["an item behind it", framed(frame(1, "x"))],
    ["a second one", control(FIN, 1)],
  ])("with %s is a violation [ext.fin]", (_, record) => {
    expect(extendedAcceptor().bytes(control(FIN, 0), record).ended).toMatchObject({ rule: "ext.fin" });
  });

  it("comes again as a duplicate after a resume [ext.fin] [recv.duplicate]", () => {
    const wired = extendedAcceptor().bytes(control(FIN, 0), control(FIN, 0));
    expect(wired.ended).toBeUndefined();
    expect(wired.events.filter(({ type }) => type === "peer-ended")).toHaveLength(1);
  });

  it("of one side lets the other one send on [close.unread]", () => {
    const wired = extendedAcceptor();
    wired.machine.end();
    wired.out();
    expect(wired.bytes(framed(frame(0, "x")), framed(frame(1, "y"))).items).toEqual(["x", "y"]);
  });
});

describe("ABORT", () => {
  it.each([
    [1, "CONDUIT_PROTOCOL", "local"],
    [2, "CONDUIT_UNAUTHORIZED", "peer"],
    [3, "CONDUIT_SESSION_LOST", "peer"],
    [4, "CONDUIT_SESSION_LOST", "peer"],
    [5, "CONDUIT_ABORTED", "peer"],
    [6, "CONDUIT_ABORTED", "peer"],
    [7, "CONDUIT_ABORTED", "peer"],
    [8, "CONDUIT_ABORTED", "peer"],
    [77, "CONDUIT_ABORTED", "peer"],
  ])("%i ends the session with %s, blame %s [ext.control] [error.blame]", (code, expected, blame) => {
    const wired = extendedInitiator()
      .send("a")
      .bytes(control(ABORT, code, 0, "because"));
    expect(wired.ended).toMatchObject({ code: expected, blame, message: expect.stringContaining("because") });
    expect(wired.out()).toHaveLength(0); // it is not answered
  });

  it("with shutdown says when to come back [ext.shutdown]", () => {
    const wired = extendedInitiator().bytes(control(ABORT, 5, varint(1_500), "see you"));
    expect(wired.ended).toMatchObject({ code: "CONDUIT_ABORTED", retryAfterMs: 1_500 });
  });

  it("carries why this side has ended the session [ext.control]", () => {
    const wired = extendedInitiator();
    const error = new ConduitError("CONDUIT_HANDLER", "local", "é".repeat(200));
    wired.machine.abort(error, AbortCode.handler, 300);
    expect(wired.poll().ended).toBe(error);
    const [abort] = controlsOf(wired.out(), ABORT);
    expect(abort.slice(0, 3)).toEqual(bytesOf(AbortCode.handler, varint(300)));
    // At most 256 bytes of reason, cut between characters.
    expect(new TextDecoder("utf-8", { fatal: true }).decode(abort.slice(3))).toBe("é".repeat(128));
  });

  it("unauthorized on a link that greets ends that attempt only [ext.commit]", () => {
    const wired = extendedInitiator().send("a");
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2) }, true)), control(ABORT, 2, 0));
    expect(wired.ended).toBeUndefined();
    expect(wired.dropped).toMatchObject({ code: "CONDUIT_UNAUTHORIZED" });
  });
});

describe("other records", () => {
  it("GOAWAY asks for a new link, and the session goes on [ext.shutdown] [ext.control]", () => {
    const wired = extendedInitiator().bytes(control(GOAWAY, varint(700)));
    expect(wired.events.at(-1)).toEqual({ type: "goaway", retryAfterMs: 700 });
    expect(wired.ended).toBeUndefined();
    const acceptor = extendedAcceptor();
    acceptor.machine.goAway(700);
    expect(acceptor.out()).toEqual(control(GOAWAY, varint(700)));
  });

  it("VOLATILE carries an item without a seq, past the ring, while a link is open [ext.control]", () => {
    const wired = extendedInitiator();
    expect(wired.machine.sendVolatile(bytesOf("now"))).toBe(true);
    expect(wired.out()).toEqual(control(VOLATILE, "now"));
    expect(wired.bytes(control(VOLATILE, "here")).events.at(-1)).toEqual({
      type: "volatile",
      item: bytesOf("here"),
    });
    wired.down();
    expect(wired.machine.sendVolatile(bytesOf("now"))).toBe(false);
    expect(wired.machine.ring.length).toBe(0);
  });

  it("VOLATILE above maxFrameBytes is a violation [link.max]", () => {
    const wired = extendedInitiator({ maxFrameBytes: 5_000 }).bytes(control(VOLATILE, "x".repeat(5_001)));
    expect(wired.ended).toMatchObject({ rule: "link.max" });
  });
});
