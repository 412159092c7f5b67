// A session leaves a conduit as text and goes on in another one: nothing lost, nothing twice, and a text that is no
// state, or was used, does no harm [resume.suspend].
import { describe, expect, test } from "vitest";
import { type Bytes, type ConnectOptions, StableConduit } from "../../src/node.js";
import { string, struct, u32 } from "../../src/schema.js";
import { Random, seeds } from "../wasm/random.js";
import {
  accepted,
  bytes,
  type Conduit,
  Counter,
  cleanSlate,
  failure,
  lost,
  numbered,
  numberOf,
  PROFILES,
  portOf,
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

const RETRY = { baseMs: 1, capMs: 20 };

function restore(port: number, state: string, options: ConnectOptions = {}): Conduit {
  return track(
    StableConduit.restore<Uint8Array, Bytes>(sourceFor(port), state, { retry: RETRY, ...options }),
  );
}

/** A state with some fields replaced. */
function altered(state: string, fields: Record<string, unknown>): string {
  return JSON.stringify({ ...JSON.parse(state), ...fields });
}

describe.each(PROFILES)("a suspended session, %s", (profile) => {
  const both = { profile, ackDelayMs: 1, probeMs: 20 };

  test("goes on in another conduit: what was sent and not acknowledged arrives once, in order [resume.suspend]", async () => {
    const { client, server, proxy } = await session({ both });
    const there = new Counter().attach(server);
    for (let n = 0; n < 100; n++) client.send(numbered(n));
    await until(() => there.next > 0);
    for (let n = 100; n < 300; n++) client.send(numbered(n, 50));
    const state = client.suspend();
    expect(client.status).toEqual({ state: "suspended" });
    const again = restore(proxy.port, state, both);
    for (let n = 300; n < 400; n++) again.send(numbered(n));
    await again.delivered({ timeoutMs: 5_000 });
    expect(there.next).toBe(400);
    expect(server.stats().handedItems).toBe(400);
    expect(again.stats().sentItems).toBeLessThanOrEqual(400);
  });

  test("gets again what it had received and not finished, and nothing else [ack.handed]", async () => {
    const { client, server, proxy } = await session({ both });
    const before: number[] = [];
    client.onItems = (batch) => {
      for (const item of batch) before.push(numberOf(item));
      // The second batch is never finished, whatever comes behind it waits.
      return numberOf(batch.at(0)) === 0 ? undefined : new Promise(() => {});
    };
    server.send(numbered(0));
    await server.delivered();
    server.send(numbered(1));
    await until(() => before.length === 2);
    for (let n = 2; n < 50; n++) server.send(numbered(n));
    await until(() => client.stats().receivedItems === 50);
    expect(before).toEqual([0, 1]);

    const again = restore(proxy.port, client.suspend(), both);
    const after: number[] = [];
    again.onItems = (batch) => {
      for (const item of batch) after.push(numberOf(item));
    };
    await server.delivered({ timeoutMs: 5_000 });
    expect(after).toEqual(Array.from({ length: 49 }, (_, i) => i + 1));
  });

  test("goes through many conduits while both sides send without a pause [recv.order]", async () => {
    const [seed] = seeds(1);
    const random = new Random(seed);
    const { client, server, proxy } = await session({
      both: { ...both, replayBytes: 1 << 20 },
      chaos: { seed, maxChunk: 2_000, cutAfterBytes: () => random.between(1_000, 40_000) },
    });
    const total = 3_000;
    const there = new Counter().attach(server);
    const sending = (async () => {
      for (let n = 0; n < total; n++) await server.write(numbered(n, 4 + (n % 90)));
    })();
    const back = new Counter();
    let conduit = client;
    for (let sent = 0, moves = 0; there.next < total || back.next < total; ) {
      back.attach(conduit);
      while (sent < total && random.below(200) > 0) conduit.send(numbered(sent++, 4 + (sent % 50)));
      await turn(random.below(5));
      const moving = moves < 25 || sent < total;
      if (!moving) {
        await until(() => there.next === total && back.next === total);
        break;
      }
      moves++;
      conduit = restore(proxy.port, conduit.suspend(), { ...both, replayBytes: 1 << 20 });
    }
    await sending;
    expect([there.next, back.next], `SEED=${seed}`).toEqual([total, total]);
    expect(proxy.cuts).toBeGreaterThan(0);
  });

  test("that was never open is a session of its own, with what was sent", async () => {
    const acceptor = await service({ profile });
    const never = StableConduit.create<Uint8Array, Bytes>(
      { nextLink: () => new Promise(() => {}) },
      { profile },
    );
    never.send(bytes("early"));
    const state = never.suspend();
    const opened = await failure(never.opened);
    expect(opened.code).toBe("CONDUIT_CLOSED");
    const again = restore(portOf(acceptor), state, { profile });
    const server = await accepted(acceptor);
    expect(await take(server, 1)).toEqual(["early"]);
    expect(again.stats().unackedItems).toBeLessThanOrEqual(1);
  });

  test("is not noticed by its peer but as a link that died", async () => {
    const { client, server, proxy } = await session({ both });
    const events: string[] = [];
    server.on("linkDown", () => events.push("down"));
    server.on("linkUp", ({ resumed }) => events.push(`up ${resumed}`));
    server.on("close", () => events.push("close"));
    const state = client.suspend();
    await until(() => events.length === 1);
    const again = restore(proxy.port, state, both);
    await again.opened;
    await until(() => events.length === 2);
    expect(events).toEqual(["down", "up true"]);
    expect(again.id).toBe(profile === "extended" ? server.id : client.id);
  });

  test("leaves a conduit that is over: what waits rejects, nothing can be sent, and the end is told", async () => {
    const { client, server } = await session({ both: { ...both, replayBytes: 4_096 } });
    server.onItems = () => new Promise(() => {}); // nothing is acknowledged, the ring fills
    const waiting = [client.recv()];
    while (thrownBy(() => client.send(new Uint8Array(500))) === null) {}
    const writing = client.write(new Uint8Array(500));
    const delivered = client.delivered();
    const state = client.suspend();
    for (const promise of [...waiting, writing, delivered, client.end()]) {
      expect((await failure(promise as Promise<unknown>)).code).toBe("CONDUIT_CLOSED");
    }
    const { error, undelivered } = await lost(client);
    expect(error.code).toBe("CONDUIT_CLOSED");
    expect(undelivered).toHaveLength(0); // it is in the state
    expect(JSON.parse(state).lengths.length).toBeGreaterThan(3);
    expect(thrown(() => client.send(bytes("late"))).code).toBe("CONDUIT_CLOSED");
    expect(thrown(() => client.suspend()).code).toBe("CONDUIT_CLOSED");
    client.abort();
    client.reconnect();
    expect(client.status.state).toBe("suspended");
  });

  test("can be suspended within its own handler", async () => {
    const { client, server, proxy } = await session({ both });
    let state = "";
    client.onItems = () => {
      state = client.suspend();
    };
    server.send(bytes("again"));
    await until(() => state !== "");
    const again = restore(proxy.port, state, both);
    expect(await take(again, 1)).toEqual(["again"]);
  });
});

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return null;
}

