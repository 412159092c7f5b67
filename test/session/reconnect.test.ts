// Links die, the session does not: what is sent arrives once and in order, whatever is cut; and how the next link is got.
import { afterEach, describe, expect, test, vi } from "vitest";
import { randomFrom } from "../../examples/demo/chaos-proxy.js";
import {
  Attachment,
  type Attempt,
  type Bytes,
  type ConduitError,
  connect,
  type LinkSource,
  pair,
  StableConduit,
} from "../../src/node.js";
import { seeds } from "../wasm/random.js";
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
  portOf,
  proxyFor,
  sendNumbered,
  service,
  session,
  sourceFor,
  take,
  text,
  timeout,
  track,
  turn,
  until,
} from "./helpers.js";
import { answer, control, openToRaw, varint } from "./raw-session.js";

cleanSlate();

afterEach(() => {
  vi.useRealTimers();
});

/** Fails every attempt until told otherwise, and records them. */
class Recorder implements LinkSource {
  readonly attempts: Attempt[] = [];
  readonly times: number[] = [];
  open = 0;
  mostOpen = 0;
  next: (attempt: Attempt) => Promise<Attachment> = () => Promise.reject(new Error("refused"));

  async nextLink(attempt: Attempt): Promise<Attachment> {
    this.attempts.push(attempt);
    this.times.push(performance.now());
    this.open++;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    try {
      return await this.next(attempt);
    } finally {
      this.open--;
    }
  }
}

// ------------------------------------------------------------------ exactly once

describe("exactly once", () => {
  const cases = PROFILES.flatMap((profile) => seeds(2).map((seed) => [profile, seed] as const));

  test.each(cases)(
    "thousands of items both ways over a link that is cut at random bytes, in small pieces: %s, seed %i [recv.order] [replay.bytes] [link.cut]",
    async (profile, seed) => {
      const random = randomFrom(seed);
      const total = 8_000;
      const { client, server, proxy } = await session({
        both: { profile, replayBytes: 1 << 18, ackBytes: 4_096, ackDelayMs: 1, probeMs: 30 },
        chaos: { seed, maxChunk: 3_000, cutAfterBytes: () => Math.floor(random() * 60_000) },
      });
      const [there, back] = [new Counter().attach(server), new Counter().attach(client)];
      const size = () => 4 + Math.floor(random() * 200);
      const run = async (conduit: Conduit) => {
        for (let n = 0; n < total; n++) await conduit.write(numbered(n, size()));
      };
      await timeout(Promise.all([run(client), run(server)]), 25_000, "writing");
      await until(() => there.next === total && back.next === total, 15_000);
      expect(proxy.cuts).toBeGreaterThanOrEqual(24);
      expect(server.stats().handedItems).toBe(total);
      expect(client.stats().links).toBeGreaterThan(20);
      // A cut may meet a link that is open for the acceptor and not yet for the initiator, never the other way round.
      expect(client.stats().links).toBeLessThanOrEqual(server.stats().links);
    },
  );

  test.each(PROFILES)(
    "large items that are cut in their middle again and again arrive whole: %s [link.cut]",
    async (profile) => {
      let budget = 100_000;
      const { client, server, proxy } = await session({
        both: { profile, probeMs: 30, ackDelayMs: 1 },
        chaos: { cutAfterBytes: () => (budget += 20_000) },
      });
      const counter = new Counter().attach(server);
      await sendNumbered(client, 0, 40, 90_000);
      await until(() => counter.next === 40, 20_000);
      expect(proxy.cuts).toBeGreaterThan(3);
    },
  );

  test.each(PROFILES)(
    "what was received and waits for a slow consumer is not handed over twice after a cut: %s [ack.handed] [recv.duplicate]",
    async (profile) => {
      const { client, server, proxy } = await session({ both: { profile, ackDelayMs: 1, probeMs: 20 } });
      for (let n = 0; n < 50; n++) client.send(numbered(n));
      await until(() => server.stats().receivedItems === 50);
      for (let cut = 1; cut <= 3; cut++) {
        proxy.cutAll();
        await until(() => client.stats().links === cut + 1 && client.status.state === "open");
      }
      client.send(numbered(50));
      await until(() => server.stats().receivedItems === 51);
      const counter = new Counter().attach(server);
      expect(counter.next).toBe(51);
      await client.delivered();
      expect(client.stats().replayedItems).toBeGreaterThanOrEqual(100);
    },
  );

  test("write(), delivered(), end() and close() go on over a cut", async () => {
    const { client, server, proxy } = await session({ both: { replayBytes: 8_192 } });
    const writes = Array.from({ length: 200 }, (_, n) => client.write(numbered(n, 100)));
    proxy.cutAll();
    const counter = new Counter().attach(server);
    await Promise.all(writes);
    proxy.cutAll();
    await client.delivered();
    expect(counter.next).toBe(200);
    proxy.cutAll();
    await timeout(client.close(), 5_000, "close()");
    expect([await client.closed, await server.closed]).toEqual([{ clean: true }, { clean: true }]);
  });

  test("a session that is closed under a hail of cuts ends cleanly on both sides [ext.fin]", async () => {
    for (const seed of seeds(6)) {
      const random = randomFrom(seed);
      const { client, server } = await session({
        chaos: { seed, cutAfterBytes: () => (random() < 0.8 ? Math.floor(random() * 400) : null) },
      });
      const [there, back] = [new Counter().attach(server), new Counter().attach(client)];
      for (let n = 0; n < 20; n++) {
        client.send(numbered(n));
        server.send(numbered(n));
      }
      await timeout(client.close({ timeoutMs: 20_000 }), 20_000, `close() with seed ${seed}`);
      expect([there.next, back.next]).toEqual([20, 20]);
      expect(await server.closed).toEqual({ clean: true });
    }
  });
});

