// Every way to send: what is accepted arrives once and in order, what throws or rejects has changed nothing.
import { describe, expect, test } from "vitest";
import { type Bytes, type LinkSource, StableConduit } from "../../src/node.js";
import {
  accepted,
  bytes,
  type Conduit,
  Counter,
  cleanSlate,
  failure,
  gated,
  later,
  lost,
  numbered,
  numberOf,
  PROFILES,
  portOf,
  RawPeer,
  sendNumbered,
  service,
  session,
  sourceFor,
  take,
  text,
  thrown,
  timeout,
  track,
  turn,
  until,
} from "./helpers.js";
import { openRaw } from "./raw-session.js";

cleanSlate();

const never: LinkSource = { nextLink: () => new Promise(() => {}) };

/** Sends until the ring is full; how many were accepted. */
function fill(conduit: Conduit, size = 100): number {
  for (let n = 0; ; n++) {
    try {
      conduit.send(numbered(n, size));
    } catch (error) {
      expect(error).toMatchObject({ code: "CONDUIT_REPLAY_FULL", blame: "local", fatal: false });
      return n;
    }
  }
}

describe("send", () => {
  test("send() copies: the item may change at once", async () => {
    const { client, server } = await session();
    const item = bytes("hello");
    client.send(item);
    item.fill(0);
    expect(await take(server, 1)).toEqual(["hello"]);
  });

  test.each(PROFILES)("items of every size arrive, from none to maxFrameBytes: %s", async (profile) => {
    const { client, server } = await session({ both: { profile, maxFrameBytes: 1 << 20 } });
    const sizes = [0, 1, 127, 128, 1_023, 65_535, 65_536, 65_537, 0, 300_000, 1 << 20, 5];
    for (const size of sizes) await client.write(new Uint8Array(size).fill(size & 0xff));
    for (const size of sizes) {
      const item = await server.recv();
      expect(item?.length).toBe(size);
      expect(item?.every((byte) => byte === (size & 0xff))).toBe(true);
    }
  });

  test("an item above maxFrameBytes throws CONDUIT_FRAME_TOO_LARGE everywhere and changes nothing [link.max]", async () => {
    const { client, server } = await session({ server: { maxFrameBytes: 1_000 } });
    const large = new Uint8Array(1_001);
    const expected = { code: "CONDUIT_FRAME_TOO_LARGE", blame: "local", fatal: false };
    expect(thrown(() => client.send(large))).toMatchObject(expected);
    expect(thrown(() => client.sendBatch(large, Uint32Array.of(1_001)))).toMatchObject(expected);
    expect(thrown(() => client.sendInto(1_001, (_, at) => at))).toMatchObject(expected);
    expect(thrown(() => client.sendVolatile(large))).toMatchObject(expected);
    expect(await failure(client.write(large))).toMatchObject(expected);
    expect(client.stats()).toMatchObject({ sentItems: 0, ringBytes: 0 });
    client.send(new Uint8Array(1_000));
    expect((await server.recv())?.length).toBe(1_000);
  });

  test("what is no Uint8Array throws CONDUIT_ENCODE", async () => {
    const { client } = await session();
    const impostors = [
      Object.create(Uint8Array.prototype),
      new Proxy(new Uint8Array(3), {}),
      Object.setPrototypeOf([1, 2], Uint8Array.prototype),
    ];
    for (const item of ["text", 7, null, undefined, new ArrayBuffer(3), [1, 2], ...impostors] as never[]) {
      expect(thrown(() => client.send(item))).toMatchObject({ code: "CONDUIT_ENCODE", blame: "local" });
      expect(thrown(() => client.sendVolatile(item))).toMatchObject({ code: "CONDUIT_ENCODE" });
      expect(await failure(client.write(item))).toMatchObject({ code: "CONDUIT_ENCODE" });
    }
    expect(client.stats().sentItems).toBe(0);
  });

  test("an item is the bytes that it has, whatever its properties say of them", async () => {
    const { client, server } = await session();
    const lies: PropertyDescriptorMap[] = [
      { length: { value: 1 } },
      { length: { value: 60_000 } },
      { length: { value: Number.NaN } },
      { length: { value: 1 }, byteLength: { value: 1 }, byteOffset: { value: 3 } },
      { subarray: { value: () => new Uint8Array(65_000) }, slice: { value: () => new Uint8Array(3) } },
      { constructor: { value: { [Symbol.species]: Uint32Array } } },
    ];
    const volatile: Bytes[] = [];
    server.on("volatile", (item) => volatile.push(item));
    for (const size of [10, 500, 5_000, 70_000, 200_000]) {
      for (const lie of lies) {
        const bytesThere = new Uint8Array(size).fill(7);
        const item = Object.defineProperties(new Uint8Array(size).fill(7), lie);
        client.send(item);
        await client.write(item);
        expect(client.sendBatch(item, Uint32Array.of(size))).toBe(1);
        for (let way = 0; way < 3; way++) {
          expect(Buffer.compare((await server.recv())!, bytesThere), `${size} ${Object.keys(lie)}`).toBe(0);
        }
        expect(client.sendVolatile(item)).toBe(true);
        await until(() => volatile.length === 1);
        expect(Buffer.compare(volatile.pop()!, bytesThere)).toBe(0);
      }
    }
  });

  test("a full ring throws CONDUIT_REPLAY_FULL; what was accepted arrives, and then there is room again [replay.bound]", async () => {
    const acceptor = await service();
    const client = track(
      StableConduit.create<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), { replayBytes: 8_192 }),
    );
    const count = fill(client);
    expect(count).toBeGreaterThan(60);
    expect(client.stats()).toMatchObject({ sentItems: count, unackedItems: count });
    expect(client.stats().ringBytes).toBeLessThanOrEqual(8_192);
    const counter = new Counter().attach(await accepted(acceptor));
    await client.delivered();
    expect(counter.next).toBe(count);
    client.send(numbered(count));
    await client.delivered();
    expect(counter.next).toBe(count + 1);
  });

  test("a Buffer and a view with an offset are sent as their own bytes only", async () => {
    const { client, server } = await session();
    client.send(Buffer.from("a buffer of the pool"));
    client.send(bytes("xx view xx").subarray(3, 7));
    expect(await take(server, 2)).toEqual(["a buffer of the pool", "view"]);
  });
});

