// Peers that break the rules, and peers that mean harm. Each gets a typed error or a closed link; a session that runs
// alongside never notices; afterwards memory and sockets are back to where they were (cleanSlate checks that).
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connect, type ListenOptions } from "../../src/node.js";
import { settingsRecord } from "../../src/proto/control.js";
import { threadCore } from "../../src/wasm/core.js";
import { Random, seeds } from "../wasm/random.js";
import {
  accepted,
  bytes,
  type Conduit,
  Counter,
  cleanSlate,
  failure,
  heldBytes,
  lost,
  numbered,
  PROFILES,
  type Profile,
  portOf,
  RawPeer,
  type Service,
  sendNumbered,
  service,
  sourceFor,
  text,
  track,
  turn,
  until,
} from "./helpers.js";
import {
  answer,
  clientHello,
  control,
  frame,
  greet,
  joined,
  openRaw,
  openToRaw,
  rawServer,
  serverHello,
  u32,
  varint,
} from "./raw-session.js";

cleanSlate();

const SETTINGS = 0x01;
const ACK = 0x02;
const PING = 0x03;
const FIN = 0x05;
const ABORT = 0x06;
const VOLATILE = 0x40;

// ------------------------------------------------------------------ the session that runs alongside

let acceptor: Service;
let bystander: {
  client: Conduit;
  server: Conduit;
  counter: Counter;
  sent: number;
  running: boolean;
  done: Promise<void>;
};

async function withBystander(
  options: ListenOptions<Uint8Array, Uint8Array<ArrayBuffer>, unknown> = {},
): Promise<void> {
  acceptor = await service({ handshakeTimeoutMs: 5_000, ...options });
  const client = track(await connect<Uint8Array, Uint8Array<ArrayBuffer>>(sourceFor(portOf(acceptor))));
  const server = await accepted(acceptor);
  const counter = new Counter().attach(server);
  bystander = { client, server, counter, sent: 0, running: true, done: Promise.resolve() };
  bystander.done = (async () => {
    while (bystander.running) {
      await sendNumbered(client, bystander.sent, bystander.sent + 10, 50);
      bystander.sent += 10;
      await turn(1);
    }
  })();
}

beforeEach(() => withBystander());

/** The same, with an acceptor that has these options. */
async function anew(options: Parameters<typeof withBystander>[0]): Promise<void> {
  bystander.running = false;
  await bystander.done;
  await acceptor.close();
  await withBystander(options);
}

afterEach(async () => {
  bystander.running = false;
  await bystander.done;
  await bystander.client.delivered({ timeoutMs: 5_000 });
  expect(bystander.counter.next).toBe(bystander.sent);
  expect([bystander.client.stats().links, bystander.server.stats().links]).toEqual([1, 1]);
  // Nothing but the session alongside is left at the acceptor.
  await until(() => acceptor.stats().pendingHandshakes === 0);
});

/** Everything the acceptor has beside the bystander is gone. */
async function onlyBystander(): Promise<void> {
  await until(() => acceptor.stats().sessions === 1 && acceptor.stats().pendingHandshakes === 0);
}

// ------------------------------------------------------------------ before the session

