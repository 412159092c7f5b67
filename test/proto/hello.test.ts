import { describe, expect, it } from "vitest";
import { Greeting, rejection } from "../../src/proto/greeting.js";
import { decodeClientHello, decodeServerHello, encodeClientHello } from "../../src/proto/handshake.js";
import {
  baseInitiator,
  bytesOf,
  control,
  extendedInitiator,
  framed,
  hello,
  key,
  recordsOf,
  SETTINGS,
  settings,
  u32,
  Wired,
} from "./wire.js";

describe("the initiator's hello", () => {
  it("is 25 bytes that say nothing when the session is new [hello.client] [link.stream]", () => {
    expect(new Wired("initiator", "base").up()).toEqual(framed(hello("VOCH")));
  });

  it("goes as a bare payload on a message link [link.message]", () => {
    expect(new Wired("initiator", "base").up("message")).toEqual(hello("VOCH"));
  });

  it("offers the extended profile with 0x80 [hello.flags] [hello.ext]", () => {
    expect(new Wired("initiator", "extended").up()).toEqual(framed(hello("VOCH", {}, true)));
  });

  it("carries the key of the newest ServerHello and what was handed over [hello.client] [ack.handed]", () => {
    const wired = baseInitiator().bytes(
      framed(bytesOf([0, 0], u32(1), "a")),
      framed(bytesOf([1, 0], u32(1), "b")),
    );
    wired.down();
    expect(wired.up()).toEqual(framed(hello("VOCH", { resumeKey: key(0x11) })));
    wired.down().hand();
    expect(wired.up()).toEqual(framed(hello("VOCH", { resumeKey: key(0x11), lastReceived: 1 })));
  });
});

describe("reading a hello", () => {
  it("ignores unknown flags [hello.flags]", () => {
    const said = hello("VOCH", { flags: 0x7f, resumeKey: key(5), lastReceived: 9 });
    expect(decodeClientHello(said)).toEqual({ resumeKey: key(5), lastReceived: 9, extended: false });
  });

  it("ignores a field whose flag is clear [hello.flags]", () => {
    const client = hello("VOCH", { flags: 0, resumeKey: key(5), lastReceived: 9 });
    expect(decodeClientHello(client)).toEqual({ resumeKey: null, lastReceived: null, extended: false });
    const server = hello("VOSH", { flags: 0, resumeKey: key(5), lastReceived: 9 });
    expect(decodeServerHello(server)).toMatchObject({ rejected: false, lastReceived: null, extended: false });
  });

  it("writes a field whose flag is clear as zeros [hello.flags]", () => {
    expect(encodeClientHello({ resumeKey: null, lastReceived: null, extended: true })).toEqual(
      hello("VOCH", {}, true),
    );
  });

  it("tells last_received 0 from nothing received [hello.server]", () => {
    expect(decodeServerHello(hello("VOSH", { lastReceived: 0 }))?.lastReceived).toBe(0);
    expect(decodeServerHello(hello("VOSH"))?.lastReceived).toBeNull();
  });

  it.each([
    ["another magic", bytesOf("HTTP", hello("VOCH").slice(4))],
    ["24 bytes", hello("VOCH").slice(1)],
    ["26 bytes", bytesOf(hello("VOCH"), 0)],
    ["the other side's magic", hello("VOSH")],
  ])("takes %s for no ClientHello [hello.bad]", (_, payload) => {
    expect(new Greeting("message").handleBytes(payload)).toBe("bad");
    expect(new Greeting("stream").handleBytes(framed(payload))).toBe("bad");
  });

  it("judges the length before the rest has come [link.max]", () => {
    expect(new Greeting("stream").handleBytes(u32(0x4745_5420))).toBe("bad");
  });

  it("takes a ClientHello byte by byte, and keeps what follows it [link.stream]", () => {
    const greeting = new Greeting("stream");
    const bytes = bytesOf(framed(hello("VOCH", { resumeKey: key(3) })), "rest");
    const steps = [...bytes.slice(0, 29)].map((byte) => greeting.handleBytes(Uint8Array.of(byte)));
    expect(steps.indexOf("hello")).toBe(28);
    expect(greeting.handleBytes(bytes.slice(29))).toBe("more");
    expect(bytesOf(...greeting.takeRest())).toEqual(bytesOf("rest"));
  });
});