describe("sendBatch", () => {
  test("sendBatch() accepts all items of a batch: empty ones, large ones, many", async () => {
    const { client, server } = await session();
    expect(client.sendBatch(new Uint8Array(0), new Uint32Array(0))).toBe(0);
    expect(client.sendBatch(new Uint8Array(0), Uint32Array.of(0, 0, 0))).toBe(3);
    const sizes = [3, 0, 70_000, 1, 65_536, 65_537, 200_000, 2, 2];
    const all = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
    for (let i = 0; i < all.length; i++) all[i] = i % 251;
    expect(client.sendBatch(all, Uint32Array.from(sizes))).toBe(sizes.length);
    for (let i = 0; i < 3; i++) expect((await server.recv())?.length).toBe(0);
    let offset = 0;
    for (const size of sizes) {
      const item = await server.recv();
      expect(Buffer.compare(item!, all.subarray(offset, offset + size))).toBe(0);
      offset += size;
    }
    const count = 50_000;
    const many = new Uint8Array(4 * count);
    for (let n = 0; n < count; n++) many.set(numbered(n), 4 * n);
    const counter = new Counter().attach(server);
    expect(client.sendBatch(many, new Uint32Array(count).fill(4))).toBe(count);
    await client.delivered();
    expect(counter.next).toBe(count);
  });

  test("sendBatch() returns the prefix that fits; the rest goes when there is room", async () => {
    const acceptor = await service();
    const client = track(
      StableConduit.create<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), { replayBytes: 8_192 }),
    );
    const count = 3_000;
    const size = 20;
    const all = new Uint8Array(size * count);
    for (let n = 0; n < count; n++) all.set(numbered(n, size), size * n);
    const lengths = new Uint32Array(count).fill(size);
    let sent = client.sendBatch(all, lengths);
    expect(sent).toBeGreaterThan(100);
    expect(sent).toBeLessThan(count);
    expect(client.stats().sentItems).toBe(sent);
    expect(client.sendBatch(all.subarray(sent * size), lengths.subarray(sent))).toBe(0);
    const counter = new Counter().attach(await accepted(acceptor));
    while (sent < count) {
      await client.delivered();
      sent += client.sendBatch(all.subarray(sent * size), lengths.subarray(sent));
    }
    await client.delivered();
    expect(counter.next).toBe(count);
  });

  test("sendBatch() accepts nothing when the lengths do not add up or one item is too large", async () => {
    const { client, server } = await session({ both: { maxFrameBytes: 100 } });
    const expected = { code: "CONDUIT_OPTIONS", blame: "local", fatal: false };
    expect(thrown(() => client.sendBatch(new Uint8Array(9), Uint32Array.of(4, 4)))).toMatchObject(expected);
    expect(thrown(() => client.sendBatch(new Uint8Array(7), Uint32Array.of(4, 4)))).toMatchObject(expected);
    expect(thrown(() => client.sendBatch(new Uint8Array(0), Uint32Array.of(1)))).toMatchObject(expected);
    expect(thrown(() => client.sendBatch(new Uint8Array(105), Uint32Array.of(4, 101))).code).toBe(
      "CONDUIT_FRAME_TOO_LARGE",
    );
    expect(client.stats().sentItems).toBe(0);
    client.send(bytes("next"));
    expect(await take(server, 1)).toEqual(["next"]);
  });
});

