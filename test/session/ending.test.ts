// How a session ends, and who learns what: end, close, abort, and the ends that nobody wanted.
import { describe, expect, test } from "vitest";
import { type Bytes, connect, type LinkSource, StableConduit } from "../../src/node.js";
import {
  accepted,
  bytes,
  Counter,
  cleanSlate,
  failure,
  gated,
  later,
  lost,
  numbered,
  numberOf,
  openSockets,
  PROFILES,
  portOf,
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

cleanSlate();

const never: LinkSource = { nextLink: () => new Promise(() => {}) };

describe("end()", () => {
  test("end() resolves when the peer's application has everything, and the peer ends by itself [ext.fin]", async () => {
    const { client, server } = await session();
    client.send(bytes("last"));
    let ended = false;
    const ending = client.end().then(() => {
      ended = true;
    });
    await until(() => server.stats().receivedItems === 1);
    await turn(30);
    expect(ended).toBe(false);
    expect(await take(server, 1)).toEqual(["last"]);
    await ending;
    expect(await client.closed).toEqual({ clean: true });
    expect(await server.closed).toEqual({ clean: true });
    expect([client.status, server.status]).toEqual([{ state: "closed" }, { state: "closed" }]);
    await client.end(); // once more, after a clean end
  });

  test("end() without an item, and on both sides at once", async () => {
    const { client, server } = await session();
    await Promise.all([client.end(), server.end()]);
    expect([await client.closed, await server.closed]).toEqual([{ clean: true }, { clean: true }]);
  });

  test("with allowHalfOpen the peer goes on sending after it has read the end", async () => {
    const { client, server } = await session({ server: { allowHalfOpen: true } });
    const events: string[] = [];
    server.on("end", () => events.push("end"));
    client.send(bytes("question"));
    await Promise.all([client.end(), take(server, 1)]);
    expect(await server.recv()).toBeUndefined();
    expect(events).toEqual(["end"]);
    await turn(20);
    expect(server.status.state).toBe("open");
    const answers = new Counter().attach(client);
    await sendNumbered(server, 0, 1_000);
    await server.end();
    expect(answers.next).toBe(1_000);
    expect([await client.closed, await server.closed]).toEqual([{ clean: true }, { clean: true }]);
  });

  test("without allowHalfOpen whoever awaited the end may still say something in the same task", async () => {
    const { client, server } = await session();
    client.end();
    expect(await server.recv()).toBeUndefined();
    server.send(bytes("goodbye"));
    expect(await take(client, 1)).toEqual(["goodbye"]);
    expect(await server.closed).toEqual({ clean: true });
  });

  test("sending after end() throws CONDUIT_CLOSED; receiving goes on", async () => {
    const { client, server } = await session({ server: { allowHalfOpen: true } });
    await client.end();
    await client.end(); // once more, while the other direction is open
    expect(thrown(() => client.send(bytes("x")))).toMatchObject({ code: "CONDUIT_CLOSED", blame: "local" });
    expect(thrown(() => client.sendBatch(bytes("x"), Uint32Array.of(1))).code).toBe("CONDUIT_CLOSED");
    expect(thrown(() => client.sendInto(1, (_, at) => at)).code).toBe("CONDUIT_CLOSED");
    expect(thrown(() => client.sendVolatile(bytes("x"))).code).toBe("CONDUIT_CLOSED");
    expect((await failure(client.write(bytes("x")))).code).toBe("CONDUIT_CLOSED");
    server.send(bytes("still here"));
    expect(await take(client, 1)).toEqual(["still here"]);
  });

  test("end() before the first link is sent when it is up", async () => {
    const acceptor = await service();
    const source = gated(sourceFor(portOf(acceptor)));
    const client = track(StableConduit.create<Uint8Array, Bytes>(source));
    client.send(bytes("only"));
    const ending = client.end();
    source.open();
    const server = await accepted(acceptor);
    expect(await take(server, 1)).toEqual(["only"]);
    await ending;
    expect(await client.closed).toEqual({ clean: true });
  });

  test("in the base profile end() resolves when everything is acknowledged, and a wait can be given up [base.probe]", async () => {
    const { client, server } = await session({ both: { profile: "base", probeMs: 20 } });
    await client.end(); // nothing was sent
    const second = await session({ both: { profile: "base", probeMs: 20 } });
    second.client.send(bytes("one"));
    const ending = second.client.end();
    expect((await failure(second.client.end({ timeoutMs: 30 }))).name).toBe("TimeoutError");
    expect(await take(second.server, 1)).toEqual(["one"]);
    await timeout(ending, 5_000, "end()");
    expect(second.client.status.state).toBe("open"); // no end on the wire: the other direction goes on
    second.server.send(bytes("back"));
    expect(await take(second.client, 1)).toEqual(["back"]);
    server.abort();
  });

  test("end() rejects when the session ends before, or the wait is over", async () => {
    const { client } = await session();
    client.send(bytes("unread"));
    expect((await failure(client.end({ timeoutMs: 5 }))).name).toBe("TimeoutError");
    const pending = failure(client.end());
    client.abort();
    expect((await pending).code).toBe("CONDUIT_ABORTED");
    expect((await failure(client.end())).code).toBe("CONDUIT_CLOSED");
  });
});

describe("close()", () => {
  test("close() ends both ways; incoming items are still handed over [close.unread]", async () => {
    const { client, server } = await session();
    const got = new Counter().attach(client);
    const sent = new Counter().attach(server);
    await sendNumbered(server, 0, 2_000);
    await sendNumbered(client, 0, 2_000);
    const closing = client.close();
    expect(client.status.state).toBe("closing");
    await closing;
    expect([got.next, sent.next]).toEqual([2_000, 2_000]);
    expect([await client.closed, await server.closed]).toEqual([{ clean: true }, { clean: true }]);
    await client.close(); // once more
  });

  test("close() on both sides at once is clean, in both profiles", async () => {
    for (const profile of PROFILES) {
      const { client, server } = await session({ both: { profile, probeMs: 20 } });
      client.send(bytes("a"));
      server.send(bytes("b"));
      new Counter();
      client.onItems = server.onItems = () => {};
      await timeout(Promise.all([client.close(), server.close()]), 8_000, `close() in ${profile}`);
    }
  });

  test("close() aborts with CONDUIT_ABORTED when the peer does not end in closeTimeoutMs, or in the wait", async () => {
    for (const wait of [undefined, { timeoutMs: 30 }, { signal: AbortSignal.timeout(30) }]) {
      const { client, server } = await session({
        client: { closeTimeoutMs: 50 },
        server: { allowHalfOpen: true },
      });
      const error = await failure(client.close(wait));
      expect(error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "local" });
      expect((await lost(server)).error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
    }
  });

  test("close() of a conduit that never had a link and sent nothing is clean at once", async () => {
    const client = StableConduit.create(never);
    await timeout(client.close(), 1_000, "close()");
    expect((await failure(client.opened)).code).toBe("CONDUIT_CLOSED");
    expect(await client.closed).toEqual({ clean: true });
  });

  test("in the base profile close() waits for the acks and for the write()s that are queued [base.probe]", async () => {
    const { client, server } = await session({
      both: { profile: "base", probeMs: 10, replayBytes: 8_192 },
      server: { closeTimeoutMs: 50 },
    });
    const counter = new Counter().attach(server);
    const writes = Array.from({ length: 300 }, (_, n) => client.write(numbered(n, 100)));
    const closing = client.close();
    await timeout(closing, 8_000, "close()");
    await Promise.all(writes);
    expect(counter.next).toBe(300);
    expect(await client.closed).toEqual({ clean: true });
    server.abort();
  });

  test("an item that was given to an iterator is acknowledged by close()", async () => {
    const { client, server } = await session();
    client.send(bytes("one"));
    for await (const item of server) {
      expect(text(item)).toBe("one");
      break;
    }
    client.end();
    await timeout(server.close(), 5_000, "close()");
    expect(await client.closed).toEqual({ clean: true });
  });

  test("await using closes", async () => {
    const { client, server } = await session();
    {
      await using _scoped = client;
    }
    expect(await client.closed).toEqual({ clean: true });
    expect(await server.closed).toEqual({ clean: true });
    await client[Symbol.asyncDispose]();
  });
});

describe("abort()", () => {
  test("abort() tells the peer, and gives what was not acknowledged: in order, and from where it was never written", async () => {
    const { client, server, proxy } = await session();
    for (let n = 0; n < 10; n++) client.send(numbered(n));
    await until(() => server.stats().receivedItems === 10);
    proxy.setMode("refuse");
    proxy.cutAll();
    await until(() => client.status.state === "reconnecting");
    for (let n = 10; n < 15; n++) client.send(numbered(n));
    const reason = new Error("enough");
    client.abort(reason);
    const { error, undelivered } = await lost(client);
    expect(error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "local", fatal: true, cause: reason });
    expect(error.message).toContain("enough");
    expect([...undelivered].map(numberOf)).toEqual(Array.from({ length: 15 }, (_, n) => n));
    expect([undelivered.length, undelivered.firstUnsent]).toEqual([15, 10]);
    for (const item of undelivered) expect(item.buffer).toBeInstanceOf(ArrayBuffer);
    expect(client.stats()).toMatchObject({
      sentItems: 15,
      ringBytes: 0,
      ringCapacityBytes: 0,
      unackedItems: 0,
    });
    client.abort(); // once more
    server.abort();
  });

  test("the peer of an aborted session learns of it with the reason, and has its own undelivered items", async () => {
    const { client, server } = await session();
    server.send(bytes("on its way"));
    client.abort(new Error("no more money"));
    const { error, undelivered } = await lost(server);
    expect(error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
    expect(error.message).toContain("no more money");
    expect([...undelivered].map(text)).toEqual(["on its way"]);
  });

  test("abort() in the base profile closes the link; the peer keeps the session for its grace [resume.grace]", async () => {
    const { client, server } = await session({ both: { profile: "base", graceMs: 40 } });
    client.abort();
    await until(() => server.status.state === "reconnecting");
    expect((await lost(server)).error).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "expired" });
  });

  test("abort() without a link, while connecting and while reconnecting", async () => {
    const connecting = StableConduit.create(never);
    const opened = failure(connecting.opened);
    connecting.abort();
    expect((await opened).code).toBe("CONDUIT_ABORTED");
    const { client, proxy } = await session();
    proxy.setMode("refuse");
    proxy.cutAll();
    await until(() => client.status.state === "reconnecting");
    client.abort();
    expect((await lost(client)).error.code).toBe("CONDUIT_ABORTED");
  });

  test("a session that is aborted while the peer reads nothing gives its link up all the same", async () => {
    const { client, server, proxy } = await session({ client: { highWaterBytes: 1 << 24 } });
    proxy.setMode("half-open");
    for (let n = 0; n < 250; n++) client.send(new Uint8Array(60_000));
    // More than the kernel takes: the link's own queue is full.
    await until(() => client.stats().unsentBytes > 1_000_000);
    await turn(20);
    expect(client.stats().unsentBytes).toBeGreaterThan(1_000_000);
    const before = openSockets();
    client.abort();
    await until(() => openSockets() < before);
    server.abort();
  });
});