// ------------------------------------------------------------------ the next link

describe("getting the next link", () => {
  test("one attempt at a time, whatever asks for it [link.one]", async () => {
    const acceptor = await service();
    const recorder = new Recorder();
    recorder.next = (attempt) => sourceFor(portOf(acceptor)).nextLink(attempt);
    const client = track(await connect<Uint8Array, Bytes>(recorder, { retry: { baseMs: 1, capMs: 1 } }));
    const server = await accepted(acceptor);
    for (let n = 0; n < 30; n++) {
      client.reconnect();
      client.reconnect();
      server.reconnect();
      if (n % 3 === 0) await turn();
    }
    await until(() => client.status.state === "open");
    expect(recorder.mostOpen).toBe(1);
    client.send(bytes("through"));
    expect(await take(server, 1)).toEqual(["through"]);
  });

  test("the backoff is a full jitter that grows to its cap [resume.retry]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    const recorder = new Recorder();
    const client = StableConduit.create(recorder, {
      retry: { baseMs: 100, capMs: 3_000 },
      connectTimeoutMs: Number.POSITIVE_INFINITY,
    });
    await vi.advanceTimersByTimeAsync(400_000);
    client.abort();
    const waits = recorder.times.slice(1).map((time, i) => time - recorder.times[i]);
    waits.forEach((wait, i) => {
      // Rounded up by the timer.
      expect(wait).toBeLessThanOrEqual(Math.min(3_000, 100 * 2 ** (i + 1)) + 1);
    });
    const late = waits.slice(6);
    expect(late.length).toBeGreaterThan(100);
    const mean = late.reduce((sum, wait) => sum + wait, 0) / late.length;
    expect(mean).toBeGreaterThan(1_200);
    expect(mean).toBeLessThan(1_800);
    expect(Math.min(...late)).toBeLessThan(500);
    expect(recorder.attempts.map(({ number }) => number).slice(0, 5)).toEqual([0, 1, 2, 3, 4]);
    expect(recorder.attempts[0].error).toBeNull();
    expect(recorder.attempts[1].error).toMatchObject({ code: "CONDUIT_LINK", cause: { message: "refused" } });
  });

  test("a handshake alone does not reset the backoff; an item or an ack does [resume.retry]", async () => {
    // Links that die right after the handshake, without progress.
    const { raw, server, conduit } = await openToRaw("extended", { retry: { baseMs: 1, capMs: 60_000 } });
    const numbers: number[] = [];
    conduit.on("status", (status) => {
      if (status.state === "reconnecting" && status.retryAt === null) numbers.push(status.attempt);
    });
    raw.socket.destroy();
    for (let i = 0; i < 3; i++) {
      const next = await server.next();
      await answer(next, "extended");
      await until(() => conduit.status.state === "open");
      next.socket.destroy();
    }
    const last = await server.next();
    await answer(last, "extended");
    conduit.send(bytes("progress"));
    await until(() => conduit.status.state === "open" && last.payloads.length > 2);
    last.write(control(0x02, varint(0)));
    await until(() => conduit.stats().unackedItems === 0);
    last.socket.destroy();
    await answer(await server.next(), "extended", 0);
    await until(() => conduit.status.state === "open");
    expect(numbers).toEqual([1, 2, 3, 4, 0]);
    conduit.abort();
  });

  test("what is handed over while there is no link is no progress [resume.retry]", async () => {
    const acceptor = await service();
    const source = sourceFor(portOf(acceptor));
    const client = track(await connect(source, { retry: { baseMs: 1, capMs: 2 } }));
    const server = await accepted(acceptor);
    for (let n = 0; n < 10; n++) server.send(bytes(`${n}`));
    await until(() => client.stats().receivedItems === 10);
    const attempts: number[] = [];
    source.nextLink = ({ number }) => {
      attempts.push(number);
      return Promise.reject(new Error("refused"));
    };
    client.reconnect();
    for (let n = 0; n < 10; n++) {
      const before = attempts.length;
      await until(() => attempts.length > before);
      await client.recv();
    }
    expect(attempts).toEqual(attempts.map((_, i) => i + attempts[0]));
  });

  test("a link that lived longer than the longest wait was no failure, even when it was idle [resume.retry]", async () => {
    const { raw, server, conduit } = await openToRaw("extended", { retry: { baseMs: 1, capMs: 30 } });
    const numbers: number[] = [];
    conduit.on("status", (status) => {
      if (status.state === "reconnecting" && status.retryAt === null) numbers.push(status.attempt);
    });
    await turn(40);
    raw.socket.destroy();
    await answer(await server.next(), "extended");
    await until(() => conduit.status.state === "open");
    expect(numbers).toEqual([0]);
    conduit.abort();
  });

  test.each([
    { what: "longer than the first wait is followed at once", baseMs: 20, waits: false },
    { what: "shorter is not: the backoff keeps attempts apart", baseMs: 10_000, waits: true },
  ])("a link that was of use and lived $what [resume.retry]", async ({ baseMs, waits }) => {
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    const { raw, conduit } = await openToRaw("extended", { retry: { baseMs } });
    conduit.send(bytes("progress"));
    await until(() => raw.payloads.length > 2);
    raw.write(control(0x02, varint(0)));
    await until(() => conduit.stats().unackedItems === 0);
    await turn(40);
    const waited: boolean[] = [];
    conduit.on("status", (status) => {
      if (status.state === "reconnecting") waited.push(status.retryAt !== null);
    });
    raw.socket.destroy();
    await until(() => waited.length > 0);
    expect(waited[0]).toBe(waits);
    conduit.abort();
  });

  test("shouldRetry decides, and its error is how the session ends; when it throws, that is", async () => {
    const asked: [string, number][] = [];
    const recorder = new Recorder();
    const error = await failure(
      connect(recorder, {
        retry: {
          baseMs: 1,
          capMs: 1,
          shouldRetry: (each, attempt) => {
            asked.push([each.message, attempt]);
            return attempt < 3;
          },
        },
      }),
    );
    expect(error).toMatchObject({ code: "CONDUIT_LINK", message: "no link: refused" });
    expect(asked).toEqual([1, 2, 3].map((attempt) => ["no link: refused", attempt]));
    expect(recorder.attempts.length).toBe(3);

    const broken = await failure(
      connect(new Recorder(), {
        retry: {
          shouldRetry: () => {
            throw new Error("a bug");
          },
        },
      }),
    );
    expect(broken).toMatchObject({ blame: "local", cause: { message: "a bug" } });
  });

  test("without a link for giveUpMs the session ends with expired and what it could not deliver; not earlier", async () => {
    const { client, server, proxy } = await session({
      client: { retry: { baseMs: 400, capMs: 5_000, giveUpMs: 150 } },
    });
    client.send(bytes("first"));
    expect(await take(server, 1)).toEqual(["first"]);
    await client.delivered();
    await turn(200); // time with a link does not count
    proxy.setMode("refuse");
    const cutAt = performance.now();
    proxy.cutAll();
    await until(() => client.status.state === "reconnecting");
    client.send(bytes("second"));
    const { error, undelivered } = await lost(client);
    expect(performance.now() - cutAt).toBeGreaterThan(145);
    expect(performance.now() - cutAt).toBeLessThan(2_000);
    expect(error).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "expired" });
    expect(error.cause).toMatchObject({ code: "CONDUIT_LINK" });
    expect([...undelivered].map(text)).toEqual(["second"]);
    server.abort();
  });

  test("a source that throws, rejects, or gives nonsense is a failed attempt", async () => {
    const acceptor = await service();
    const real = sourceFor(portOf(acceptor));
    const ways: ((attempt: Attempt) => unknown)[] = [
      () => {
        throw new Error("at once");
      },
      () => Promise.reject(new Error("later")),
      () => Promise.reject("a string"),
      () => Promise.resolve(undefined),
      () => ({}),
      (attempt) => real.nextLink(attempt),
    ];
    const errors: string[] = [];
    const client = track(
      await connect(
        {
          nextLink(attempt) {
            if (attempt.error) errors.push(attempt.error.message);
            return ways.shift()!(attempt) as Promise<Attachment>;
          },
        },
        { retry: { baseMs: 1, capMs: 1 } },
      ),
    );
    expect(errors).toEqual([
      "no link: at once",
      "no link: later",
      "no link: a string",
      "the LinkSource gave no Attachment",
      "the LinkSource gave no Attachment",
    ]);
    expect(client.status.state).toBe("open");
  });

  test("an attempt that never settles is aborted in handshakeTimeoutMs, and its late link is destroyed", async () => {
    const acceptor = await service();
    const recorder = new Recorder();
    let deliver!: (attachment: Attachment) => void;
    recorder.next = (attempt) => {
      if (attempt.number === 0) {
        return new Promise((resolve) => {
          deliver = resolve;
        });
      }
      return sourceFor(portOf(acceptor)).nextLink(attempt);
    };
    const client = track(await connect(recorder, { handshakeTimeoutMs: 50, retry: { baseMs: 1, capMs: 1 } }));
    expect(recorder.attempts[0].signal.aborted).toBe(true);
    expect(recorder.attempts[1].error).toMatchObject({ code: "CONDUIT_HANDSHAKE_TIMEOUT" });
    const [ours, theirs] = pair();
    let closed = false;
    theirs.start({
      bytes: () => {},
      written: () => {},
      closed: () => {
        closed = true;
      },
    });
    deliver(Attachment.initiator(ours));
    await until(() => closed);
    expect(client.stats().links).toBe(1);
  });

  test("when the conduit ends, the attempt under way is aborted and its link destroyed", async () => {
    const recorder = new Recorder();
    let deliver!: (attachment: Attachment) => void;
    recorder.next = () =>
      new Promise((resolve) => {
        deliver = resolve;
      });
    const client = StableConduit.create(recorder);
    await until(() => recorder.attempts.length === 1);
    client.abort();
    expect(recorder.attempts[0].signal.aborted).toBe(true);
    const [ours, theirs] = pair();
    let closed = false;
    theirs.start({
      bytes: () => {},
      written: () => {},
      closed: () => {
        closed = true;
      },
    });
    deliver(Attachment.initiator(ours));
    await until(() => closed);
    expect(recorder.attempts.length).toBe(1);
  });

  test("an acceptor that is not there yet is waited for, and a refused port while reconnecting too", async () => {
    const { client, server, proxy } = await session();
    proxy.setMode("refuse");
    proxy.cutAll();
    client.send(bytes("kept"));
    await until(() => client.status.state === "reconnecting" && client.status.attempt > 3);
    proxy.setMode("forward");
    expect(await take(server, 1)).toEqual(["kept"]);
  });
});

