// Conduits in pipes: Web Streams and Node's, over TCP links that are cut; backpressure, ends and failures are those of
// the streams' own standards.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Duplex, PassThrough, Readable, Transform, Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { randomFrom } from "../../examples/demo/chaos-proxy.js";
import { type Bytes, connect, duplex, listen, StableConduit, tcp } from "../../src/node.js";
import { option, type Schema, u32, unit } from "../../src/schema.js";
import { seeds } from "../wasm/random.js";
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
  numberOf,
  portOf,
  type Session,
  service,
  session,
  sourceFor,
  text,
  timeout,
  track,
  turn,
  until,
} from "./helpers.js";

cleanSlate();

/** A session whose links live for a random number of bytes. */
function cutSession(seed: number): Promise<Session> {
  const random = randomFrom(seed);
  return session({
    both: { replayBytes: 1 << 18, ackBytes: 4_096, ackDelayMs: 1 },
    chaos: { seed, cutAfterBytes: () => 2_000 + Math.floor(random() * 60_000) },
  });
}

const SMALL = { both: { replayBytes: 1 << 16, receiveWindow: 1 << 14 } };

/** Numbered items, made when they are asked for. */
function numbers(total: number, size = 100) {
  const source = {
    made: 0,
    cancelled: undefined as unknown,
    stream: null as unknown as ReadableStream<Bytes>,
  };
  source.stream = new ReadableStream<Bytes>({
    pull(controller) {
      if (source.made === total) controller.close();
      else controller.enqueue(numbered(source.made++, size));
    },
    cancel(reason) {
      source.cancelled = reason;
    },
  });
  return source;
}