// ------------------------------------------------------------------ ends

describe("the ends of a suspended session", () => {
  test("an end that was asked for is still asked for, and nothing more is sent [ext.fin]", async () => {
    const { client, server, proxy } = await session();
    proxy.cutAll();
    client.send(bytes("last"));
    const ending = client.end();
    const again = restore(proxy.port, client.suspend());
    await failure(ending);
    expect(thrown(() => again.send(bytes("more"))).code).toBe("CONDUIT_CLOSED");
    expect(await take(server, 1)).toEqual(["last"]);
    expect(await server.recv()).toBeUndefined();
    await again.end();
    await again.close();
    expect(await again.closed).toEqual({ clean: true });
  });

  test("an end that was acknowledged, and the peer's that was read, are not said again [ext.fin]", async () => {
    const { client, server, proxy } = await session({ both: { allowHalfOpen: true } });
    await Promise.all([client.end(), server.recv()]);
    const half = restore(proxy.port, client.suspend(), { allowHalfOpen: true });
    server.send(bytes("still open"));
    expect(await take(half, 1)).toEqual(["still open"]);
    await half.delivered();
    expect(half.stats().sentItems).toBe(0);
    const ended = server.end();
    expect(await half.recv()).toBeUndefined();
    await ended;
    expect(await half.closed).toEqual({ clean: true });
    expect(await server.closed).toEqual({ clean: true });
  });

  test("both ends, and an acceptor that never comes back: the session ends by itself after graceMs [ext.fin]", async () => {
    const { client, server } = await session({ both: { allowHalfOpen: true } });
    await Promise.all([client.end(), server.recv()]);
    const both = { handedSeq: 1, anyHanded: true, peerEnded: true, peerGraceMs: 20 };
    const source = { nextLink: () => new Promise<never>(() => {}) };
    const again = track(StableConduit.restore<Uint8Array, Bytes>(source, altered(client.suspend(), both)));
    expect(await timeout(again.closed, 5_000, "closed")).toEqual({ clean: true });
  });

  test("a peer's end that was read is there for the consumer of the next conduit", async () => {
    const { client, server, proxy } = await session({ both: { allowHalfOpen: true } });
    await Promise.all([server.end(), client.recv()]);
    const again = restore(proxy.port, client.suspend(), { allowHalfOpen: true });
    expect(await again.recv()).toBeUndefined();
    again.send(bytes("not over"));
    expect(await take(server, 1)).toEqual(["not over"]);
    await again.close();
  });
});