// ------------------------------------------------------------------ reconnect()

describe("reconnect()", () => {
  test.each(PROFILES)(
    "reconnect() takes a new link at once, on the initiator's side, with fresh credentials: %s",
    async (profile) => {
      const tokens: string[] = [];
      const seen: (string | undefined)[] = [];
      const acceptor = await service({
        profile,
        authorize: ({ credentials }) => {
          seen.push(text(credentials ?? undefined));
          return { data: null };
        },
      });
      const client = track(
        await connect<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), {
          profile,
          retry: { baseMs: 60_000, capMs: 60_000 },
          credentials: ({ number }) => {
            tokens.push(`token ${tokens.length + 1}, attempt ${number}`);
            return tokens.at(-1)!;
          },
        }),
      );
      const server = await accepted(acceptor);
      client.reconnect();
      await until(() => client.stats().links === 2);
      client.send(bytes("again"));
      expect(await take(server, 1)).toEqual(["again"]);
      await client.delivered({ timeoutMs: 5_000 }).catch((error: ConduitError) => {
        if (profile === "extended") throw error;
      });
      expect(tokens.slice(0, 2)).toEqual(["token 1, attempt 0", "token 2, attempt 1"]);
      if (profile === "extended") expect(seen).toEqual(tokens);
      else expect(new Set(seen)).toEqual(new Set([undefined])); // base has no credentials
    },
  );

  test("reconnect() is no failure: shouldRetry is not asked, and credentials are asked once", async () => {
    let asked = 0;
    const { client, server } = await session({
      client: { retry: { shouldRetry: () => false }, credentials: () => `${asked++}` },
    });
    await turn(100); // a link that was of use for longer than the backoff is followed at once
    client.reconnect();
    await until(() => client.stats().links === 2);
    client.send(bytes("still here"));
    expect(await take(server, 1)).toEqual(["still here"]);
    expect(asked).toBe(2);
  });

  test("reconnect() ends the wait of the backoff", async () => {
    const { client, proxy } = await session({ client: { retry: { baseMs: 60_000, capMs: 60_000 } } });
    proxy.setMode("refuse");
    proxy.cutAll();
    await until(() => client.status.state === "reconnecting" && client.status.retryAt !== null);
    proxy.setMode("forward");
    client.reconnect();
    await until(() => client.status.state === "open");
  });

  test("reconnect() gives up an attempt that hangs, and makes another at once", async () => {
    const acceptor = await service();
    const recorder = new Recorder();
    const real = sourceFor(portOf(acceptor));
    recorder.next = (attempt) => real.nextLink(attempt);
    const client = track(await connect(recorder, { retry: { baseMs: 60_000, capMs: 60_000 } }));
    recorder.next = () => new Promise(() => {}); // the network is gone
    client.reconnect();
    await until(() => recorder.attempts.length === 2);
    recorder.next = (attempt) => real.nextLink(attempt);
    client.reconnect();
    await until(() => client.status.state === "open" && client.stats().links === 2);
    expect(recorder.attempts[1].signal.aborted).toBe(true);
    expect(recorder.attempts.length).toBe(3);
  });

  test("reconnect() finds a way around a link that is half-open; the acceptor takes over although the old one looks alive [resume.takeover]", async () => {
    const acceptor = await service();
    const [old, next] = [await proxyFor(acceptor), await proxyFor(acceptor)];
    let { port } = old;
    const client = track(
      await connect<Uint8Array, Bytes>({ nextLink: (attempt) => sourceFor(port).nextLink(attempt) }),
    );
    const server = await accepted(acceptor);
    old.setMode("half-open");
    client.send(bytes("into the void"));
    server.send(bytes("so was this"));
    await until(() => client.stats().unsentBytes + server.stats().unsentBytes === 0);
    port = next.port;
    client.reconnect();
    expect(await take(server, 1)).toEqual(["into the void"]);
    expect(await take(client, 1)).toEqual(["so was this"]);
    old.setMode("forward"); // what comes late has no effect [link.one]
    client.send(bytes("after"));
    expect(await take(server, 1)).toEqual(["after"]);
    expect([client.stats().links, server.stats().links]).toEqual([2, 2]);
  });

  test.each(PROFILES)(
    "reconnect() on the accepting side makes the initiator come back: %s [ext.control]",
    async (profile) => {
      const { client, server } = await session({ both: { profile } });
      server.reconnect();
      await until(() => server.stats().links === 2 && client.status.state === "open");
      client.send(bytes("again"));
      expect(await take(server, 1)).toEqual(["again"]);
    },
  );

  test("GOAWAY is followed after its time, not before, and the session goes on [ext.control]", async () => {
    const { raw, server, conduit } = await openToRaw("extended", { retry: { baseMs: 1, capMs: 1 } });
    const since = performance.now();
    raw.write(control(0x07, varint(120)));
    await until(() => conduit.status.state === "reconnecting");
    expect((conduit.status as { retryAt: number }).retryAt).toBeGreaterThan(Date.now() + 60);
    const next = await server.next();
    expect(performance.now() - since).toBeGreaterThan(115);
    expect(performance.now() - since).toBeLessThan(2_000);
    await answer(next, "extended");
    await until(() => conduit.status.state === "open");
    conduit.abort();
  });

  test("after the end reconnect() does nothing", async () => {
    const { client, server } = await session();
    client.abort();
    client.reconnect();
    await server.closed;
    server.reconnect();
    expect([client.status.state, server.status.state]).toEqual(["closed", "closed"]);
  });
});