describe("before there is a session", () => {
  test.for(seeds(40))("random bytes close the link, seed %i [hello.bad]", async (seed) => {
    const random = new Random(seed);
    const peer = await RawPeer.dial(portOf(acceptor));
    const junk = random.bytes(29 + random.below(200));
    if (random.oneIn(2)) junk.set(u32(25)); // a right length in front of random bytes
    for (let at = 0; at < junk.length && !peer.closed; ) {
      const size = random.between(1, 40);
      await peer.push(junk.subarray(at, at + size));
      at += size;
    }
    await until(() => peer.closed);
    expect(peer.receivedBytes).toBe(0);
    await onlyBystander();
  });

  test.each<[string, Uint8Array]>([
    ["a wrong magic", joined(u32(25), new Uint8Array(25))],
    ["a ServerHello", serverHello("extended", new Uint8Array(16))],
    ["an HTTP request", bytes("GET / HTTP/1.1\r\nHost: example\r\n\r\n")],
    ["a frame", frame(0, bytes("hello"))],
    ["a control record", settingsRecord({})],
    ["a hello that is a byte too long", joined(u32(26), clientHello("base").subarray(4), Uint8Array.of(0))],
    ["a hello that is a byte too short", joined(u32(24), clientHello("base").subarray(4, 28))],
    ["an endless length", u32(0xffff_ffff)],
    ["a length of zero", u32(0)],
  ])("%s in the place of the hello closes the link without an answer [hello.bad]", async (_, junk) => {
    const before = acceptor.stats().failedHandshakes;
    const peer = (await RawPeer.dial(portOf(acceptor))).write(junk);
    await until(() => peer.closed);
    expect(peer.receivedBytes).toBe(0);
    expect(acceptor.stats().failedHandshakes).toBe(before + 1);
  });

  test("a peer that stalls anywhere in the handshake is closed in handshakeTimeoutMs [hello.timeout]", async () => {
    await anew({ handshakeTimeoutMs: 300 });
    const hello = clientHello("extended");
    const settings = settingsRecord({});
    const stalls = [
      new Uint8Array(0),
      hello.subarray(0, 3),
      hello.subarray(0, 28),
      hello,
      joined(hello, settings.subarray(0, 3)),
      joined(hello, settings.subarray(0, settings.length - 1), new Uint8Array(0)),
    ];
    const peers = await Promise.all(
      stalls.map(async (part) => (await RawPeer.dial(portOf(acceptor))).write(part)),
    );
    await until(() => acceptor.stats().pendingHandshakes === peers.length);
    const since = performance.now();
    await until(() => peers.every(({ closed }) => closed));
    expect(performance.now() - since).toBeLessThan(1_500);
    expect(acceptor.stats().sessions).toBe(1);
  });

  test.each<[string, Uint8Array]>([
    ["data", frame(0, bytes("x"))],
    ["another control record", control(PING, new Uint8Array(8))],
    ["an unknown control record", control(0x20)],
    ["SETTINGS that end within a field", control(SETTINGS, Uint8Array.of(1, 9, 1))],
    ["SETTINGS with an endless varint", control(SETTINGS, new Uint8Array(20).fill(0xff))],
    ["SETTINGS with a number of two values", control(SETTINGS, Uint8Array.of(1, 2, 1, 1))],
    [
      "SETTINGS with an agent above 256 bytes",
      control(SETTINGS, Uint8Array.of(5, 0x81, 0x02), new Uint8Array(257)),
    ],
    ["SETTINGS above the bound", joined(u32(0x8000_0000 + 65_537))],
    ["an empty control record", u32(0x8000_0000)],
  ])("%s in the place of SETTINGS closes the link, and no session begins [ext.settings]", async (_, junk) => {
    const peer = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended"));
    await peer.payload(0);
    peer.write(junk);
    await until(() => peer.closed);
    expect(acceptor.stats().sessions).toBe(1);
  });

  test("credentials in thousands of small pieces are read once they are complete, without much work", async () => {
    const settings = settingsRecord({ credentials: new Uint8Array(60_000).fill(7) });
    const peer = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended"));
    await peer.payload(0);
    const before = process.cpuUsage().user;
    for (let at = 0; at < settings.length; at += 20) {
      await peer.push(settings.subarray(at, at + 20));
      if (at % 400 === 0) await turn();
      if (peer.closed) break;
    }
    expect((process.cpuUsage().user - before) / 1e3).toBeLessThan(2_000);
    // Either it was quick enough, or the handshake has timed out: nothing else may happen.
    await until(() => peer.closed || acceptor.stats().sessions === 2);
    if (!peer.closed) (await accepted(acceptor)).abort();
  });

  test("an unknown key is REJECTED, with zeros for a key and the reason behind it [resume.reject]", async () => {
    for (const profile of PROFILES) {
      const peer = (await RawPeer.dial(portOf(acceptor))).write(
        clientHello(profile, new Uint8Array(16).fill(3), 5),
      );
      const hello = await peer.payload(0);
      expect(hello[4]).toBe(profile === "extended" ? 0x81 : 0x01);
      expect(hello.subarray(5).every((byte) => byte === 0)).toBe(true);
      if (profile === "extended") expect([...(await peer.payload(1)).subarray(0, 3)]).toEqual([ABORT, 4, 0]);
      await until(() => peer.closed);
    }
  });

  test("a thousand half handshakes at once cost what they are allowed to, and go away [hello.timeout]", async () => {
    await anew({ maxPendingHandshakes: 300, handshakeTimeoutMs: 2_000 });
    const usedBytes = threadCore().memory.usedBytes;
    const hello = clientHello("extended");
    const peers = await Promise.all(
      Array.from({ length: 1_000 }, async (_, n) =>
        (await RawPeer.dial(portOf(acceptor))).write(hello.subarray(0, n % 30)),
      ),
    );
    // Rings of the session alongside aside, a handshake takes no linear memory.
    expect(threadCore().memory.usedBytes - usedBytes).toBeLessThan(200_000);
    await until(() => acceptor.stats().overflowed >= 500);
    expect(acceptor.stats().pendingHandshakes).toBeLessThanOrEqual(300);
    // A legitimate session may be refused meanwhile; it comes through by trying again.
    const late = track(await connect(sourceFor(portOf(acceptor)), { retry: { baseMs: 20, capMs: 100 } }));
    await until(() => peers.every(({ closed }) => closed), 10_000);
    expect(acceptor.stats().sessions).toBe(2);
    expect(acceptor.stats()).toMatchObject({ pendingHandshakes: 0 });
    await late.close();
    await onlyBystander();
  });
});

