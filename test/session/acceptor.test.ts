// The accepting side: which session a link belongs to, who may have one, how long it waits for its next link, how all end.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { byteStreamLink } from "../../src/link/byte-stream.js";
import {
  Attachment,
  type AuthorizeRequest,
  type Bytes,
  type ConnectOptions,
  connect,
  type Grant,
  type LinkServer,
  type LinkSource,
  listen,
  MemoryBudget,
  pair,
  StableConduit,
  tcp,
  unix,
} from "../../src/node.js";
import { threadCore } from "../../src/wasm/core.js";
import {
  accepted,
  bytes,
  type Conduit,
  Counter,
  cleanSlate,
  failure,
  later,
  lost,
  numbered,
  PROFILES,
  portOf,
  proxyFor,
  RawPeer,
  type Service,
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
import { clientHello, frame, openRaw } from "./raw-session.js";

cleanSlate();

const fixture = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url));
const QUICK = { retry: { baseMs: 1, capMs: 10 } };

type Request = AuthorizeRequest<Uint8Array, Bytes, unknown>;

async function client(acceptor: Service, options: ConnectOptions = {}): Promise<Conduit> {
  return track(await connect<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), { ...QUICK, ...options }));
}

describe("sessions", () => {
  test("hundreds of sessions at once, each with its own items, over links that are cut [resume.key]", async () => {
    const acceptor = await service();
    const proxy = await proxyFor(acceptor);
    (async () => {
      for await (const conduit of acceptor) {
        conduit.onItems = (batch) => {
          for (const item of batch) conduit.send(item);
        };
      }
    })();
    const count = 200;
    const clients = await Promise.all(
      Array.from({ length: count }, () => connect<Uint8Array, Bytes>(sourceFor(proxy.port), QUICK)),
    );
    for (const each of clients) track(each);
    expect(acceptor.stats()).toMatchObject({ sessions: count, pendingHandshakes: 0 });
    expect(acceptor.sessions.size).toBe(count);
    const counters = clients.map((conduit) => new Counter().attach(conduit));
    for (let round = 0; round < 3; round++) {
      for (const conduit of clients) for (let n = 0; n < 10; n++) conduit.send(numbered(10 * round + n, 40));
      await turn(5);
      proxy.cutAll();
    }
    await until(() => counters.every(({ next }) => next === 30));
    await Promise.all(clients.map((conduit) => conduit.close()));
    await until(() => acceptor.stats().sessions === 0);
  });

  test("the iterator gives each session once, may be left and taken up again, and ends with the acceptor", async () => {
    const acceptor = await service();
    const [one, two] = [await client(acceptor), await client(acceptor)];
    const seen: string[] = [];
    for await (const conduit of acceptor) {
      seen.push(conduit.id);
      break;
    }
    for await (const conduit of acceptor) {
      seen.push(conduit.id);
      break;
    }
    expect(seen).toEqual([one.id, two.id]);
    const rest = (async () => {
      for await (const conduit of acceptor) seen.push(conduit.id);
    })();
    const second = acceptor[Symbol.asyncIterator]().next();
    expect((await failure(second)).code).toBe("CONDUIT_OPTIONS");
    const three = await client(acceptor);
    await until(() => seen.length === 3);
    expect(seen[2]).toBe(three.id);
    one.onItems = two.onItems = three.onItems = () => {};
    await acceptor.close();
    await rest;
  });

  test("sessions that end before an application looks at them are not kept for it", async () => {
    const acceptor = await service();
    for (let n = 0; n < 20; n++) (await client(acceptor)).abort();
    await until(() => acceptor.stats().sessions === 0);
    const kept = await client(acceptor);
    expect((await accepted(acceptor)).id).toBe(kept.id);
  });

  test("address says where it listens: TCP, a unix socket; a port that is taken is an error", async () => {
    const acceptor = await service();
    expect(acceptor.address).toEqual({ host: "127.0.0.1", port: expect.any(Number) });
    const error = await failure(listen(tcp.server({ host: "127.0.0.1", port: portOf(acceptor) })));
    expect(error).toMatchObject({ code: "CONDUIT_LINK", cause: { code: "EADDRINUSE" } });
  });

  test.each([{ maxSessions: 0 }, { maxPendingHandshakes: 1.5 }, { graceMs: -1 }, { profile: "x" as "base" }])(
    "listen() rejects with CONDUIT_OPTIONS for %o",
    async (options) => {
      expect(await failure(listen(tcp.server({ port: 0 }), options))).toMatchObject({
        code: "CONDUIT_OPTIONS",
      });
    },
  );
});