describe("the initiator and the answer", () => {
  it.each([
    ["another magic", bytesOf("HTTP/1.1 302 Found; a captive portal")],
    ["a frame before the hello", framed(bytesOf([0, 0], u32(0)))],
  ])("takes %s for a failed attempt [hello.bad]", (_, bytes) => {
    const wired = new Wired("initiator", "base");
    wired.up();
    wired.bytes(bytes);
    expect(wired.dropped).toMatchObject({ code: "CONDUIT_LINK", blame: "link", fatal: false });
    expect(wired.ended).toBeUndefined();
    wired.down();
    expect(wired.up()).toEqual(framed(hello("VOCH")));
  });

  it("gives a link up whose hello does not come in time [hello.timeout]", () => {
    const wired = new Wired("initiator", "base", { handshakeTimeoutMs: 50 });
    wired.up();
    expect(wired.wait(49).dropped).toBeUndefined();
    expect(wired.wait(1).dropped?.code).toBe("CONDUIT_HANDSHAKE_TIMEOUT");
    expect(wired.ended).toBeUndefined();
  });

  it("speaks base with an acceptor that does not take the extended profile [hello.ext]", () => {
    const wired = new Wired("initiator", "extended").send("early");
    wired.up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(1) })));
    expect(wired.machine.profile).toBe("base");
    expect(wired.out()).toEqual(framed(bytesOf([0, 0], u32(5), "early")));
    wired.down();
    expect(wired.up()).toEqual(framed(hello("VOCH", { resumeKey: key(1) })));
  });

  it("ends an extended session that a base ServerHello answers [hello.ext]", () => {
    const wired = extendedInitiator();
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(2) })));
    expect(wired.ended).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "peer-restarted" });
  });

  it("is open in the extended profile only with the acceptor's SETTINGS [ext.settings]", () => {
    const wired = new Wired("initiator", "extended").send("early");
    wired.up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(1) }, true)));
    expect(wired.has("open")).toBe(false);
    const [first, ...others] = bodiesOf(wired.out());
    expect(first[0]).toBe(SETTINGS);
    expect(others).toEqual([]); // no data before the peer's SETTINGS
    wired.bytes(settings());
    expect(wired.has("open")).toBe(true);
    expect(bodiesOf(wired.out())).toEqual([bytesOf([0, 0], u32(5), "early")]);
  });
});

describe("a refusal", () => {
  const said = { resumeKey: key(9), lastReceived: 4, extended: false };

  it("is REJECTED with a key of zeros [resume.reject] [hello.server]", () => {
    expect(rejection("stream", said, null)).toEqual([framed(hello("VOSH", { flags: 0x01 }))]);
  });

  it("echoes 0x80, and ABORT with the reason follows [resume.reject] [hello.flags]", () => {
    const payloads = rejection("stream", { ...said, extended: true }, null);
    expect(payloads).toEqual([
      framed(hello("VOSH", { flags: 0x81 })),
      control(6, 4, 0, "unknown resume key"),
    ]);
  });

  it("tells how the session ended that the key was for [resume.reject]", () => {
    const grave = { clean: false, code: 3, reason: "gone", retryAfterMs: 700, lastReceived: 8 } as const;
    const [, abort] = rejection("message", { ...said, extended: true }, grave);
    expect(abort).toEqual(control(6, 3, [0xbc, 0x05], "gone"));
  });

  it("is none for a session that has ended cleanly: ServerHello, then ABORT 0 [ext.fin]", () => {
    const grave = { clean: true, code: 0, reason: "", retryAfterMs: 0, lastReceived: 8 } as const;
    const payloads = rejection("stream", { ...said, extended: true }, grave);
    expect(payloads).toEqual([
      framed(hello("VOSH", { resumeKey: key(9), lastReceived: 8 }, true)),
      control(6, 0, 0),
    ]);
  });

  it("ends a session that was open, with every item that is not acknowledged [resume.lost]", () => {
    const wired = baseInitiator().send("a", "b");
    wired.out();
    wired.send("c").down();
    wired.up();
    wired.bytes(framed(hello("VOSH", { flags: 0x01 })));
    expect(wired.ended).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "rejected", blame: "peer" });
    const { undelivered } = wired.events.find((event) => event.type === "finished")!;
    expect(undelivered.items.map((item) => new TextDecoder().decode(item))).toEqual(["a", "b", "c"]);
    expect(undelivered.firstUnsent).toBe(2);
  });

  it("waits for the reason in the extended profile [resume.reject]", () => {
    const wired = extendedInitiator();
    wired.down().up();
    wired.bytes(framed(hello("VOSH", { flags: 0x81 })));
    expect(wired.ended).toBeUndefined();
    wired.bytes(control(6, 3, 0, "too late"));
    expect(wired.ended).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "expired" });
  });

  it("begins a new session when the first one never was open [resume.reject]", () => {
    const wired = new Wired("initiator", "extended").send("kept");
    wired.up();
    wired.bytes(framed(hello("VOSH", { resumeKey: key(1) }, true)));
    wired.down();
    expect(wired.up()).toEqual(framed(hello("VOCH", { resumeKey: key(1) }, true)));
    wired.bytes(framed(hello("VOSH", { flags: 0x81 })));
    expect(wired.ended).toBeUndefined();
    wired.down();
    expect(wired.up()).toEqual(framed(hello("VOCH", {}, true)));
  });
});

function bodiesOf(bytes: Uint8Array): Uint8Array[] {
  return recordsOf(bytes).map(({ body }) => body);
}