// ------------------------------------------------------------------ within a session

const violations: [string, Profile | "both", string, () => Uint8Array][] = [
  ["a record above maxFrameBytes", "both", "link.max", () => u32(0x0100_0000)],
  ["the largest length there is", "base", "link.max", () => u32(0xffff_ffff)],
  ["the largest control record", "extended", "link.max", () => u32(0xffff_ffff)],
  ["an empty record", "both", "frame.exact", () => u32(0)],
  [
    "a frame that is short by a byte",
    "both",
    "frame.exact",
    () => joined(u32(8), Uint8Array.of(0, 0, 3, 0, 0, 0, 1, 2)),
  ],
  [
    "a frame that is long by a byte",
    "both",
    "frame.exact",
    () => joined(u32(8), Uint8Array.of(0, 0, 1, 0, 0, 0, 1, 2)),
  ],
  ["an option tag of 2", "both", "frame.exact", () => joined(u32(7), Uint8Array.of(0, 2, 1, 0, 0, 0, 1))],
  [
    "a seq of 33 bits",
    "both",
    "frame.minimal",
    () => joined(u32(10), Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0, 0, 0)),
  ],
  [
    "a seq of six bytes",
    "both",
    "frame.minimal",
    () => joined(u32(11), Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 0, 0)),
  ],
  [
    "an item length beyond the record",
    "both",
    "frame.exact",
    () => joined(u32(7), Uint8Array.of(0, 0, 0xff, 0xff, 0xff, 0xff, 1)),
  ],
  ["an ack for what was never sent", "base", "ack.invalid", () => frame(0, bytes("x"), 4_000_000)],
  ["an ACK record for what was never sent", "extended", "ack.invalid", () => control(ACK, varint(0))],
  ["an ack in a data record", "extended", "ext.data", () => frame(0, bytes("x"), 0)],
  ["a gap", "extended", "recv.gap", () => frame(1, bytes("x"))],
  ["an unknown control type", "extended", "ext.unknown", () => control(0x3f)],
  ["an empty control record", "extended", "ext.control", () => u32(0x8000_0000)],
  ["a PING of seven bytes", "extended", "ext.control", () => control(PING, new Uint8Array(7))],
  ["a PING of nine bytes", "extended", "ext.control", () => control(PING, new Uint8Array(9))],
  [
    "an ACK of 33 bits",
    "extended",
    "frame.minimal",
    () => control(ACK, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x1f)),
  ],
  ["an ABORT without its fields", "extended", "ext.control", () => control(ABORT)],
  [
    "an ABORT with a novel",
    "extended",
    "ext.control",
    () => control(ABORT, varint(7), varint(0), new Uint8Array(257).fill(65)),
  ],
  ["a FIN ahead of its items", "extended", "recv.gap", () => control(FIN, varint(1))],
  ["an item after FIN", "extended", "ext.fin", () => joined(control(FIN, varint(0)), frame(1, bytes("x")))],
  ["a second FIN", "extended", "ext.fin", () => joined(control(FIN, varint(0)), control(FIN, varint(1)))],
  [
    "a FIN in the place of an item",
    "extended",
    "ext.fin",
    () => joined(frame(0, bytes("x")), control(FIN, varint(0))),
  ],
  [
    "SETTINGS with a smaller maxFrameBytes",
    "extended",
    "ext.settings",
    () => settingsRecord({ maxFrameBytes: 5 }),
  ],
  [
    "a volatile item above maxFrameBytes",
    "extended",
    "link.max",
    () => joined(u32(0x8000_0000 + 100_002), Uint8Array.of(VOLATILE), new Uint8Array(100_001)),
  ],
];