describe("resuming", () => {
  test("a new link takes over at once although the old one looks alive, which is destroyed [resume.takeover]", async () => {
    const acceptor = await service();
    const { raw, conduit, key } = await openRaw(acceptor);
    raw.write(frame(0, bytes("one")));
    expect(text(await conduit.recv())).toBe("one");
    const again = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended", key, null));
    const hello = await again.payload(0);
    expect([hello[4], hello.readUInt32LE(21)]).toEqual([0x82, 0]); // has last_received: 0
    expect(raw.closed).toBe(false);
    again.write(Uint8Array.of(1, 0, 0, 0x80, 1)); // empty SETTINGS
    await until(() => raw.closed);
    expect(conduit.stats().links).toBe(2);
    expect(conduit.status.state).toBe("open");
    conduit.abort();
  });

  test("a session without a link ends after graceMs with expired; a late resume is told so [resume.grace] [resume.reject]", async () => {
    const {
      client: initiator,
      server,
      acceptor,
      proxy,
    } = await session({
      server: { graceMs: 60 },
      client: { retry: { baseMs: 1, capMs: 5 } },
    });
    server.send(bytes("nobody will read this"));
    await until(() => initiator.stats().receivedItems === 1);
    proxy.setMode("refuse");
    proxy.cutAll();
    const since = performance.now();
    const { error, undelivered } = await lost(server);
    expect(performance.now() - since).toBeGreaterThan(55);
    expect(error).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "expired" });
    expect(undelivered.length).toBe(1);
    expect(acceptor.stats().sessions).toBe(0);
    proxy.setMode("forward");
    // The reason is kept as long as the session was; after that nobody knows the key.
    const theirs = await lost(initiator);
    expect(theirs.error).toMatchObject({
      code: "CONDUIT_SESSION_LOST",
      reason: expect.stringMatching(/expired|rejected/),
    });
  });

  test("the reason of an ended session is kept under its key for graceMs, then the key is unknown [resume.reject]", async () => {
    const acceptor = await service({ graceMs: 150 });
    const { raw, conduit, key } = await openRaw(acceptor);
    raw.socket.destroy();
    await until(() => conduit.status.state === "reconnecting");
    conduit.onItems = () => {};
    conduit.abort(new Error("moved away"));
    const early = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended", key));
    expect((await early.payload(1)).toString()).toContain("moved away");
    await until(() => early.closed);
    await turn(160);
    const late = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended", key));
    expect([...(await late.payload(1)).subarray(0, 2)]).toEqual([0x06, 4]); // unknown
    await until(() => late.closed);
  });

  test("a lost ServerHello strands nobody: the key on offer is repeated, the old one stays valid [resume.commit]", async () => {
    for (const profile of PROFILES) {
      const acceptor = await service({ profile });
      const { conduit, key } = await openRaw(acceptor, profile);
      const offers: Buffer[] = [];
      for (let n = 0; n < 3; n++) {
        const again = (await RawPeer.dial(portOf(acceptor))).write(clientHello(profile, key));
        offers.push((await again.payload(0)).subarray(5, 21));
        again.socket.destroy(); // as if the answer had never come
        await turn(5);
      }
      expect(offers[1]).toEqual(offers[0]);
      expect(offers[2]).toEqual(offers[0]);
      expect(Buffer.compare(offers[0], key)).not.toBe(0);
      conduit.abort();
    }
  });
});