// ------------------------------------------------------------------ credentials

describe("credentials", () => {
  test("credentials are asked for on every attempt, failed ones too, and a failing one is a failed attempt", async () => {
    const seen: (string | undefined)[] = [];
    const acceptor = await service({
      authorize: ({ credentials }) => {
        seen.push(text(credentials ?? undefined));
        return { data: null };
      },
    });
    let asked = 0;
    const client = track(
      await connect(sourceFor(portOf(acceptor)), {
        retry: { baseMs: 1, capMs: 1 },
        credentials: async ({ number, error }) => {
          asked++;
          if (asked === 1) throw new Error("no token yet");
          if (asked === 2) expect(error?.message).toBe("no link: no token yet");
          expect(number).toBe(asked - 1);
          return asked === 2 ? new TextEncoder().encode("bytes") : "text";
        },
      }),
    );
    expect(seen).toEqual(["bytes"]);
    asked = 5;
    client.abort();
  });

  test("credentials that come too late for their attempt do not replace newer ones", async () => {
    const seen: (string | undefined)[] = [];
    const acceptor = await service({
      authorize: ({ credentials }) => {
        seen.push(text(credentials ?? undefined));
        return { data: null };
      },
    });
    let late!: (token: string) => void;
    let gate!: () => void;
    const held = new Promise<void>((resolve) => {
      gate = resolve;
    });
    const source = sourceFor(portOf(acceptor));
    const opening = connect(
      {
        async nextLink(attempt) {
          await held;
          return source.nextLink(attempt);
        },
      },
      {
        handshakeTimeoutMs: 200,
        retry: { baseMs: 1, capMs: 1 },
        credentials: ({ number }) =>
          number === 0
            ? new Promise((resolve) => {
                late = resolve;
              })
            : `token of attempt ${number}`,
      },
    );
    await turn(250); // the first attempt has timed out, the second has its token and waits for its link
    late("stale");
    await turn();
    gate();
    track(await opening);
    expect(seen).toEqual([expect.stringMatching(/^token of attempt \d/)]);
  });

  test("refused credentials end the session by default; with shouldRetry the next attempt may have better ones [ext.commit]", async () => {
    const acceptor = await service({
      authorize: ({ credentials }) =>
        text(credentials ?? undefined) === "good" ? { data: "welcome" } : null,
    });
    const refused = await failure(connect(sourceFor(portOf(acceptor)), { credentials: () => "bad" }));
    expect(refused).toMatchObject({ code: "CONDUIT_UNAUTHORIZED", blame: "peer", fatal: true });
    const client = track(
      await connect(sourceFor(portOf(acceptor)), {
        credentials: ({ number }) => (number < 2 ? "bad" : "good"),
        retry: { baseMs: 1, capMs: 1, shouldRetry: ({ code }) => code === "CONDUIT_UNAUTHORIZED" },
      }),
    );
    expect(client.status.state).toBe("open");
    expect((await accepted(acceptor)).data).toBe("welcome");
  });
});