describe("within a session", () => {
  beforeEach(async () => {
    await anew({ maxFrameBytes: 100_000 });
  });

  const cases = violations.flatMap(([what, profile, rule, make]) =>
    (profile === "both" ? PROFILES : [profile]).map((each) => [what, each, rule, make] as const),
  );

  test.each(cases)(
    "%s ends the session with CONDUIT_PROTOCOL, once [error.fatal]: %s [%s]",
    async (_, profile, rule, make) => {
      const { raw, conduit } = await openRaw(acceptor, profile);
      conduit.onItems = () => {};
      const ends: unknown[] = [];
      conduit.on("close", (close) => ends.push(close));
      const before = raw.payloads.length;
      raw.write(make(), frame(7, bytes("and on it goes")));
      const { error } = await lost(conduit);
      expect(error).toMatchObject({ code: "CONDUIT_PROTOCOL", blame: "peer", fatal: true, rule });
      expect(error.message).toContain(`[${rule}]`);
      await until(() => raw.closed);
      if (profile === "extended") {
        const last = raw.payloads.at(-1)!;
        expect(raw.payloads.length).toBeGreaterThan(before);
        expect([last[0], last[1]]).toEqual([ABORT, 1]); // violation
        expect(last.toString()).toContain(rule);
      }
      await turn();
      expect(ends.length).toBe(1);
      await onlyBystander();
    },
  );

  test.for(seeds(30))(
    "random records in a session end it with a typed error or do nothing, seed %i [error.fatal]",
    async (seed) => {
      const random = new Random(seed);
      const { raw, conduit } = await openRaw(acceptor, random.pick(PROFILES));
      conduit.onItems = () => {};
      for (let i = 0; i < 300 && !raw.closed; i++) {
        const body = random.bytes(random.below(40));
        const header = random.oneIn(3) ? 0x8000_0000 + body.length : body.length;
        if (random.oneIn(4) && body.length > 0) body[0] = random.pick([1, 2, 3, 4, 5, 6, 7, 0x40]);
        await raw.push(random.oneIn(50) ? random.bytes(10) : joined(u32(header), body));
      }
      raw.socket.destroy();
      if (conduit.status.state === "closed") {
        const { error } = await lost(conduit);
        expect([
          "CONDUIT_PROTOCOL",
          "CONDUIT_ABORTED",
          "CONDUIT_SESSION_LOST",
          "CONDUIT_UNAUTHORIZED",
        ]).toContain(error.code);
      } else {
        conduit.abort();
      }
      await onlyBystander();
    },
  );

  test("control records of unknown types from 0x40 on are skipped, wherever the chunks split them [ext.unknown] [ext.record]", async () => {
    const { raw, conduit } = await openRaw(acceptor);
    const records = joined(
      control(0x41),
      frame(0, bytes("one")),
      control(0xff, new Uint8Array(300)),
      frame(1, bytes("two")),
      control(0x7f, bytes("x")),
    );
    const received: string[] = [];
    conduit.onItems = (batch) => {
      for (const item of batch) received.push(text(item)!);
    };
    for (let at = 0; at < records.length; at += 7) {
      await raw.push(records.subarray(at, at + 7));
      await turn();
    }
    await until(() => received.length === 2);
    expect(received).toEqual(["one", "two"]);
    expect(conduit.status.state).toBe("open");
    conduit.abort();
  });

  test("a large length with a trickle of bytes costs what has come, not what was announced [link.max]", async () => {
    const before = heldBytes();
    const peers = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const peer = await openRaw(acceptor);
        peer.raw.write(u32(100_000), new Uint8Array(10));
        return peer;
      }),
    );
    await turn(20);
    // 50 x 64 KiB at the most, however large the records were to become.
    expect(heldBytes() - before).toBeLessThan(50 * 80_000);
    for (const { conduit } of peers) conduit.abort();
    await onlyBystander();
  });

  test("more than receiveWindow unhanded is a violation; the same as a sequence of acknowledged items is not [ext.window]", async () => {
    const window = 65_536;
    await acceptorWithWindow(window);
    const { raw, conduit } = await openRaw(acceptor);
    // Nobody takes anything: the window is all there is.
    const item = new Uint8Array(1_000);
    for (let seq = 0; seq < 80; seq++) raw.write(frame(seq, item));
    const { error } = await lost(conduit);
    expect(error).toMatchObject({ code: "CONDUIT_PROTOCOL", rule: "ext.window" });
    expect(conduit.stats().receivedItems).toBeLessThan(66);
    await until(() => raw.closed);

    const polite = await openRaw(acceptor);
    polite.conduit.onItems = () => {};
    for (let seq = 0; seq < 1_000; seq++) {
      await polite.raw.push(frame(seq, item));
      if (seq % 60 === 59) await until(() => polite.conduit.stats().handedItems === seq + 1);
    }
    await until(() => polite.conduit.stats().handedItems === 1_000);
    polite.conduit.abort();
  });

  test("tiny items for a consumer that is stalled stay within a small multiple of the window [ext.window]", async () => {
    const window = 1 << 20;
    await acceptorWithWindow(window);
    const { raw, conduit } = await openRaw(acceptor);
    const before = heldBytes();
    let seq = 0;
    while (13 * (seq + 500) < window) {
      const part: Uint8Array[] = [];
      for (let i = 0; i < 500; i++) part.push(frame(seq++, Uint8Array.of(1)));
      await raw.push(joined(...part));
    }
    await until(() => conduit.stats().receivedItems === seq);
    expect(heldBytes() - before).toBeLessThan(6 * window);
    let handed = 0;
    conduit.onItems = (batch) => {
      handed += batch.length;
    };
    expect(handed).toBe(seq);
    conduit.abort();
  });

  test("duplicates and control records around a few new items are not kept while the consumer is stalled [recv.duplicate]", async () => {
    const { raw, conduit } = await openRaw(acceptor);
    const duplicates = joined(...Array.from({ length: 4_000 }, () => frame(0, bytes("again"))));
    const skipped = joined(...Array.from({ length: 800 }, () => control(0x50, new Uint8Array(50))));
    const before = heldBytes();
    const rounds = 400;
    for (let seq = 0; seq < rounds; seq++) {
      await raw.push(joined(frame(seq, bytes("new")), duplicates, skipped));
    }
    await until(() => conduit.stats().receivedItems === rounds);
    // 40 MB have come, of which a few kilobytes are items; the newest chunks may be there still.
    await until(() => heldBytes() - before < 5_000_000);
    const items: string[] = [];
    conduit.onItems = (batch) => {
      for (const item of batch) items.push(text(item)!);
    };
    await until(() => items.length === rounds);
    expect(new Set(items)).toEqual(new Set(["new"]));
    conduit.abort();
  });

  test("a flood of PINGs from a peer that reads no PONG queues one answer, not thousands [ext.ping]", async () => {
    const { raw, conduit } = await openRaw(acceptor);
    raw.socket.pause();
    const flood = joined(...Array.from({ length: 4_000 }, (_, n) => control(PING, joined(u32(n), u32(n)))));
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 250; i++) await raw.push(flood);
    // A million answers would be 100 MB and more in objects.
    expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000);
    expect(conduit.machine.outBytes).toBeLessThan(1_000);
    conduit.abort();
    await onlyBystander();
    expect(conduit.status.state).toBe("closed");
  });

  test("a peer that reads nothing is held back at the ring's bound, and its session can be aborted [replay.bound]", async () => {
    const { raw, conduit } = await openRaw(acceptor);
    raw.socket.pause();
    await failure(
      (async () => {
        for (;;) conduit.send(new Uint8Array(50_000));
      })(),
    );
    await turn(10);
    expect(conduit.stats().ringBytes).toBeLessThanOrEqual(16 << 20);
    conduit.abort();
    await onlyBystander();
  });

  test("in the base profile gaps are held within their bound, and then the link is dropped [recv.gap]", async () => {
    const { raw, conduit } = await openRaw(acceptor, "base");
    for (let seq = 1; seq < 3_000; seq++) await raw.push(frame(seq, new Uint8Array(10)));
    await until(() => raw.closed);
    expect(conduit.status).toMatchObject({ state: "reconnecting", error: { code: "CONDUIT_LINK" } });
    expect((conduit.status as { error: Error }).error.message).toContain("[recv.gap]");
    expect(conduit.stats().receivedItems).toBe(0);
    conduit.abort();
  });

  test("in the base profile a consumer that is stalled pauses the link [ext.window]", async () => {
    await acceptorWithWindow(1 << 18);
    const { raw, conduit } = await openRaw(acceptor, "base");
    let written = 0;
    (async () => {
      for (let seq = 0; seq < 20_000 && !raw.closed; seq++) {
        await raw.push(frame(seq, new Uint8Array(1_000)));
        written++;
      }
    })();
    await until(() => written > 300 && conduit.stats().unhandedBytes > 1 << 18);
    await turn(50);
    expect(conduit.stats().unhandedBytes).toBeLessThan((1 << 18) + 200_000);
    const counted = conduit.stats().receivedItems;
    await turn(30);
    expect(conduit.stats().receivedItems).toBe(counted);
    let handed = 0;
    conduit.onItems = (batch) => {
      handed += batch.length;
    };
    await until(() => handed === 20_000);
    conduit.abort();
  });
});