describe("authorize", () => {
  test("authorize sees new sessions and resumes, with credentials and what is known of the link; what it grants is in force", async () => {
    const requests: Request[] = [];
    const grants: Grant<unknown>[] = [
      { data: { user: "ann" }, maxFrameBytes: 500, graceMs: 5_000, receiveWindow: 8_192 },
      { data: "ignored on a resume" },
    ];
    const acceptor = await service({
      authorize: (request) => {
        requests.push(request);
        return grants[requests.length - 1];
      },
    });
    const proxy = await proxyFor(acceptor);
    const initiator = track(
      await connect<Uint8Array, Bytes>(sourceFor(proxy.port), { ...QUICK, credentials: () => "secret" }),
    );
    const server = await accepted(acceptor);
    expect(server.data).toEqual({ user: "ann" });
    expect(thrown(() => initiator.send(new Uint8Array(501))).code).toBe("CONDUIT_FRAME_TOO_LARGE");
    proxy.cutAll();
    await until(() => server.stats().links === 2);
    expect(requests.map(({ kind }) => kind)).toEqual(["new", "resume"]);
    expect(requests.map(({ conduit }) => conduit)).toEqual([null, server]);
    expect(requests.map(({ credentials }) => text(credentials ?? undefined))).toEqual(["secret", "secret"]);
    expect(requests[0].link).toMatchObject({
      transport: "tcp",
      encrypted: false,
      remoteAddress: "127.0.0.1",
    });
    expect(requests[0].signal.aborted).toBe(false);
    expect(server.data).toEqual({ user: "ann" });
  });

  test("authorize may take its time; items wait, and nothing is lost", async () => {
    let grant!: (grant: Grant<unknown> | null) => void;
    const acceptor = await service({
      authorize: () =>
        new Promise((resolve) => {
          grant = resolve;
        }),
    });
    const initiator = track(StableConduit.create<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), QUICK));
    for (let n = 0; n < 100; n++) initiator.send(numbered(n, 500));
    await until(() => grant !== undefined);
    await turn(20);
    expect(initiator.status.state).toBe("connecting");
    expect(acceptor.stats()).toMatchObject({ sessions: 0, pendingHandshakes: 1 });
    grant({ data: 1 });
    await initiator.opened;
    const counter = new Counter().attach(await accepted(acceptor));
    await initiator.delivered();
    expect(counter.next).toBe(100);
  });

  test.each(PROFILES)("a refused new session is told: %s [ext.commit] [resume.reject]", async (profile) => {
    const acceptor = await service({ profile, authorize: async () => null });
    const error = await failure(client(acceptor, { profile, connectTimeoutMs: 2_000 }));
    expect(error).toMatchObject(
      profile === "extended"
        ? { code: "CONDUIT_UNAUTHORIZED", blame: "peer" }
        : { code: "CONDUIT_SESSION_LOST", reason: "rejected" },
    );
    expect(acceptor.stats()).toMatchObject({ sessions: 0, pendingHandshakes: 0 });
  });

  test("a refused resume leaves the session and its link alone [ext.commit]", async () => {
    let allowed = true;
    const acceptor = await service({ authorize: async () => (allowed ? { data: null } : null) });
    const { raw, conduit, key } = await openRaw(acceptor);
    allowed = false;
    const thief = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended", key));
    await thief.payload(0);
    thief.write(Uint8Array.of(1, 0, 0, 0x80, 1));
    expect([...(await thief.payload(1)).subarray(0, 2)]).toEqual([0x06, 2]); // ABORT unauthorized
    await until(() => thief.closed);
    raw.write(frame(0, bytes("still here")));
    expect(text(await conduit.recv())).toBe("still here");
    expect(conduit.stats().links).toBe(1);
    conduit.abort();
  });

  test.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("database down");
      },
    ],
    ["rejects", () => Promise.reject(new Error("database down"))],
    ["grants limits that cannot be", () => ({ data: null, replayBytes: 1 })],
    ["grants such limits later", async () => ({ data: null, maxFrameBytes: 2 ** 27 })],
  ])("when authorize %s, the link is closed and the initiator may try again", async (_, bad) => {
    let calls = 0;
    const acceptor = await service({
      authorize: () => (++calls === 1 ? (bad() as Grant<unknown>) : { data: "second time" }),
    });
    await client(acceptor);
    expect(calls).toBe(2);
    expect((await accepted(acceptor)).data).toBe("second time");
    expect(acceptor.stats().failedHandshakes).toBeGreaterThanOrEqual(1);
  });

  test("authorize that returns nothing refuses", async () => {
    const acceptor = await service({ authorize: () => undefined as never });
    expect((await failure(client(acceptor))).code).toBe("CONDUIT_UNAUTHORIZED");
    const later = await service({ authorize: async () => undefined as never });
    expect((await failure(client(later))).code).toBe("CONDUIT_UNAUTHORIZED");
  });

  test("the signal aborts when the link dies, and when the handshake takes too long [hello.timeout]", async () => {
    const requests: Request[] = [];
    const acceptor = await service({
      handshakeTimeoutMs: 150,
      authorize: (request) => {
        requests.push(request);
        return new Promise(() => {});
      },
    });
    for (const how of ["resetAndDestroy", "end", "wait"] as const) {
      const raw = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended"));
      await raw.payload(0);
      raw.write(Uint8Array.of(1, 0, 0, 0x80, 1));
      const count = requests.length;
      await until(() => requests.length === count + 1);
      const since = performance.now();
      if (how !== "wait") raw.socket[how]();
      await until(() => requests.at(-1)!.signal.aborted);
      if (how !== "wait") expect(performance.now() - since).toBeLessThan(120);
      expect(requests.at(-1)!.signal.reason).toMatchObject({
        code: how === "wait" ? "CONDUIT_HANDSHAKE_TIMEOUT" : "CONDUIT_LINK",
      });
      await until(() => raw.closed);
    }
    expect(acceptor.stats()).toMatchObject({ sessions: 0, pendingHandshakes: 0, failedHandshakes: 3 });
  });

  test("a session that ends while its resume is being authorized is not resumed", async () => {
    let grant: ((grant: Grant<unknown>) => void) | null = null;
    const acceptor = await service({
      authorize: ({ kind }) =>
        kind === "new"
          ? { data: null }
          : new Promise((resolve) => {
              grant = resolve;
            }),
    });
    const { conduit, key } = await openRaw(acceptor);
    const raw = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended", key));
    await raw.payload(0);
    raw.write(Uint8Array.of(1, 0, 0, 0x80, 1));
    await until(() => grant);
    conduit.abort();
    grant!({ data: null });
    await until(() => raw.closed);
    expect(acceptor.stats()).toMatchObject({ sessions: 0, pendingHandshakes: 0 });
  });

  test("two resumes at once: the session has one link afterwards, and goes on [link.one]", async () => {
    const grants: ((grant: Grant<unknown>) => void)[] = [];
    const acceptor = await service({
      authorize: ({ kind }) =>
        kind === "new" ? { data: null } : new Promise((resolve) => grants.push(resolve)),
    });
    const { conduit, key } = await openRaw(acceptor);
    const raws = await Promise.all(
      [1, 2].map(async () => {
        const raw = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended", key));
        await raw.payload(0);
        raw.write(Uint8Array.of(1, 0, 0, 0x80, 1));
        return raw;
      }),
    );
    await until(() => grants.length === 2);
    for (const grant of grants) grant({ data: null });
    await until(() => raws.some(({ closed }) => closed));
    const alive = raws.filter(({ closed }) => !closed);
    expect(alive.length).toBe(1);
    alive[0].write(frame(0, bytes("x")));
    expect(text(await conduit.recv())).toBe("x");
    conduit.abort();
  });
});