// ------------------------------------------------------------------ once

describe("a state is good for one restore()", () => {
  test("a second one in the same thread throws, and changes nothing", async () => {
    const { client, server, proxy } = await session();
    const state = client.suspend();
    const again = restore(proxy.port, state);
    expect(thrown(() => restore(proxy.port, state)).code).toBe("CONDUIT_STATE");
    again.send(bytes("fine"));
    expect(await take(server, 1)).toEqual(["fine"]);
  });

  test("the acceptor refuses it once the first has exchanged a record [resume.commit]", async () => {
    const { client, server, proxy } = await session();
    client.send(bytes("a"));
    const state = client.suspend();
    const again = restore(proxy.port, state);
    expect(await take(server, 1)).toEqual(["a"]);
    await again.delivered();
    // Another process does not know that it was used.
    const copy = restore(proxy.port, altered(state, { session: "elsewhere" }));
    const { error, undelivered } = await lost(copy);
    expect([error.code, error.reason]).toEqual(["CONDUIT_SESSION_LOST", "rejected"]);
    expect([...undelivered].map(text)).toEqual(["a"]);
    again.send(bytes("b"));
    expect(await take(server, 1)).toEqual(["b"]);
  });

  test("a throw leaves it as good as it was", async () => {
    const { client, server, proxy } = await session();
    client.send(new Uint8Array(5_000));
    const state = client.suspend();
    const refused = (options: ConnectOptions) => thrown(() => restore(proxy.port, state, options)).code;
    expect(refused({ maxFrameBytes: 1_000 })).toBe("CONDUIT_OPTIONS"); // it was larger [ext.settings]
    expect(refused({ maxStateBytes: 1_024 })).toBe("CONDUIT_STATE");
    expect(refused({ schema: { send: struct("A", { n: u32 }) } as never })).toBe("CONDUIT_SCHEMA");
    restore(proxy.port, state);
    expect((await server.recv())?.length).toBe(5_000);
  });

  test("items that do not fit the ring are a typed error, not a loss", async () => {
    const { client, server, proxy } = await session({ both: { maxFrameBytes: 2_000 } });
    for (let n = 0; n < 10; n++) client.send(numbered(n, 1_000));
    const state = client.suspend();
    const small = { maxFrameBytes: 2_000, replayBytes: 4_096 };
    expect(thrown(() => restore(proxy.port, state, small)).code).toBe("CONDUIT_REPLAY_FULL");
    restore(proxy.port, state);
    const there = new Counter().attach(server);
    await until(() => there.next === 10);
  });
});

test("a full ring fits the ring that it was in, although acks were owed since: base [replay.bound]", async () => {
  const limits = { profile: "base", replayBytes: 4_096, probeMs: 60_000 } as const;
  const { client, server, proxy } = await session({ both: limits });
  server.onItems = () => new Promise(() => {});
  let sent = 0;
  while (thrownBy(() => client.send(numbered(sent))) === null) sent++; // frames without an ack
  server.send(bytes("from here on each would carry one"));
  await client.recv();
  const again = restore(proxy.port, client.suspend(), limits);
  expect(again.stats().unackedItems).toBe(sent);
});

test("a full ring fits the ring that it was in, also with items of half its size [replay.bound]", async () => {
  const limits = { replayBytes: 4_096, maxFrameBytes: 2_048 };
  const { client, server, proxy } = await session({ both: limits });
  const there = new Counter().attach(server);
  for (let n = 0; n < 2; n++) client.send(numbered(n, 2_000));
  await client.delivered(); // the ring has grown to its bound
  client.send(numbered(2, 2_029));
  client.send(numbered(3, 2_045));
  restore(proxy.port, client.suspend(), limits);
  await until(() => there.next === 4);
});

// ------------------------------------------------------------------ sizes, sides, types