describe("sendInto", () => {
  test("sendInto() encodes in place, with fewer bytes than asked for, and none", async () => {
    const { client, server } = await session();
    client.sendInto(100, (ring, at) => {
      ring.set(bytes("short"), at);
      return at + 5;
    });
    client.sendInto(100, (_, at) => at);
    client.sendInto(0, (_, at) => at);
    client.sendInto(200_000, (ring, at) => {
      ring.fill(7, at, at + 200_000);
      return at + 200_000;
    });
    expect(await take(server, 3)).toEqual(["short", "", ""]);
    expect((await server.recv())?.every((byte) => byte === 7)).toBe(true);
  });

  test("sendInto(): a throw cancels, and so does an end offset out of range", async () => {
    const { client, server } = await session();
    const reason = new Error("no value");
    const nothing = () => {
      throw reason;
    };
    expect(thrown(() => client.sendInto(10, nothing))).toBe(reason);
    for (const end of [-1, 0.5, 11, Number.NaN, undefined as unknown as number]) {
      expect(thrown(() => client.sendInto(10, (_, at) => at + end)).code).toBe("CONDUIT_ENCODE");
    }
    expect(thrown(() => client.sendInto(10, () => 0)).code).toBe("CONDUIT_ENCODE");
    for (const max of [-1, 1.5, Number.NaN]) {
      expect(thrown(() => client.sendInto(max, (_, at) => at)).code).toBe("CONDUIT_OPTIONS");
    }
    expect(client.stats().sentItems).toBe(0);
    client.send(bytes("next"));
    expect(await take(server, 1)).toEqual(["next"]);
  });

  test("within sendInto() the conduit refuses to be used, and the item is sent all the same", async () => {
    const { client, server } = await session();
    const refused: string[] = [];
    const promises: Promise<unknown>[] = [];
    client.sendInto(10, (ring, at) => {
      for (const use of [
        () => client.send(bytes("x")),
        () => client.sendBatch(bytes("x"), Uint32Array.of(1)),
        () => client.sendInto(1, (_, at) => at),
        () => client.sendVolatile(bytes("x")),
        () => client.abort(),
      ]) {
        refused.push(thrown(use).code);
      }
      promises.push(client.write(bytes("x")), client.end(), client.close());
      ring.set(bytes("outer"), at);
      return at + 5;
    });
    expect(refused).toEqual(Array(5).fill("CONDUIT_OPTIONS"));
    for (const promise of promises) expect((await failure(promise)).code).toBe("CONDUIT_OPTIONS");
    client.send(bytes("next"));
    expect(await take(server, 2)).toEqual(["outer", "next"]);
  });

  test("a signal that ends the conduit within sendInto() ends it afterwards", async () => {
    const controller = new AbortController();
    const { client } = await session({ client: { signal: controller.signal } });
    client.sendInto(4, (_, at) => {
      controller.abort(new Error("now"));
      return at + 4;
    });
    expect((await lost(client)).error).toMatchObject({ code: "CONDUIT_ABORTED" });
  });
});

