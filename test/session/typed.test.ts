// Typed messages through a conduit: the way of a value into the ring and out of a chunk, and what two versions of a
// schema make of each other.
import { describe, expect, expectTypeOf, test } from "vitest";
import { type ChaosProxy, startChaosProxy } from "../../examples/demo/chaos-proxy.js";
import {
  type ConduitError,
  connect,
  type Limits,
  listen,
  type MessageSchema,
  type Schemas,
  StableConduit,
  tcp,
} from "../../src/node.js";
import {
  buildPlan,
  bytes,
  f32,
  type Infer,
  list,
  option,
  string,
  struct,
  u8,
  u32,
  withDefault,
} from "../../src/schema.js";
import { cleanSlate, failure, later, PROFILES, thrown, track, until } from "./helpers.js";

cleanSlate();

const Point = struct("Point", { x: f32, y: f32 });
const Move = struct("Move", { player: u32, at: Point, note: option(string) });
type Move = Infer<typeof Move>;
const move = (player: number, note?: string): Move => ({ player, at: { x: player / 2, y: -player }, note });

/** Two ends over TCP with a proxy between them: what the client sends, the server receives, perhaps as another version. */
async function typed<A, B, C, D>({
  client: ofClient,
  server: ofServer,
  options,
}: {
  client: Schemas<A, B>;
  server: Schemas<C, D>;
  options?: Limits & { profile?: "base" | "extended" };
}): Promise<{ client: StableConduit<A, B>; server: StableConduit<C, D>; proxy: ChaosProxy }> {
  const acceptor = await listen<C, D>(tcp.server({ host: "127.0.0.1", port: 0 }), {
    ...options,
    schema: ofServer,
  });
  later(() => acceptor.close({ timeoutMs: 1 }));
  const proxy = await startChaosProxy({ target: acceptor.address as { port: number } });
  later(() => proxy.close());
  const source = tcp({ host: "127.0.0.1", port: proxy.port });
  const client = track(
    await connect<A, B>(source, { retry: { baseMs: 1, capMs: 20 }, ...options, schema: ofClient }),
  );
  const { value: server } = await acceptor[Symbol.asyncIterator]().next();
  return { client, server: server as StableConduit<C, D>, proxy };
}

/** Both ends at once: the session may be over before it is open. */
async function opening(
  ofClient: Schemas<unknown, unknown>,
  ofServer: Schemas<unknown, unknown>,
  limits: Limits,
) {
  const acceptor = await listen(tcp.server({ host: "127.0.0.1", port: 0 }), { ...limits, schema: ofServer });
  later(() => acceptor.close({ timeoutMs: 1 }));
  const { port } = acceptor.address as { port: number };
  const source = tcp({ host: "127.0.0.1", port });
  return { acceptor, client: track(StableConduit.create(source, { ...limits, schema: ofClient })) };
}