describe("Web Streams", () => {
  test.each(seeds(2))(
    "pipeThrough(conduit), to a service that takes its time and answers, over links that are cut: seed %i [recv.order]",
    async (seed) => {
      const { client, server, proxy } = await cutSession(seed);
      const total = 3_000;
      const random = randomFrom(seed);
      const serving = server.readable
        .pipeThrough(
          new TransformStream<Bytes, Bytes>({
            async transform(item, controller) {
              if (random() < 0.01) await turn();
              controller.enqueue(item);
            },
            // The client has ended by now: what is said after it still arrives.
            async flush(controller) {
              await turn(20);
              controller.enqueue(numbered(total));
            },
          }),
        )
        .pipeTo(server.writable);
      const counter = new Counter();
      const answers = numbers(total).stream.pipeThrough(client);
      await answers.pipeTo(new WritableStream({ write: (item) => counter.take(item) }));
      await serving;
      expect(counter.next).toBe(total + 1);
      expect(proxy.cuts).toBeGreaterThan(5);
      expect(await Promise.all([client.closed, server.closed])).toEqual([{ clean: true }, { clean: true }]);
    },
  );

  test("a reader that is slow holds the source back, however long the stream: memory is bounded [ext.window] [replay.bound]", async () => {
    const { client, server } = await session(SMALL);
    const source = numbers(2_000, 1_000);
    const piping = source.stream.pipeTo(client.writable);
    const reader = server.readable.getReader();
    const counter = new Counter();
    let most = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      counter.take(value);
      if (counter.next % 100 === 0) await turn(2); // time for the source to run ahead, if it could
      most = Math.max(most, source.made - counter.next);
      expect(server.stats().unhandedBytes).toBeLessThanOrEqual(1 << 14);
    }
    await piping;
    expect(counter.next).toBe(2_000);
    expect(most).toBeGreaterThan(10);
    expect(most * 1_000).toBeLessThan((1 << 16) + (1 << 14) + 20_000);
  });

  test("close() of a writer resolves when the peer's application has everything, and reading goes on", async () => {
    const { client, server } = await session();
    const writer = client.writable.getWriter();
    await writer.write(bytes("question"));
    let closed = false;
    const closing = writer.close().then(() => {
      closed = true;
    });
    await until(() => server.stats().receivedItems === 1);
    await turn(10);
    expect(closed).toBe(false);
    const back = server.writable.getWriter(); // from now on it ends the direction
    const reader = server.readable.getReader();
    expect(text((await reader.read()).value)).toBe("question");
    expect((await reader.read()).done).toBe(true);
    await closing;
    await back.write(bytes("answer"));
    const ended = back.close();
    expect(text(await client.recv())).toBe("answer");
    expect(await client.recv()).toBeUndefined();
    await ended;
    expect(await client.closed).toEqual({ clean: true });
  });

  test("aborting a writer does not wait for a write that has no room", async () => {
    const { client } = await session(SMALL);
    const writer = client.writable.getWriter();
    const reason = new Error("enough");
    const written = (async () => {
      for (;;) await writer.write(numbered(0, 1_000)); // nobody reads
    })();
    await Promise.all([
      failure(written),
      until(() => client.stats().ringBytes > 45_000).then(() =>
        timeout(writer.abort(reason), 1_000, "abort"),
      ),
    ]);
    expect((await lost(client)).error).toMatchObject({ code: "CONDUIT_ABORTED", cause: reason });
  });

  test("aborting a writer does not wait for the delivery that close() waits for", async () => {
    const { client } = await session();
    const writer = client.writable.getWriter();
    writer.write(bytes("nobody reads it"));
    const closing = failure(writer.close());
    await turn(5);
    await timeout(
      failure(writer.abort(new Error("enough"))).catch(() => {}),
      1_000,
      "abort",
    );
    expect(await closing).toMatchObject({ code: "CONDUIT_ABORTED" });
  });

  test("the end of the session fails both streams at once, though nobody reads or writes, and pipes learn it", async () => {
    const { client, server } = await session();
    const reader = server.readable.getReader();
    const idle = numbers(0);
    idle.stream = new ReadableStream({ cancel: (reason) => void (idle.cancelled = reason) });
    const piping = failure(idle.stream.pipeTo(server.writable));
    client.abort("gone");
    expect(await failure(reader.closed)).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
    expect(await piping).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
    expect(idle.cancelled).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
  });

  test("a conduit that somebody else closes fails a writable stream that is open, and leaves one that was closed", async () => {
    const { client, server } = await session();
    const writer = client.writable.getWriter();
    const closed = server.writable.getWriter();
    await Promise.all([client.close(), closed.close(), client.recv(), server.recv()]);
    expect(await failure(writer.closed)).toMatchObject({ code: "CONDUIT_CLOSED" });
    await closed.closed;
  });

  test("a pipe whose end fails aborts the conduit with its error", async () => {
    const { client, server } = await session();
    const full = new Error("disk full");
    const piping = failure(
      server.readable.pipeTo(
        new WritableStream({
          write() {
            throw full;
          },
        }),
      ),
    );
    for (let n = 0; n < 3; n++) client.send(numbered(n));
    expect(await piping).toBe(full);
    expect((await lost(server)).error).toMatchObject({ code: "CONDUIT_ABORTED", cause: full });
    expect((await lost(client)).undelivered.length).toBeGreaterThanOrEqual(2);
  });

  test("preventCancel and preventClose leave the conduit as it was", async () => {
    const { client, server } = await session();
    await numbers(3).stream.pipeTo(client.writable, { preventClose: true });
    const controller = new AbortController();
    const seen: number[] = [];
    const piping = server.readable.pipeTo(
      new WritableStream({
        write(item) {
          seen.push(numberOf(item));
          if (seen.length === 3) controller.abort();
        },
      }),
      { signal: controller.signal, preventCancel: true },
    );
    expect(await failure(piping)).toMatchObject({ name: "AbortError" });
    client.send(numbered(3));
    expect(numberOf((await server.readable.getReader().read()).value!)).toBe(3);
    expect(seen).toEqual([0, 1, 2]);
    expect(client.status.state).toBe("open");
  });
});