describe("sendVolatile", () => {
  test("sendVolatile() arrives as an event, out of band, and is neither acknowledged nor counted [ext.control]", async () => {
    const { client, server } = await session();
    const seen: string[] = [];
    server.on("volatile", (item) => seen.push(text(item)!));
    expect(client.sendVolatile(bytes("position"))).toBe(true);
    await until(() => seen.length === 1);
    expect(seen).toEqual(["position"]);
    expect(client.stats()).toMatchObject({ sentItems: 0, unackedItems: 0, volatileDropped: 0 });
    expect(server.stats().receivedItems).toBe(0);
  });

  test("sendVolatile() drops in the base profile, while there is no link, and while the link is congested", async () => {
    const base = await session({ both: { profile: "base" } });
    expect(base.client.sendVolatile(bytes("x"))).toBe(false);
    const offline = track(StableConduit.create<Uint8Array, Bytes>(never));
    expect(offline.sendVolatile(bytes("x"))).toBe(false);
    expect(offline.stats().volatileDropped).toBe(1);
  });

  test("a flood of volatile items that the peer does not read is dropped at highWaterBytes, not queued", async () => {
    const peer = await openRaw(await service({ highWaterBytes: 1 << 20 }));
    peer.raw.socket.pause();
    const item = new Uint8Array(10_000);
    let taken = 0;
    for (let i = 0; i < 2_000; i++) if (peer.conduit.sendVolatile(item)) taken++;
    expect(taken).toBeLessThan(200);
    // The kernel takes some megabytes, then nothing more is accepted.
    await until(() => {
      let some = false;
      for (let i = 0; i < 50; i++) if (peer.conduit.sendVolatile(item)) some = true;
      return !some;
    });
    expect(peer.conduit.congested).toBe(true);
  });
});