describe("limits", () => {
  test("above maxSessions a link is closed without a hello, and comes through when there is room [hello.timeout]", async () => {
    for (const profile of PROFILES) {
      const acceptor = await service({ profile, maxSessions: 2 });
      const [one, two] = [await client(acceptor, { profile }), await client(acceptor, { profile })];
      one.send(bytes("proven"));
      two.send(bytes("proven"));
      await until(() =>
        [...acceptor.sessions.values()].every((conduit) => conduit.stats().receivedItems === 1),
      );
      const raw = (await RawPeer.dial(portOf(acceptor))).write(clientHello(profile));
      await until(() => raw.closed);
      expect(raw.receivedBytes).toBe(0);
      expect(acceptor.stats().overflowed).toBe(1);
      const third = client(acceptor, { profile, connectTimeoutMs: 5_000 });
      await turn(20);
      [...acceptor.sessions.values()][0].abort();
      one.abort();
      await third;
      expect(acceptor.stats().sessions).toBe(2);
    }
  });

  test("a resume is never refused for want of room [hello.timeout]", async () => {
    const acceptor = await service({ maxSessions: 1 });
    const proxy = await proxyFor(acceptor);
    const initiator = track(await connect<Uint8Array, Bytes>(sourceFor(proxy.port), QUICK));
    proxy.cutAll();
    await until(() => initiator.stats().links === 2);
    expect(acceptor.stats().sessions).toBe(1);
  });

  test("a session that never spoke and has no link makes room for a new one [resume.grace]", async () => {
    const acceptor = await service({ profile: "base", maxSessions: 2 });
    const proven = await openRaw(acceptor, "base");
    proven.raw.write(frame(0, bytes("spoken")));
    await until(() => proven.conduit.stats().receivedItems === 1);
    const silent = await openRaw(acceptor, "base");
    for (const { raw, conduit } of [proven, silent]) {
      raw.socket.destroy();
      await until(() => conduit.status.state === "reconnecting");
    }
    const third = await openRaw(acceptor, "base");
    expect((await lost(silent.conduit)).error.code).toBe("CONDUIT_ABORTED");
    expect(proven.conduit.status.state).toBe("reconnecting");
    expect([...acceptor.sessions.values()]).toEqual([proven.conduit, third.conduit]);
    for (const { conduit } of [proven, third]) conduit.abort();
  });

  test("a MemoryBudget bounds the rings of all sessions that share it; each has its 64 KiB in any case", async () => {
    const budget = new MemoryBudget(300_000);
    const acceptor = await service({ authorize: () => ({ data: null, budget }) });
    const clients = await Promise.all(Array.from({ length: 8 }, () => client(acceptor)));
    const servers = [...acceptor.sessions.values()];
    const accepted = servers.map((server) => {
      let bytes = 0;
      const error = thrown(() => {
        for (;;) {
          server.send(new Uint8Array(1_000));
          bytes += 1_000;
        }
      });
      expect(error).toMatchObject({ code: "CONDUIT_MEMORY", blame: "local", fatal: false });
      return bytes;
    });
    for (const count of accepted) expect(count).toBeGreaterThan(60_000);
    expect(Math.max(...accepted)).toBeGreaterThan(120_000);
    expect(budget.used).toBeLessThanOrEqual(300_000 + 8 * 131_072); // a ring that grew while it was written has two regions
    // What one session gives back, another may have.
    for (const each of clients) each.onItems = () => {};
    for (const server of servers) {
      await server.delivered();
      expect(server.stats().ringBytes).toBe(0);
    }
    for (const server of servers) server.abort();
    await until(() => budget.used === 0);
    expect(thrown(() => new MemoryBudget(-1)).code).toBe("CONDUIT_OPTIONS");
  });

  test("a write() that waits for memory goes on when another session gives some back", async () => {
    const budget = new MemoryBudget(200_000);
    const acceptor = await service({ authorize: () => ({ data: null, budget }) });
    const greedy = await client(acceptor);
    const modest = await client(acceptor);
    const servers = [...acceptor.sessions.values()];
    const [first, second] = [
      servers.find(({ id }) => id === greedy.id)!,
      servers.find(({ id }) => id === modest.id)!,
    ];
    expect(
      thrown(() => {
        for (;;) first.send(new Uint8Array(1_000));
      }).code,
    ).toBe("CONDUIT_MEMORY");
    modest.onItems = () => {};
    let written = false;
    const writing = second.write(new Uint8Array(100_000)).then(() => {
      written = true;
    });
    writing.catch(() => {});
    await turn(20);
    expect(written).toBe(false);
    first.abort();
    await timeout(writing, 3_000, "write()");
  });

  test("maxMemoryBytes bounds all rings of the thread in the same way", async () => {
    const { client: initiator } = await session({ client: { maxMemoryBytes: 400_000 } });
    const base = threadCore().memory.usedBytes;
    let bytes = 0;
    const error = thrown(() => {
      for (;;) {
        initiator.send(new Uint8Array(1_000));
        bytes += 1_000;
      }
    });
    expect(error).toMatchObject({ code: "CONDUIT_MEMORY" });
    expect(error.message).toContain("maxMemoryBytes");
    expect(bytes).toBeGreaterThan(60_000);
    expect(threadCore().memory.usedBytes - base).toBeLessThanOrEqual(400_000);
    initiator.abort();
  });
});