describe("promises that nobody waits for", () => {
  test("every promise of the API can be dropped on the floor: no unhandled rejection [error.blame]", async () => {
    const { client, server, proxy } = await session({ both: { replayBytes: 4_096, highWaterBytes: 10 } });
    const dropAll = (conduit: typeof client) => {
      const aborted = { signal: AbortSignal.abort(new Error("given up")) };
      for (const wait of [undefined, aborted, { timeoutMs: 1 }]) {
        conduit.write(new Uint8Array(1_000), wait);
        conduit.drained(wait);
        conduit.delivered(wait);
        conduit.recv(wait);
        conduit.end(wait);
      }
      conduit.write("no bytes" as never);
      conduit[Symbol.asyncIterator]().next();
      conduit.batches()[Symbol.asyncIterator]().next();
      void conduit.opened;
      void conduit.closed;
      conduit.split().rx.recv();
      conduit.split().tx.close();
    };
    proxy.setMode("half-open");
    for (let n = 0; n < 10; n++) client.write(new Uint8Array(1_000));
    dropAll(client);
    client.close({ timeoutMs: 1 });
    client.close();
    client[Symbol.asyncDispose]();
    await client.closed;
    dropAll(client);
    client.close();
    client[Symbol.asyncDispose]();
    dropAll(server);
    server.abort();
    dropAll(server);

    connect(never, { connectTimeoutMs: 1 });
    connect(never, { signal: AbortSignal.abort() });
    connect(never, { replayBytes: -1 });
    StableConduit.open(never, { connectTimeoutMs: 1 });
    connect({ nextLink: () => Promise.reject(new Error("no")) }, { retry: { shouldRetry: () => false } });
    connect(
      {
        nextLink: () => {
          throw new Error("no");
        },
      },
      { retry: { shouldRetry: () => false } },
    );
    await turn(20);
    // The check after each test fails on any unhandled rejection.
  });

  test("an end that nobody observes is a warning, and never more", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on("warning", note);
    later(() => process.off("warning", note));
    const { client, server } = await session();
    client.onItems = server.onItems = () => {};
    client.abort(); // our own wish: no news
    await until(() => server.status.state === "closed");
    await turn(5);
    expect(warnings.map(({ name }) => name)).toEqual(["ConduitError"]);
    expect(warnings[0]).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
  });
});