test("a state above maxStateBytes is refused, and the conduit goes on as if nothing had been", async () => {
  const { client, server } = await session({ both: { maxStateBytes: 10_000 } });
  const there = new Counter().attach(server);
  for (let n = 0; n < 10; n++) client.send(numbered(n, 1_000));
  const error = thrown(() => client.suspend());
  expect([error.code, error.blame]).toEqual(["CONDUIT_STATE", "local"]);
  await client.delivered({ timeoutMs: 5_000 });
  expect(there.next).toBe(10);
  expect(client.suspend().length).toBeLessThan(1_000);
});

test("only the connecting side can be suspended, and not within sendInto()", async () => {
  const { client, server } = await session();
  expect(thrown(() => server.suspend()).code).toBe("CONDUIT_OPTIONS");
  client.sendInto(1, (_, at) => {
    expect(thrown(() => client.suspend()).code).toBe("CONDUIT_OPTIONS");
    return at;
  });
  expect(await server.recv()).toHaveLength(0);
});

test("typed items go on as values, and the state belongs to their schemas [ext.schema]", async () => {
  const Note = struct("Note", { id: u32, text: string });
  const acceptor = await service({ schema: { recv: Note } as never });
  const schema = { send: Note };
  const source = sourceFor(portOf(acceptor));
  const client = track(await StableConduit.open<{ id: number; text: string }, Bytes>(source, { schema }));
  const server = await accepted(acceptor);
  client.send({ id: 1, text: "kept" });
  const state = client.suspend();
  const other = { schema: { send: struct("Note", { id: u32 }) }, retry: RETRY };
  expect(thrown(() => StableConduit.restore(source, state, other)).code).toBe("CONDUIT_SCHEMA");
  track(StableConduit.restore(source, state, { schema, retry: RETRY }));
  expect(await server.recv()).toEqual({ id: 1, text: "kept" });
});

// ------------------------------------------------------------------ hostile states

describe("a text that is no state is refused and costs nothing", () => {
  const nowhere = { nextLink: () => Promise.reject(new Error("nobody asks for a link")) };
  const codeOf = (state: unknown) =>
    thrown(() => track(StableConduit.restore(nowhere, state as string))).code;

  async function sample(): Promise<string> {
    const { client, server } = await session();
    server.send(bytes("x"));
    await client.recv();
    for (let n = 0; n < 3; n++) client.send(numbered(n, 10));
    return client.suspend();
  }

  test("every truncation of one", async () => {
    const state = await sample();
    for (let length = 0; length < state.length; length++) {
      expect(codeOf(state.slice(0, length)), `${length} characters`).toBe("CONDUIT_STATE");
    }
  });

  test("every field that is missing, of another type or out of range", async () => {
    const state = await sample();
    const wrong = [undefined, "x", -1, 0.5, 2 ** 60, Number.NaN, [], {}, [1], "=", "a".repeat(70_000)];
    for (const name of Object.keys(JSON.parse(state))) {
      let refused = 0;
      for (const value of [...wrong, true, null]) {
        const caught = thrownBy(() => {
          // What is in range may be any state.
          StableConduit.restore(
            nowhere,
            altered(state, { [name]: value, session: `${name} ${value}` }),
          ).abort();
        }) as { code?: string } | null;
        if (caught)
          expect(["CONDUIT_STATE", "CONDUIT_SCHEMA", "CONDUIT_OPTIONS"], name).toContain(caught.code);
        if (caught) refused++;
      }
      if (name !== "session" && name !== "id") expect(refused, name).toBeGreaterThan(6);
    }
  });

  test("what is no text, another's JSON, and fields that contradict each other", async () => {
    const state = await sample();
    for (const other of [undefined, null, 1, {}, "null", "[]", "{}", '{"version":1}', '"text"']) {
      expect(codeOf(other), String(other)).toBe("CONDUIT_STATE");
    }
    const contradictions = [
      { version: 2 },
      { written: 4 },
      { lengths: [10, 10] },
      { lengths: [10, 10, 11] },
      { lengths: [30, 1e9, -1e9] },
      { key: null },
      { key: "AAAA" },
      { end: "acked" },
      { opened: false },
      { anyHanded: false, peerEnded: true },
      { profile: "base", peerEnded: true },
      { profile: "base", ackedSeq: 2 ** 32 - 2, anyAcked: true },
      { profile: "base", handedSeq: 0 },
    ];
    for (const fields of contradictions) {
      expect(codeOf(altered(state, fields)), JSON.stringify(fields)).toBe("CONDUIT_STATE");
    }
  });
});