async function acceptorWithWindow(receiveWindow: number): Promise<void> {
  await anew({ maxFrameBytes: 100_000, receiveWindow });
}

// ------------------------------------------------------------------ keys

describe("keys", () => {
  test.each(PROFILES)(
    "an old key is void after the rotation: it is REJECTED and the session goes on: %s [resume.commit]",
    async (profile) => {
      const { raw, conduit, key } = await openRaw(acceptor, profile);
      raw.write(frame(0, bytes("one")));
      expect(text(await conduit.recv())).toBe("one");
      // The owner comes back with its key and gets the next one, which it shows to have.
      const again = await RawPeer.dial(portOf(acceptor));
      const next = await greet(again, profile, key, null);
      expect(next).not.toEqual(key);
      again.write(frame(1, bytes("two")));
      expect(text(await conduit.recv())).toBe("two");
      await until(() => raw.closed); // taken over

      const thief = (await RawPeer.dial(portOf(acceptor))).write(clientHello(profile, key, null));
      expect((await thief.payload(0))[4] & 1).toBe(1);
      await until(() => thief.closed);
      expect(conduit.status.state).toBe("open");
      again.write(frame(2, bytes("three")));
      expect(text(await conduit.recv())).toBe("three");
      conduit.abort();
    },
  );

  test("a right key with a position that cannot be changes nothing [resume.check]", async () => {
    const { raw, conduit, key } = await openRaw(acceptor);
    const liar = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended", key, 12_345));
    expect((await liar.payload(0))[4] & 1).toBe(1);
    const otherProfile = (await RawPeer.dial(portOf(acceptor))).write(clientHello("base", key, null));
    expect((await otherProfile.payload(0))[4] & 1).toBe(1);
    await until(() => liar.closed && otherProfile.closed);
    raw.write(frame(0, bytes("still here")));
    expect(text(await conduit.recv())).toBe("still here");
    conduit.abort();
  });

  test("a right key alone takes nothing over in the extended profile: SETTINGS must come first [ext.commit]", async () => {
    await anew({ handshakeTimeoutMs: 500 });
    const { raw, conduit, key } = await openRaw(acceptor);
    const half = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended", key, null));
    await half.payload(0);
    raw.write(frame(0, bytes("still here")));
    expect(text(await conduit.recv())).toBe("still here");
    await until(() => half.closed);
    expect(conduit.stats().links).toBe(1);
    conduit.abort();
  });
});