describe("close()", () => {
  test("close() stops listening and ends every session: all items arrive, both sides end cleanly [ext.shutdown]", async () => {
    const acceptor = await service();
    const clients = await Promise.all([client(acceptor), client(acceptor), client(acceptor)]);
    const counters = clients.map((each) => new Counter().attach(each));
    const servers = [...acceptor.sessions.values()];
    for (const server of servers) server.onItems = () => {};
    await Promise.all(servers.map((server) => sendNumbered(server, 0, 500, 100)));
    await timeout(acceptor.close(), 5_000, "close()");
    expect(counters.map(({ next }) => next)).toEqual([500, 500, 500]);
    for (const each of [...clients, ...servers]) expect(await each.closed).toEqual({ clean: true });
    expect((await failure(client(acceptor, { connectTimeoutMs: 100 }))).code).toBe("CONDUIT_LINK");
    await acceptor.close(); // once more
  });

  test("what has not ended in time is aborted with shutdown and told when to come back [ext.shutdown]", async () => {
    const acceptor = await service();
    const stubborn = await client(acceptor, { allowHalfOpen: true });
    const since = performance.now();
    await acceptor.close({ timeoutMs: 50, retryAfterMs: 7_000 });
    expect(performance.now() - since).toBeLessThan(3_000);
    const { error } = await lost(stubborn);
    expect(error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer", retryAfterMs: 7_000 });
    expect(error.message).toContain("shuts down");
  });

  test("a signal hurries close()", async () => {
    const acceptor = await service();
    const stubborn = await client(acceptor, { allowHalfOpen: true });
    const controller = new AbortController();
    const closing = acceptor.close({ signal: controller.signal, timeoutMs: 60_000 });
    await turn(20);
    controller.abort();
    await timeout(closing, 3_000, "close()");
    expect((await lost(stubborn)).error.code).toBe("CONDUIT_ABORTED");
  });

  test("sessions without a link are ended at once by close(), and one that loses its link meanwhile too", async () => {
    const { server, acceptor, proxy } = await session({ client: { allowHalfOpen: true } });
    proxy.setMode("refuse");
    proxy.cutAll();
    await until(() => server.status.state === "reconnecting");
    await timeout(acceptor.close({ timeoutMs: 60_000 }), 3_000, "close() without a link");
    expect((await lost(server)).error.code).toBe("CONDUIT_ABORTED");

    const second = await session({ client: { allowHalfOpen: true } });
    const closing = second.acceptor.close({ timeoutMs: 60_000 });
    await turn(10);
    second.proxy.setMode("refuse");
    second.proxy.cutAll();
    await timeout(closing, 3_000, "close() while a link dies");
  });

  test("links that come while it closes are closed, and so are handshakes under way", async () => {
    const acceptor = await service({ authorize: () => new Promise(() => {}) });
    const raw = (await RawPeer.dial(portOf(acceptor))).write(clientHello("extended"));
    await raw.payload(0);
    await acceptor.close();
    await until(() => raw.closed);
    const [ours, theirs] = pair();
    let closed = false;
    theirs.start({
      bytes: () => {},
      written: () => {},
      closed: () => {
        closed = true;
      },
    });
    acceptor.accept(ours);
    await until(() => closed);
  });

  test("await using closes the acceptor", async () => {
    let kept!: Service;
    {
      await using acceptor = await listen<Uint8Array, Bytes, unknown>(
        tcp.server({ host: "127.0.0.1", port: 0 }),
      );
      kept = acceptor;
      await client(acceptor);
    }
    expect(kept.stats().sessions).toBe(0);
  });
});

// ------------------------------------------------------------------ every kind of link, end to end

describe("end to end", () => {
  /** A few thousand items both ways, and a clean end. */
  async function converse(initiator: Conduit, acceptorSide: Conduit): Promise<void> {
    const [there, back] = [new Counter().attach(acceptorSide), new Counter().attach(initiator)];
    const send = async (conduit: Conduit) => {
      await sendNumbered(conduit, 0, 2_000, 100);
      await sendNumbered(conduit, 2_000, 2_010, 200_000);
    };
    await Promise.all([send(initiator), send(acceptorSide)]);
    // In the base profile a side that closes cannot know what is still on its way to it.
    await Promise.all([initiator.delivered(), acceptorSide.delivered()]);
    await timeout(Promise.all([initiator.close(), acceptorSide.close()]), 10_000, "close()");
    expect([there.next, back.next]).toEqual([2_010, 2_010]);
  }

  const open = async (source: LinkSource, acceptor: Service, profile: "base" | "extended") => {
    const initiator = track(await connect<Uint8Array, Bytes>(source, { profile, ...QUICK, probeMs: 20 }));
    return [initiator, await accepted(acceptor)] as const;
  };

  test.each(PROFILES)("TCP with TLS, over a cut: %s", async (profile) => {
    const acceptor = await listen<Uint8Array, Bytes, unknown>(
      tcp.server({ host: "127.0.0.1", port: 0, tls: { cert: fixture("cert.pem"), key: fixture("key.pem") } }),
      { profile, probeMs: 20, authorize: ({ link }) => ({ data: link.encrypted }) },
    );
    later(() => acceptor.close({ timeoutMs: 1 }));
    const proxy = await proxyFor(acceptor);
    const source = tcp({
      host: "127.0.0.1",
      port: proxy.port,
      tls: { ca: fixture("cert.pem"), servername: "localhost" },
    });
    const [initiator, server] = await open(source, acceptor, profile);
    expect(server.data).toBe(true);
    proxy.cutAll();
    await converse(initiator, server);
  });

  test.each(PROFILES)("unix sockets: %s", async (profile) => {
    const folder = mkdtempSync(join(tmpdir(), "conduit-"));
    later(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "socket");
    const acceptor = await listen<Uint8Array, Bytes, unknown>(unix.server(path, { mode: 0o600 }), {
      profile,
      probeMs: 20,
    });
    later(() => acceptor.close({ timeoutMs: 1 }));
    expect(acceptor.address).toBe(path);
    const [initiator, server] = await open(unix(path), acceptor, profile);
    initiator.reconnect();
    await converse(initiator, server);
  });

  test.each(
    PROFILES.flatMap((profile) =>
      (["stream", "message"] as const).map((framing) => [profile, framing] as const),
    ),
  )("pair links: %s, %s framing, over a cut [link.message] [link.stream]", async (profile, framing) => {
    const noServer: LinkServer = {
      listen: async () => "nowhere",
      close: async () => {},
      ref: () => {},
      unref: () => {},
    };
    const acceptor = await listen<Uint8Array, Bytes, unknown>(noServer, { profile, probeMs: 20 });
    later(() => acceptor.close({ timeoutMs: 1 }));
    let cut = () => {};
    const source: LinkSource = {
      async nextLink() {
        const [ours, theirs] = pair({ framing });
        acceptor.accept(theirs);
        cut = () => theirs.destroy();
        return Attachment.initiator(ours);
      },
    };
    const [initiator, server] = await open(source, acceptor, profile);
    initiator.send(bytes("before"));
    server.send(bytes("before"));
    cut();
    expect(await take(initiator, 1)).toEqual(["before"]);
    expect(await take(server, 1)).toEqual(["before"]);
    await converse(initiator, server);
    expect(initiator.stats().links).toBeGreaterThan(1);
  });

  test("accept() takes links from a server of one's own", async () => {
    const acceptor = await service();
    const server = net.createServer((socket) =>
      acceptor.accept(byteStreamLink(socket, { transport: "mine", encrypted: false })),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    later(() => server.close());
    const { port } = server.address() as net.AddressInfo;
    const [initiator, accepting] = await open(sourceFor(port), acceptor, "extended");
    await converse(initiator, accepting);
    const given = net.createServer();
    given.listen(0, "127.0.0.1");
    const second = await listen<Uint8Array, Bytes, unknown>(tcp.server(given));
    later(() => second.close({ timeoutMs: 1 }));
    const [one, two] = await open(sourceFor(portOf(second)), second, "extended");
    await converse(one, two);
  });

  test("an extended initiator and a base acceptor settle on base, and the other way round [hello.ext]", async () => {
    for (const [ours, theirs] of [
      ["extended", "base"],
      ["base", "extended"],
    ] as const) {
      const { client: initiator, server } = await session({
        both: { probeMs: 20 },
        client: { profile: ours },
        server: { profile: theirs },
      });
      expect([initiator.status, server.status]).toMatchObject([{ profile: "base" }, { profile: "base" }]);
      await converse(initiator, server);
    }
  });
});