describe("write", () => {
  test("write() waits for room, first come first served, and send() does not overtake", async () => {
    const acceptor = await service();
    const client = track(
      StableConduit.create<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), { replayBytes: 8_192 }),
    );
    const first = fill(client);
    const settled: number[] = [];
    const writes = Array.from({ length: 200 }, (_, i) =>
      client.write(numbered(first + i, 100)).then(() => settled.push(i)),
    );
    for (const overtake of [
      () => client.send(new Uint8Array(1)),
      () => client.sendBatch(new Uint8Array(1), Uint32Array.of(1)),
      () => client.sendInto(1, (_, at) => at),
    ]) {
      expect(thrown(overtake)).toMatchObject({ code: "CONDUIT_REPLAY_FULL" });
    }
    await turn();
    expect(settled).toEqual([]);
    const counter = new Counter().attach(await accepted(acceptor));
    await Promise.all(writes);
    expect(settled).toEqual(writes.map((_, i) => i));
    client.send(numbered(first + 200));
    await client.delivered();
    expect(counter.next).toBe(first + 201);
  });

  test("an item whose memory was given away is refused, also when that happens while its write() waits: it is no empty item", async () => {
    const acceptor = await service();
    const source = gated(sourceFor(portOf(acceptor)));
    const client = track(StableConduit.create<Uint8Array, Bytes>(source, { replayBytes: 8_192 }));
    const giveAway = (item: Bytes) => void structuredClone(item, { transfer: [item.buffer] });
    for (const size of [10, 1_000, 100_000]) {
      const gone = new Uint8Array(size);
      giveAway(gone);
      expect(thrown(() => client.send(gone))).toMatchObject({ code: "CONDUIT_ENCODE", fatal: false });
      expect((await failure(client.write(gone))).code).toBe("CONDUIT_ENCODE");
    }
    const first = fill(client);
    const item = numbered(900, 100);
    const refused = failure(client.write(item));
    const kept = client.write(numbered(first, 100));
    giveAway(item);
    source.open();
    const counter = new Counter().attach(await accepted(acceptor));
    expect((await refused).code).toBe("CONDUIT_ENCODE");
    await kept;
    await client.delivered();
    expect([counter.next, client.stats().sentItems]).toEqual([first + 1, first + 1]);
  });

  test("an aborted or timed out write() is never sent, and delivered() does not wait for it", async () => {
    const acceptor = await service();
    const source = gated(sourceFor(portOf(acceptor)));
    const client = track(StableConduit.create<Uint8Array, Bytes>(source, { replayBytes: 8_192 }));
    const first = fill(client);
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const aborted = failure(client.write(numbered(900, 100), { signal: controller.signal }));
    const timedOut = failure(client.write(numbered(901, 100), { timeoutMs: 5 }));
    const kept = client.write(numbered(first, 100), { timeoutMs: 5_000 });
    const delivered = client.delivered();
    const last = failure(client.write(numbered(902, 100), { signal: controller.signal }));
    const deliveredToo = client.delivered();
    expect((await timedOut).name).toBe("TimeoutError");
    controller.abort(reason);
    expect([await aborted, await last]).toEqual([reason, reason]);
    source.open();
    const counter = new Counter().attach(await accepted(acceptor));
    await kept;
    await timeout(Promise.all([delivered, deliveredToo]), 5_000, "delivered()");
    expect(counter.next).toBe(first + 1);
  });

  test("write() with a signal that is aborted already rejects and sends nothing", async () => {
    const { client } = await session();
    const reason = new Error("too late");
    expect(await failure(client.write(bytes("x"), { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(client.stats().sentItems).toBe(0);
  });

  test("write()s that wait when the session ends reject, and are not among the undelivered: they were never accepted", async () => {
    const client = track(StableConduit.create<Uint8Array, Bytes>(never, { replayBytes: 4_096 }));
    const count = fill(client);
    const waiting = [failure(client.write(numbered(1, 100))), failure(client.write(numbered(2, 100)))];
    client.abort(new Error("stop"));
    for (const error of await Promise.all(waiting)) expect(error.code).toBe("CONDUIT_ABORTED");
    const { undelivered } = await lost(client);
    expect([undelivered.length, undelivered.firstUnsent]).toEqual([count, 0]);
    expect([...undelivered].map(numberOf)).toEqual(Array.from({ length: count }, (_, n) => n));
  });

  test("end() lets the write()s that wait go first, also when the last of them gives up", async () => {
    for (const giveUp of [false, true]) {
      const acceptor = await service();
      const client = track(
        StableConduit.create<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), { replayBytes: 4_096 }),
      );
      const first = fill(client);
      const controller = new AbortController();
      const one = client.write(numbered(first, 100));
      const two = client.write(numbered(first + 1, 100), { signal: controller.signal });
      const outcome = two.then(
        () => "written",
        () => "given up",
      );
      const ended = client.end();
      expect(thrown(() => client.send(bytes("x"))).code).toBe("CONDUIT_CLOSED");
      expect((await failure(client.write(bytes("x")))).code).toBe("CONDUIT_CLOSED");
      if (giveUp) controller.abort();
      const counter = new Counter().attach(await accepted(acceptor));
      await one;
      await timeout(ended, 5_000, "end()");
      expect(await outcome).toBe(giveUp ? "given up" : "written");
      expect(counter.next).toBe(first + (giveUp ? 1 : 2));
      expect(await client.closed).toEqual({ clean: true });
    }
  });

  test("when the only write() that waits gives up after end(), the end is sent at once", async () => {
    const { client, server } = await session({ client: { replayBytes: 4_096 }, server: { keepaliveMs: 0 } });
    server.onItems = null;
    const first = fill(client);
    // What is in the ring is received and waits there; nothing is acknowledged until it is taken.
    const controller = new AbortController();
    const given = failure(client.write(numbered(first, 100), { signal: controller.signal }));
    const ended = client.end();
    controller.abort(new Error("no"));
    await given;
    const counter = new Counter().attach(server);
    await timeout(ended, 5_000, "end()");
    expect(counter.next).toBe(first);
  });
});