// ------------------------------------------------------------------ links that die quietly

describe("links that die quietly", () => {
  test("a half-open link is found by PING, and the session goes on over the next one [ext.ping]", async () => {
    const { client, server, proxy } = await session({
      client: { keepaliveMs: 30, keepaliveTimeoutMs: 30 },
      server: { keepaliveMs: 0 },
    });
    await until(() => client.stats().rttMs !== null); // it works before
    const errors: ConduitError[] = [];
    client.on("linkDown", ({ error }) => errors.push(error));
    proxy.setMode("half-open");
    client.send(bytes("lost on the way"));
    await until(() => errors.length > 0);
    expect(errors[0]).toMatchObject({ code: "CONDUIT_LINK", fatal: false });
    expect(errors[0].message).toContain("[ext.ping]");
    proxy.setMode("forward");
    expect(await take(server, 1)).toEqual(["lost on the way"]);
  });

  test("a peer that answers PINGs is never given up, however silent its application is [ext.ping]", async () => {
    const { client } = await session({
      client: { keepaliveMs: 5, keepaliveTimeoutMs: 200 },
      server: { keepaliveMs: 0 },
    });
    await until(() => client.stats().rttMs !== null);
    await turn(300);
    expect(client.stats().links).toBe(1);
  });

  test("in the base profile idleTimeoutMs finds a half-open link [base.idle]", async () => {
    const { client, server, proxy } = await session({
      client: { profile: "base", idleTimeoutMs: 50 },
      server: { profile: "base" },
    });
    let down = "";
    client.on("linkDown", ({ error }) => {
      down ||= error.message;
    });
    proxy.setMode("half-open");
    await until(() => down !== "");
    expect(down).toContain("[base.idle]");
    proxy.setMode("forward");
    await until(() => client.status.state === "open");
    client.send(bytes("x"));
    expect(await take(server, 1)).toEqual(["x"]);
  });

  test("a server that restarts empty REJECTs, and the application gets its undelivered items [resume.lost] [base.blind]", async () => {
    const first = await service();
    let target = portOf(first);
    const client = track(
      await connect<Uint8Array, Bytes>(
        { nextLink: (attempt) => sourceFor(target).nextLink(attempt) },
        { retry: { baseMs: 1, capMs: 5 } },
      ),
    );
    const server = await accepted(first);
    client.send(bytes("read"));
    expect(await take(server, 1)).toEqual(["read"]);
    await client.delivered();
    client.send(bytes("unread"));
    await until(() => server.stats().receivedItems === 2);
    const second = await service();
    target = portOf(second);
    client.reconnect();
    const { error, undelivered } = await lost(client);
    expect(error).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "rejected", blame: "peer" });
    expect([...undelivered].map(text)).toEqual(["unread"]);
    expect(undelivered.firstUnsent).toBe(1);
    server.abort();
  });
});