describe("duplex()", () => {
  test.each(seeds(2))(
    "pipeline() carries bytes both ways over links that are cut: seed %i [recv.order]",
    async (seed) => {
      const { client, server, proxy } = await cutSession(seed);
      const random = randomFrom(seed);
      const hashes = { sent: createHash("sha256"), received: createHash("sha256") };
      const source = function* () {
        for (let n = 0; n < 200; n++) {
          const chunk = Buffer.alloc(Math.floor(random() ** 4 * 30_000), n);
          hashes.sent.update(chunk);
          yield chunk;
        }
      };
      const [near, far] = [duplex(client), duplex(server)];
      const echoing = pipeline(far, new PassThrough(), far);
      await pipeline(source, near, async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) hashes.received.update(chunk);
      });
      await echoing;
      expect(hashes.received.digest("hex")).toBe(hashes.sent.digest("hex"));
      expect(proxy.cuts).toBeGreaterThan(20);
      expect(await Promise.all([client.closed, server.closed])).toEqual([{ clean: true }, { clean: true }]);
    },
  );

  test.each(seeds(2))(
    "in object mode each item is a chunk, in order, over links that are cut: seed %i [recv.order]",
    async (seed) => {
      const { client, server, proxy } = await cutSession(seed);
      const total = 3_000;
      const random = randomFrom(seed);
      const far = duplex(server, { objectMode: true });
      const slowly = new Transform({
        objectMode: true,
        transform(item, _, done) {
          if (random() < 0.01) setImmediate(done, null, item);
          else done(null, item);
        },
      });
      const echoing = pipeline(far, slowly, far);
      const counter = new Counter();
      const items = function* () {
        for (let n = 0; n < total; n++) yield numbered(n, 4 + Math.floor(random() * 200));
      };
      await pipeline(items, duplex(client, { objectMode: true }), async (answers: AsyncIterable<Bytes>) => {
        for await (const answer of answers) counter.take(answer);
      });
      await echoing;
      expect(counter.next).toBe(total);
      expect(proxy.cuts).toBeGreaterThan(5);
    },
  );

  test.each([false, true])(
    "a reader that is slow holds the writer back, memory is bounded: object mode %s [ext.window] [replay.bound]",
    async (objectMode) => {
      const { client, server } = await session(SMALL);
      let made = 0;
      const source = Readable.from(
        (function* () {
          for (; made < 2_000; made++) yield numbered(made, 1_000);
        })(),
      );
      let [taken, most] = [0, 0];
      const sink = new Writable({
        objectMode,
        highWaterMark: 1,
        async write(chunk: Uint8Array, _encoding, done) {
          taken += chunk.length;
          most = Math.max(most, made * 1_000 - taken);
          await turn(objectMode ? 0 : 1);
          done();
        },
      });
      const [near, far] = objectMode
        ? [duplex(client, { objectMode }), duplex(server, { objectMode })]
        : [duplex(client), duplex(server)];
      await Promise.all([pipeline(source, near), pipeline(far, sink)]);
      expect(taken).toBe(2_000_000);
      expect(most).toBeGreaterThan(20_000);
      expect(most).toBeLessThan(2 * (1 << 16) + (1 << 14) + 50_000);
    },
  );

  test("what nobody reads is not acknowledged: reading an item tells that the one before it is done [ack.cumulative]", async () => {
    const { client, server } = await session();
    const far = duplex(server, { objectMode: true });
    for (let n = 0; n < 3; n++) client.send(numbered(n));
    const items = far[Symbol.asyncIterator]();
    for (let n = 0; n < 3; n++) {
      expect(numberOf((await items.next()).value)).toBe(n);
      await turn();
      expect(server.stats().handedItems).toBe(n);
    }
    client.end();
    expect((await items.next()).done).toBe(true);
    expect(server.stats().handedItems).toBe(3);
  });

  test("finish comes when the peer's application has everything, and the other direction stays open", async () => {
    const { client, server } = await session();
    const [near, far] = [duplex(client), duplex(server)];
    near.end("question");
    let done = false;
    near.on("finish", () => {
      done = true;
    });
    await until(() => server.stats().receivedItems === 1);
    await turn(10);
    expect(done).toBe(false);
    far.setEncoding("utf8");
    let heard = "";
    far.on("data", (chunk) => {
      heard += chunk;
    });
    await Promise.all([once(far, "end"), once(near, "finish")]);
    expect(heard).toBe("question");
    far.end("answer");
    expect(String(await once(near, "data"))).toBe("answer");
    await Promise.all([finished(near), finished(far), once(near, "close"), once(far, "close")]);
    expect(await client.closed).toEqual({ clean: true });
  });

  test("allowHalfOpen: false ends behind what was written when the peer's end was read", async () => {
    const { client, server } = await session();
    const far = duplex(server, { allowHalfOpen: false });
    far.on("data", (chunk) => {
      for (let i = 0; i < 10; i++) far.write(chunk);
    });
    client.send(bytes("a"));
    client.end();
    let heard = "";
    for await (const chunk of duplex(client)) heard += chunk;
    expect(heard).toBe("aaaaaaaaaa");
    expect(await Promise.all([client.closed, server.closed])).toEqual([{ clean: true }, { clean: true }]);
  });

  test("for await that reads to the peer's end leaves the stream as Node leaves its own, and the session closes in good order", async () => {
    const { client, server } = await session();
    client.send(bytes("only"));
    const ending = client.close();
    let heard = "";
    const far = duplex(server);
    for await (const chunk of far) heard += chunk;
    expect(heard).toBe("only");
    // Node destroys it, or since nodejs/node#64275 leaves the other direction to end().
    const own = new Duplex({ read: () => own.push(null), write: (_chunk, _encoding, done) => done() });
    for await (const _ of own);
    await turn();
    expect(far.destroyed).toBe(own.destroyed);
    far.end();
    await ending;
    expect(await Promise.all([client.closed, server.closed])).toEqual([{ clean: true }, { clean: true }]);
  });

  test("a stream that was written to, and not ended, aborts the session when it is destroyed behind the peer's end, as by for await: what is cut short must not look whole", async () => {
    const { client, server } = await session();
    client.send(bytes("a"));
    client.end();
    const far = duplex(server);
    far.write("the first half");
    for await (const chunk of far) expect(String(chunk)).toBe("a");
    far.destroy(); // as some versions of Node did already
    expect((await lost(server)).error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "local" });
    expect((await lost(client)).error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
  });

  test("leaving a for await early destroys the stream and so aborts the session, as Node's streams do", async () => {
    const { client, server } = await session();
    client.send(bytes("a"));
    for await (const _ of duplex(server)) break;
    expect((await lost(server)).error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "local" });
    expect((await lost(client)).error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
  });

  test("an error that destroys the stream is the reason of the abort, and of the pipeline's failure", async () => {
    const { client, server } = await session();
    const bad = new Error("bad checksum");
    const piping = failure(
      pipeline(
        duplex(server),
        new Transform({
          transform(_chunk, _encoding, done) {
            done(bad);
          },
        }),
        new PassThrough().resume(),
      ),
    );
    client.send(bytes("a"));
    expect(await piping).toBe(bad);
    expect((await lost(server)).error).toMatchObject({ code: "CONDUIT_ABORTED", cause: bad });
    expect((await lost(client)).error.message).toContain("bad checksum");
  });

  test("the session's error destroys the stream, though nobody reads or writes, and fails its pipeline", async () => {
    const { client, server } = await session();
    const idle = new PassThrough();
    const piping = failure(pipeline(idle, duplex(server), new PassThrough().resume()));
    client.abort("gone");
    expect(await piping).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
    expect(idle.destroyed).toBe(true);
  });

  test.each<[string, (stream: Duplex, conduit: Conduit, peer: Conduit) => unknown]>([
    ["destroy() without an error", (stream) => stream.destroy()],
    [
      "a conduit that was closed without end() here",
      (_, conduit, peer) => Promise.all([conduit.close(), peer.recv(), peer.close()]),
    ],
  ])("%s is ERR_STREAM_PREMATURE_CLOSE", async (_, close) => {
    const { client, server } = await session();
    const near = duplex(client);
    near.resume();
    const ends = failure(finished(near));
    await close(near, client, server);
    expect(await ends).toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
  });

  test("a write after the end, and after the session, is the stream's own error", async () => {
    const { client } = await session();
    const near = duplex(client);
    const closed = new Promise((resolve) => near.on("close", resolve));
    near.on("error", () => {});
    near.end();
    const error = await new Promise((resolve) => near.write("late", resolve));
    expect(error).toMatchObject({ code: "ERR_STREAM_WRITE_AFTER_END" });
    await closed;
    expect(client.status.state).toBe("closed");
  });

  test("an item too large destroys an object stream with the conduit's error; bytes are divided instead [link.max]", async () => {
    const limits = { both: { maxFrameBytes: 100_000 } };
    const large = Buffer.alloc(300_000, 7);
    const first = await session(limits);
    const objects = duplex(first.client, { objectMode: true });
    objects.write(large);
    expect((await once(objects, "error"))[0]).toMatchObject({ code: "CONDUIT_FRAME_TOO_LARGE" });
    const second = await session(limits);
    duplex(second.client).end(large);
    const chunks: Buffer[] = [];
    for await (const chunk of duplex(second.server)) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(large)).toBe(true);
  });

  test("bytes are divided as the smaller of both sides needs it [link.max]", async () => {
    const { client, server } = await session({ server: { maxFrameBytes: 1_000 } });
    const sent = numbered(1, 100_000);
    const stream = duplex(client);
    stream.end(sent);
    const parts: Uint8Array[] = [];
    for await (const part of duplex(server, { allowHalfOpen: false })) parts.push(part);
    expect(Buffer.compare(Buffer.concat(parts), sent)).toBe(0);
    stream.resume();
    await once(stream, "close");
  });

  test("bytes that are written before there is a link are divided as its other side needs it [link.max]", async () => {
    const acceptor = await service({ maxFrameBytes: 1_000 });
    const stream = duplex(track(StableConduit.create(sourceFor(portOf(acceptor)))));
    const sent = numbered(1, 100_000);
    stream.end(sent);
    const parts: Uint8Array[] = [];
    const far = duplex(await accepted(acceptor), { allowHalfOpen: false });
    for await (const part of far) parts.push(part);
    expect(Buffer.compare(Buffer.concat(parts), sent)).toBe(0);
    stream.resume();
    await once(stream, "close");
  });

  test("an end waits for no reader that never comes: destroy() ends it", async () => {
    const { client } = await session();
    const near = duplex(client);
    near.end("nobody reads it");
    await turn(5);
    near.destroy();
    await timeout(once(near, "close"), 1_000, "close");
  });

  test("items without bytes are no chunk of bytes, and one of an object stream", async () => {
    const { client, server } = await session();
    for (const item of ["", "a", "", "b", ""]) client.send(bytes(item));
    client.end();
    let heard = "";
    for await (const chunk of duplex(server)) heard += chunk;
    expect(heard).toBe("ab");
    const { client: near, server: far } = await session();
    for (const item of ["", "a", ""]) near.send(bytes(item));
    near.end();
    const items: unknown[] = [];
    for await (const item of duplex(far, { objectMode: true })) items.push(text(item));
    expect(items).toEqual(["", "a", ""]);
  });

  /** Both ends of a session whose items are of this type, as object streams. */
  async function typed<T>(type: Schema<T>) {
    const options = { schema: { send: type, recv: type } };
    const acceptor = await listen<T, T>(tcp.server({ host: "127.0.0.1", port: 0 }), options);
    later(() => acceptor.close({ timeoutMs: 1 }));
    const { port } = acceptor.address as { port: number };
    const client = track(await connect<T, T>(tcp({ host: "127.0.0.1", port }), options));
    for await (const server of acceptor) {
      return {
        client,
        near: duplex(client, { objectMode: true }),
        far: duplex(server, { objectMode: true }),
      };
    }
    throw new Error("no session");
  }

  test("values of a schema are chunks of an object stream, falsy ones too", async () => {
    const { client, near, far } = await typed(option(u32));
    for (const value of [1, 0, undefined, 2]) near.write(value);
    near.end();
    const values: unknown[] = [];
    for await (const value of far) values.push(value);
    expect(values).toEqual([1, 0, undefined, 2]);
    far.end(); // newer versions of Node leave it half open
    near.resume();
    expect(await client.closed).toEqual({ clean: true });
  });

  test("null, which would be the end of a stream, destroys it instead", async () => {
    const { client, near, far } = await typed(unit);
    near.on("error", () => {});
    client.send(null);
    const [error] = await once(far.resume(), "error");
    expect(error).toMatchObject({ code: "CONDUIT_ENCODE" });
  });

  test("an abort signal ends a pipeline with its reason", async () => {
    const { client, server } = await session();
    const controller = new AbortController();
    const piping = failure(
      pipeline(new PassThrough(), duplex(server), new PassThrough().resume(), { signal: controller.signal }),
    );
    await sleep(1);
    controller.abort();
    expect(await piping).toMatchObject({ name: "AbortError" });
    expect((await lost(server)).error.code).toBe("CONDUIT_ABORTED");
    expect((await lost(client)).error.code).toBe("CONDUIT_ABORTED");
  });
});