describe("congested, drained, delivered", () => {
  test("congested goes up with what no link has taken, and drained() resolves when it is gone", async () => {
    const acceptor = await service();
    const source = gated(sourceFor(portOf(acceptor)));
    const client = track(StableConduit.create<Uint8Array, Bytes>(source, { highWaterBytes: 10_000 }));
    await client.drained();
    for (let n = 0; n < 5; n++) client.send(numbered(n, 1_000));
    await turn();
    expect(client.congested).toBe(false);
    for (let n = 5; n < 20; n++) client.send(numbered(n, 1_000));
    expect(client.congested).toBe(true); // at once, not in a later task
    let drained = false;
    const waiting = client.drained().then(() => {
      drained = true;
    });
    expect((await failure(client.drained({ timeoutMs: 1 }))).name).toBe("TimeoutError");
    const reason = new Error("enough");
    expect(await failure(client.drained({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(drained).toBe(false);
    source.open();
    new Counter().attach(await accepted(acceptor));
    await waiting;
    expect(client.congested).toBe(false);
  });

  test("what is written and merely unacknowledged does not congest below three quarters of the ring", async () => {
    const { client, server } = await session({ both: { highWaterBytes: 1_000, replayBytes: 65_536 } });
    server.onItems = () => new Promise(() => {}); // received, never acknowledged
    for (let n = 0; n < 30; n++) client.send(numbered(n, 1_000));
    await until(() => client.stats().unsentBytes === 0);
    expect(client.stats().ringBytes).toBeGreaterThan(30_000);
    await client.drained({ timeoutMs: 1_000 });
    for (let n = 30; n < 52; n++) client.send(numbered(n, 1_000));
    await turn(5);
    expect(client.congested).toBe(true);
    server.abort();
  });

  test("drained() rejects when the conduit ends", async () => {
    const client = track(StableConduit.create<Uint8Array, Bytes>(never, { highWaterBytes: 1 }));
    client.send(bytes("much"));
    const pending = failure(client.drained());
    client.abort();
    expect((await pending).code).toBe("CONDUIT_ABORTED");
    expect((await failure(client.drained())).code).toBe("CONDUIT_CLOSED");
  });

  test.each(PROFILES)(
    "delivered() says that the peer's application is done, not that the bytes arrived: %s",
    async (profile) => {
      const { client, server } = await session({ both: { profile, probeMs: 20, ackDelayMs: 1 } });
      await client.delivered(); // nothing was sent
      let finish!: () => void;
      const received: string[] = [];
      server.onItems = (batch) => {
        for (const item of batch) received.push(text(item)!);
        return new Promise((resolve) => {
          finish = resolve;
        });
      };
      client.send(bytes("one"));
      client.send(bytes("two"));
      let delivered = false;
      const pending = client.delivered().then(() => {
        delivered = true;
      });
      await until(() => received.length === 2);
      expect((await failure(client.delivered({ timeoutMs: 60 }))).name).toBe("TimeoutError");
      expect(delivered).toBe(false);
      finish();
      await timeout(pending, 5_000, "delivered()");
      expect(received).toEqual(["one", "two"]);
      expect(client.stats().unackedItems).toBe(0);
    },
  );

  test("delivered() waits for its own items only, and rejects when the session ends before", async () => {
    const { client, server } = await session({ both: { ackDelayMs: 1 } });
    client.send(bytes("one"));
    const one = client.delivered();
    client.send(bytes("two"));
    const two = failure(client.delivered());
    expect(await take(server, 1)).toEqual(["one"]);
    await one;
    client.abort(new Error("stop"));
    expect((await two).code).toBe("CONDUIT_ABORTED");
    expect((await failure(client.delivered())).code).toBe("CONDUIT_CLOSED");
    expect([...(await lost(client)).undelivered].map(text)).toEqual(["two"]);
  });

  test("a hundred thousand items through write() and back arrive in order", async () => {
    const { client, server } = await session({ both: { replayBytes: 1 << 20 } });
    const [there, back] = [new Counter().attach(server), new Counter().attach(client)];
    await Promise.all([sendNumbered(client, 0, 50_000, 20), sendNumbered(server, 0, 50_000, 20)]);
    await Promise.all([client.delivered(), server.delivered()]);
    expect([there.next, back.next]).toEqual([50_000, 50_000]);
  });
});

// Keeps the raw peer's helper honest: what it opens is a session like any other.
test("a raw peer's session takes items", async () => {
  const peer = await openRaw(await service());
  later(() => peer.conduit.abort());
  peer.sendItem(0, bytes("raw"));
  expect(await take(peer.conduit, 1)).toEqual(["raw"]);
  expect(peer.raw).toBeInstanceOf(RawPeer);
});