// ------------------------------------------------------------------ acceptors that break the rules

describe("an acceptor that breaks the rules", () => {
  test.each<[string, (profile: Profile) => Uint8Array]>([
    ["an HTTP answer", () => bytes("HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n")],
    ["a ClientHello", (profile) => clientHello(profile)],
    ["a frame", () => frame(0, bytes("x"))],
    ["an endless length", () => u32(0xffff_ffff)],
  ])(
    "%s in the place of the ServerHello is a failed attempt; the next one succeeds [hello.bad]",
    async (_, make) => {
      for (const profile of PROFILES) {
        const server = await rawServer();
        const opening = connect(sourceFor(server.port), { profile, retry: { baseMs: 1, capMs: 2 } });
        const portal = await server.next();
        portal.write(make(profile));
        await until(() => portal.closed);
        const real = await server.next();
        await answer(real, profile);
        const client = track(await opening);
        expect(client.status.state).toBe("open");
        client.abort();
      }
    },
  );

  test("an acceptor that stalls in the handshake costs an attempt of handshakeTimeoutMs [hello.timeout]", async () => {
    const server = await rawServer();
    const opening = connect(sourceFor(server.port), {
      handshakeTimeoutMs: 50,
      retry: { baseMs: 1, capMs: 2 },
    });
    const silent = await server.next();
    await until(() => silent.closed);
    const half = await server.next();
    await half.payload(0);
    half.write(serverHello("extended", new Uint8Array(16).fill(1)));
    await until(() => half.closed);
    await answer(await server.next(), "extended");
    const client = track(await opening);
    client.abort();
  });

  test("an extended answer to a base hello is a failed attempt [hello.ext]", async () => {
    const server = await rawServer();
    const opening = connect(sourceFor(server.port), { profile: "base", retry: { baseMs: 1, capMs: 2 } });
    const wrong = await server.next();
    await wrong.payload(0);
    wrong.write(serverHello("extended", new Uint8Array(16).fill(1)));
    await until(() => wrong.closed);
    await answer(await server.next(), "base");
    track(await opening).abort();
  });

  test("a base answer to an extended hello is a base session; in an extended session it means a restart [hello.ext]", async () => {
    const first = await rawServer();
    const opening = connect(sourceFor(first.port));
    await answer(await first.next(), "base");
    const base = track(await opening);
    expect(base.status).toMatchObject({ state: "open", profile: "base" });
    base.abort();

    const { raw, server, conduit } = await openToRaw("extended");
    conduit.send(bytes("kept"));
    raw.socket.destroy();
    await answer(await server.next(), "base");
    const { error, undelivered } = await lost(conduit);
    expect(error).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "peer-restarted" });
    expect([...undelivered].map(text)).toEqual(["kept"]);
  });

  test("an acceptor that has forgotten what it acknowledged is a restarted one; one that knows the future is a violation [resume.lost] [ack.invalid]", async () => {
    const { raw, server, conduit } = await openToRaw("extended");
    conduit.send(bytes("zero"));
    conduit.send(bytes("one"));
    await raw.payload(3);
    raw.write(control(ACK, varint(1)));
    await until(() => conduit.stats().unackedItems === 0);
    raw.socket.destroy();
    await answer(await server.next(), "extended", 0).catch(() => {});
    expect((await lost(conduit)).error).toMatchObject({
      code: "CONDUIT_SESSION_LOST",
      reason: "peer-restarted",
    });

    const second = await openToRaw("extended");
    second.raw.socket.destroy();
    await answer(await second.server.next(), "extended", 7).catch(() => {});
    expect((await lost(second.conduit)).error).toMatchObject({
      code: "CONDUIT_PROTOCOL",
      rule: "ack.invalid",
    });
  });

  test("REJECTED ends the session with what was not delivered; with a reason that follows it is told [resume.lost] [resume.reject]", async () => {
    for (const reason of [false, true]) {
      const { raw, server, conduit } = await openToRaw("extended");
      for (let n = 0; n < 3; n++) conduit.send(numbered(n));
      raw.socket.destroy();
      const next = await server.next();
      await next.payload(0);
      const rejected = serverHello("extended", new Uint8Array(16));
      rejected[8] |= 1;
      next.write(rejected);
      if (reason) next.write(control(ABORT, varint(3), varint(0), bytes("too late")));
      else next.socket.end();
      const { error, undelivered } = await lost(conduit);
      expect(error).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: reason ? "expired" : "rejected" });
      if (reason) expect(error.message).toContain("too late");
      expect(undelivered.length).toBe(3);
    }
  });

  test("violations of an acceptor end the initiator's session too, without another attempt [error.fatal]", async () => {
    for (const profile of PROFILES) {
      const { raw, server, conduit } = await openToRaw(profile);
      raw.write(u32(0x7fff_ffff));
      const { error } = await lost(conduit);
      expect(error).toMatchObject({ code: "CONDUIT_PROTOCOL", rule: "link.max" });
      await turn(20);
      expect(server.dialled()).toBe(1);
    }
  });

  test("a GOAWAY storm does not make the initiator dial in a storm [ext.control]", async () => {
    const { raw, server } = await openToRaw("extended", { retry: { baseMs: 1, capMs: 1 } });
    raw.write(...Array.from({ length: 500 }, () => control(0x07, varint(60_000))));
    await until(() => raw.closed);
    await turn(50);
    expect(server.dialled()).toBe(1); // it was asked to stay away for a minute
  });

  test("a retry-after beyond what a timer can count is long, not now", async () => {
    const { raw, server } = await openToRaw("extended", { retry: { baseMs: 1, capMs: 1 } });
    raw.write(control(0x07, varint(2 ** 45)));
    await until(() => raw.closed);
    await turn(50);
    expect(server.dialled()).toBe(1);
  });
});