test("a captive portal on the way is a failed attempt, and the session goes on behind it [hello.bad]", async () => {
  const { raw, server, conduit } = await openToRaw("extended", { retry: { baseMs: 1, capMs: 5 } });
  conduit.send(bytes("kept"));
  raw.socket.destroy();
  const portal = await server.next();
  portal.write(bytes("HTTP/1.1 200 OK\r\n\r\n<html>Please log in</html>"));
  await until(() => portal.closed);
  const real = await server.next();
  expect([...(await real.payload(0)).subarray(0, 5)]).toEqual([...bytes("VOCH"), 0x81]); // with its key
  await answer(real, "extended");
  await until(() => conduit.status.state === "open");
  await until(() => real.payloads.length > 2);
  expect(real.payloads[2].toString()).toContain("kept");
  conduit.abort();
});

test("a session that waits for its next link holds nothing of the dead one", async () => {
  const acceptor = await service();
  const proxy = await proxyFor(acceptor);
  const links = sourceFor(proxy.port);
  let dead: WeakRef<object> | undefined;
  const source: LinkSource = {
    async nextLink(attempt) {
      if (dead) return new Promise(() => {});
      const attachment = await links.nextLink(attempt);
      dead = new WeakRef(attachment.link);
      return attachment;
    },
  };
  const conduit = track(await connect(source));
  proxy.cutAll();
  await until(() => conduit.status.state === "reconnecting");
  await until(() => {
    heldBytes(); // collects garbage
    return dead?.deref() === undefined;
  });
});