describe.each(PROFILES)("typed messages (%s)", (profile) => {
  const options = { profile };

  test("arrive as values, in order, over cut links, in both directions", async () => {
    const { client, server, proxy } = await typed({
      options,
      client: { send: Move, recv: list(u32) },
      server: { send: list(u32), recv: Move },
    });
    expectTypeOf(client.send).parameter(0).toEqualTypeOf<Move>();
    expectTypeOf(client.recv).returns.resolves.toEqualTypeOf<number[] | undefined>();
    const moves: Move[] = [];
    server.onItems = (batch) => {
      for (const item of batch) {
        moves.push(item);
        server.send([item.player, moves.length]);
      }
    };
    for (let i = 0; i < 2_000; i++) {
      await client.write(move(i, i % 3 === 0 ? `№ ${i}` : undefined));
      if (i % 400 !== 0) continue;
      await until(() => moves.length > i);
      proxy.cutAll();
    }
    for (let i = 0; i < 2_000; i++) expect(await client.recv()).toEqual([i, i + 1]);
    expect(moves).toEqual(
      Array.from({ length: 2_000 }, (_, i) => move(i, i % 3 === 0 ? `№ ${i}` : undefined)),
    );
    expect(proxy.cuts).toBeGreaterThan(2);
  });

  test("of every way of sending are the same", async () => {
    const { client, server } = await typed({ options, client: { send: Move }, server: { recv: Move } });
    const { tx } = client.split();
    client.send(move(0));
    await client.write(move(1));
    const changing = move(2);
    const prepared = tx.prepareSend(changing);
    changing.player = 99;
    await tx.sendPrepared(prepared);
    await tx.sendPrepared(prepared); // as an item of its own
    expect(await Promise.all([server.recv(), 0])).toEqual([move(0), 0]);
    for (const player of [1, 2, 2]) expect(await server.recv()).toEqual(move(player));
  });

  test("that are not of the type are refused with their path, and nothing is sent", async () => {
    const { client, server } = await typed({ options, client: { send: Move }, server: { recv: Move } });
    const wrong = { ...move(1), at: { x: 1, y: "2" } } as unknown as Move;
    const error = thrown(() => client.send(wrong));
    expect(error).toMatchObject({ code: "CONDUIT_ENCODE", blame: "local", fatal: false });
    expect(error.message).toContain("Move.at.y");
    expect((await failure(client.write(wrong))).code).toBe("CONDUIT_ENCODE");
    client.send(move(2));
    expect(await server.recv()).toEqual(move(2));
    expect(client.stats().sentItems).toBe(1);
  });

  test("whose getters use the conduit are refused", async () => {
    const { client, server } = await typed({ options, client: { send: Move }, server: { recv: Move } });
    const nested = {
      ...move(1),
      get player() {
        client.send(move(7));
        return 1;
      },
    };
    const error = thrown(() => client.send(nested));
    expect(error.code).toMatch(/CONDUIT_(OPTIONS|ENCODE)/);
    client.send(move(2));
    expect(await server.recv()).toEqual(move(2));
  });

  test("that cannot be decoded end the session and are not acknowledged [ack.cumulative]", async () => {
    const { client, server } = await typed({
      options,
      client: { send: u32 },
      server: { recv: struct("Pair", { a: u8, b: string }) },
    });
    client.send(1);
    // The extended profile finds out before the first item; the base profile at the first item.
    const error = await failure(
      profile === "base"
        ? server.recv()
        : server.closed.then((close) => Promise.reject(close.clean ? close : close.error)),
    );
    expect(error).toMatchObject({
      code: profile === "base" ? "CONDUIT_DECODE" : "CONDUIT_SCHEMA",
      blame: "peer",
      fatal: true,
    });
    expect(server.stats().handedItems).toBe(0);
  });

  test("that cannot be decoded end the session when a batch is read, whatever its reader does about it [ack.cumulative]", async () => {
    const Pair = struct("Pair", { a: u8, b: string });
    const { client, server } = await typed({ options, client: { send: Pair }, server: { recv: Pair } });
    client.send({ a: 1, b: "good" });
    client.sendBatch(Uint8Array.of(9), Uint32Array.of(1));
    client.send({ a: 2, b: "never read" });
    await until(() => server.stats().receivedItems === 3);
    const read: unknown[] = [];
    for await (const batch of server.batches()) {
      for (let i = 0; i < batch.length; i++) {
        try {
          read.push(batch.at(i));
        } catch (error) {
          read.push((error as ConduitError).code);
        }
      }
      if (read.length === 3) break;
    }
    expect(read[1]).toBe("CONDUIT_DECODE");
    if (profile === "extended") {
      expect(await client.closed).toMatchObject({
        clean: false,
        error: {
          code: "CONDUIT_ABORTED",
          blame: "peer",
          message: expect.stringMatching(/not decode.*Pair\.b/),
        },
      });
    }
    expect(await server.closed).toMatchObject({
      clean: false,
      error: { code: "CONDUIT_DECODE", fatal: true },
    });
    expect(server.stats().handedItems).toBeLessThan(2);
  });

  test("larger than they can be at most fit where only their real size does", async () => {
    const Text = struct("Text", { text: string });
    const { client, server } = await typed({
      options: { ...options, maxFrameBytes: 2_048, replayBytes: 4_096 },
      client: { send: Text },
      server: { recv: Text },
    });
    const text = "x".repeat(2_000); // three bytes a character at most: 6,000
    client.send({ text });
    expect(await server.recv()).toEqual({ text });
    expect(thrown(() => client.send({ text: "x".repeat(2_048) })).code).toBe("CONDUIT_FRAME_TOO_LARGE");
  });

  test("with byte strings come owned, borrowed or lazy", async () => {
    const Blob = struct("Blob", { name: string, data: bytes });
    const value = { name: "a", data: Uint8Array.from({ length: 70_000 }, (_, i) => i) };
    for (const decode of ["owned", "borrowed", "lazy"] as const) {
      const { client, server } = await typed({
        options,
        client: { send: Blob },
        server: { recv: Blob, decode },
      });
      client.send(value);
      const got = (await server.recv())!;
      expect(got.name).toBe("a");
      expect(Buffer.compare(got.data, value.data)).toBe(0);
      expect(got.data.buffer.byteLength === got.data.length).toBe(decode !== "borrowed");
    }
  });

  test("that were not delivered come back as values", async () => {
    const { client, server } = await typed({ options, client: { send: Move }, server: { recv: Move } });
    server.onItems = () => new Promise(() => {}); // never done
    client.send(move(1, "a"));
    client.send(move(2));
    await until(() => server.stats().receivedItems === 2);
    client.abort("enough");
    const close = await client.closed;
    expect(close.clean ? [] : [...close.undelivered]).toEqual([move(1, "a"), move(2)]);
  });
});

test("a volatile item that cannot be decoded ends the session, too [ext.control]", async () => {
  const { client, server } = await typed({ client: {}, server: { recv: Move } });
  await client.opened;
  expect(client.sendVolatile(Uint8Array.of(1))).toBe(true);
  expect(await server.closed).toMatchObject({
    clean: false,
    error: { code: "CONDUIT_DECODE", blame: "peer", fatal: true },
  });
});

describe("two versions of a schema", () => {
  const V1 = struct("Move", { player: u32, at: Point, note: option(string) });
  const V2 = struct("Move", { at: Point, player: u32, speed: withDefault(f32, 1.5) });
  const Both = struct("Move", { speed: f32, player: u32, at: Point, note: option(string) });

  test("translate by themselves in the extended profile, both ways, on every link [ext.schema]", async () => {
    const { client, server, proxy } = await typed({
      client: { send: V1, recv: V2 },
      server: { send: Both, recv: V2 },
    });
    for (let i = 0; i < 3; i++) {
      client.send(move(i, "old"));
      expect(await server.recv()).toEqual({ player: i, at: { x: i / 2, y: -i }, speed: 1.5 });
      proxy.cutAll();
    }
    server.send({ ...move(9, "new"), speed: 2 });
    expect(await client.recv()).toEqual({ player: 9, at: { x: 4.5, y: -9 }, speed: 2 });
  });

  test("that do not fit end the session on both sides before the first item, with the path [ext.schema]", async () => {
    const acceptor = await listen<number, { a: string }>(tcp.server({ host: "127.0.0.1", port: 0 }), {
      schema: { send: u32, recv: struct("A", { a: string }) },
    });
    later(() => acceptor.close({ timeoutMs: 1 }));
    const source = tcp({ host: "127.0.0.1", ...(acceptor.address as { port: number }) });
    const client = track(await connect(source, { schema: { send: struct("A", { a: u32 }), recv: u32 } }));
    client.send({ a: 1 });
    const close = await client.closed;
    expect(close).toMatchObject({ clean: false, error: { code: "CONDUIT_SCHEMA" } });
    if (close.clean) return;
    expect(close.error.message).toContain("A.a");
    expect([...close.undelivered]).toEqual([{ a: 1 }]);
  });

  test.each([
    ["no JSON", "{"],
    ["no schema", '{"kind":"cat"}'],
    ["nested too deep", `${'{"kind":"list","element":'.repeat(5_000)}{"kind":"u8"}${"}".repeat(5_000)}`],
  ])(
    "a peer's schema that is %s ends the session with CONDUIT_SCHEMA, and costs nothing else [ext.schema]",
    async (_, text) => {
      const { messages } = u32;
      const liar: MessageSchema<number> = {
        messages: {
          fingerprint: "another",
          text,
          encoder: (copy) => messages.encoder(copy),
          decoder: (mode) => messages.decoder(mode),
          decoderOf: (writer, mode) => messages.decoderOf(writer, mode),
        },
      };
      const { server, client } = await typed({ client: { send: liar }, server: { recv: u32 } });
      const closes = await Promise.all([server.closed, client.closed]);
      for (const close of closes) {
        expect(close).toMatchObject({ clean: false, error: { code: "CONDUIT_SCHEMA" } });
      }
    },
  );

  test("whose text is larger than the peer's maxFrameBytes end the session on both sides with CONDUIT_SCHEMA [ext.schema]", async () => {
    const wide = (count: number) =>
      struct("Wide", Object.fromEntries(Array.from({ length: count }, (_, i) => [`field${i}`, u8])));
    for (const writer of ["client", "server"] as const) {
      const writes = { send: wide(400) };
      const reads = { recv: wide(2) };
      const { acceptor, client } = await opening(
        writer === "client" ? writes : reads,
        writer === "client" ? reads : writes,
        { maxFrameBytes: 2_048 },
      );
      const [close] = await Promise.all([client.closed, until(() => acceptor.sessions.size === 0)]);
      expect(close).toMatchObject({ clean: false, error: { code: "CONDUIT_SCHEMA" } });
    }
  });

  test("are translated by a plan where the peer cannot say what it writes", async () => {
    const { client, server } = await typed({
      options: { profile: "base" },
      client: { send: V1 },
      server: { recv: V2 },
    });
    const translating = server.withMessagePlan(buildPlan(V1, V2));
    client.send(move(4, "old"));
    expect(await translating.recv()).toEqual({ player: 4, at: { x: 2, y: -4 }, speed: 1.5 });
    // From the first item on, or not at all.
    expect(thrown(() => server.withMessagePlan(buildPlan(V1, V2)))).toMatchObject({
      code: "CONDUIT_OPTIONS",
    });
  });

  test.each(["owned", "borrowed", "lazy"] as const)(
    "are translated by a plan to %s values, and whatever schema the peer names on another link [ext.schema]",
    async (decode) => {
      const Old = struct("Blob", { data: bytes, name: string });
      const New = struct("Blob", { name: string, data: bytes, rank: withDefault(u8, 3) });
      const Ours = struct("Blob", { name: string, data: bytes, rank: withDefault(u8, 7) });
      const { client, server, proxy } = await typed({
        client: { send: Old },
        server: { recv: New, decode },
      });
      // The reader's own plan would say 3.
      const planned = server.withMessagePlan(buildPlan(Old, Ours));
      for (let i = 0; i < 2; i++) {
        client.send({ name: "cat", data: Uint8Array.of(1, i) });
        const got = (await planned.recv())!;
        expect([got.name, got.rank]).toEqual(["cat", 7]);
        expect(got.data).toEqual(Uint8Array.of(1, i));
        expect(got.data.buffer.byteLength === 2).toBe(decode !== "borrowed");
        expect(Object.keys(got).length).toBe(decode === "lazy" ? 0 : 3);
        proxy.cutAll();
      }
    },
  );

  test("are translated by the plan that was given, also when the peer's schema comes after it [ext.schema]", async () => {
    const Old = struct("Move", { player: u32 });
    const New = struct("Move", { player: u32, speed: withDefault(u8, 3) });
    const Ours = struct("Move", { player: u32, speed: withDefault(u8, 7) });
    // An initiator can be given its plan before there is a link.
    const service = await listen(tcp.server({ host: "127.0.0.1", port: 0 }), { schema: { send: Old } });
    later(() => service.close({ timeoutMs: 1 }));
    const { port } = service.address as { port: number };
    const reader = track(
      StableConduit.create<Uint8Array, unknown>(tcp({ host: "127.0.0.1", port }), { schema: { recv: New } }),
    ).withMessagePlan(buildPlan(Old, Ours));
    const { value: writer } = await service[Symbol.asyncIterator]().next();
    writer!.send({ player: 1 });
    expect(await reader.recv()).toEqual({ player: 1, speed: 7 });
  });

  test("are translated by a plan that comes when items have arrived already, as long as none was taken", async () => {
    const { client, server } = await typed({
      options: { profile: "base" },
      client: { send: V1 },
      server: { recv: V2 },
    });
    // One chunk each, more than the receiver keeps as they are.
    for (let i = 0; i < 20; i++) {
      client.send(move(i));
      await until(() => server.stats().receivedItems === i + 1);
    }
    const translating = server.withMessagePlan(buildPlan(V1, V2));
    for (let player = 0; player < 20; player++) {
      expect(await translating.recv()).toMatchObject({ player, speed: 1.5 });
    }
  });
});
