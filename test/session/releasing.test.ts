// Batch.release(): a chunk's memory is given back at once, and never while somebody may still read it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { randomFrom } from "../../examples/demo/chaos-proxy.js";
import { freeChunk } from "../../src/link/chunk.js";
import {
  type Batch,
  type Bytes,
  connect,
  type Link,
  type LinkServer,
  listen,
  pair,
  singleLinkSource,
  unix,
} from "../../src/node.js";
import { bytes as byteString, type Infer, string, struct, u32 } from "../../src/schema.js";
import { seeds } from "../wasm/random.js";
import {
  accepted,
  bytes,
  type Conduit,
  cleanSlate,
  heldBytes,
  later,
  lost,
  numbered,
  numberOf,
  PROFILES,
  portOf,
  service,
  session,
  sourceFor,
  text,
  thrown,
  timeout,
  track,
  turn,
  until,
} from "./helpers.js";
import { control, frame, openRaw } from "./raw-session.js";

cleanSlate();

const TYPE_VOLATILE = 0x40;

/** The far end of a pair, as a server that has one link. */
function serverOf(link: Link): LinkServer {
  return {
    async listen(onLink) {
      onLink(link);
      return "here";
    },
    async close() {},
    ref() {},
    unref() {},
  };
}

/** An item whose chunk is worth giving back. */
const LARGE = 5_000;

/** Both ends within one thread; what is sent at once is one chunk. */
async function pairSession(): Promise<{ client: Conduit; server: Conduit }> {
  const [ours, theirs] = pair();
  const acceptor = await listen<Uint8Array, Bytes, unknown>(serverOf(theirs));
  later(() => acceptor.close({ timeoutMs: 1 }));
  const client = track(await connect<Uint8Array, Bytes>(singleLinkSource(ours)));
  return { client, server: await accepted(acceptor) };
}

/** Both ends over sockets without anything between them, where a read is as large as Node makes it. */
async function directSession(kind: "tcp" | "unix"): Promise<{ client: Conduit; server: Conduit }> {
  const limits = { replayBytes: 1 << 20, maxFrameBytes: 1 << 18 };
  if (kind === "tcp") {
    const acceptor = await service(limits);
    const client = track(await connect<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), limits));
    return { client, server: await accepted(acceptor) };
  }
  const directory = mkdtempSync(join(tmpdir(), "releasing-"));
  later(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "socket");
  const acceptor = await listen<Uint8Array, Bytes, unknown>(unix.server(path), limits);
  later(() => acceptor.close({ timeoutMs: 1 }));
  const client = track(await connect<Uint8Array, Bytes>(unix(path), limits));
  return { client, server: await accepted(acceptor) };
}

test("freeChunk(), which release() calls, gives memory back before the garbage collector comes", () => {
  const kept: Uint8Array[] = [];
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 512; i++) {
    const chunk = new Uint8Array(65_536);
    kept.push(chunk);
    freeChunk(chunk);
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 65_536);
});

describe("a batch that was released", () => {
  test("gives out nothing any more, shows empty views, and is acknowledged as ever", async () => {
    const { client, server } = await pairSession();
    let views: Uint8Array[] = [];
    let after: Batch<Bytes> | null = null;
    server.onItems = (batch) => {
      views = [...batch, batch.bytes];
      after = batch;
      batch.release();
      batch.release();
    };
    client.send(numbered(0, LARGE));
    client.send(numbered(1, LARGE));
    await client.delivered();
    expect(views.map((view) => view.length)).toEqual([0, 0, 0]);
    const batch = after as unknown as Batch<Bytes>;
    expect([batch.length, batch.bytes.length]).toEqual([2, 0]);
    for (const use of [() => batch.at(0), () => [...batch], () => batch.detach()]) {
      expect(thrown(use)).toMatchObject({
        code: "CONDUIT_OPTIONS",
        message: expect.stringContaining("released"),
      });
    }
    client.send(bytes("three"));
    await client.delivered();
  });

  test("leaves to its owner what detach() gave, transferred or not", async () => {
    const { client, server } = await pairSession();
    const own: [Bytes, Uint32Array][] = [];
    server.onItems = (batch) => {
      const { bytes, spans } = batch.detach();
      const moved = own.length > 0 ? structuredClone(bytes, { transfer: [bytes.buffer] }) : bytes;
      batch.release();
      own.push([moved, spans]);
    };
    for (let n = 0; n < 2; n++) {
      client.send(numbered(n, LARGE));
      await client.delivered();
    }
    const items = own.map(([bytes, spans]) => bytes.subarray(spans[0], spans[0] + spans[1]));
    expect(items).toEqual([numbered(0, LARGE), numbered(1, LARGE)]);
  });

  test("leaves the chunk alone that another batch shares", async () => {
    const total = 20_000; // more than one scan lists
    const { client, server } = await pairSession();
    let batches = 0;
    let next = 0;
    server.onItems = (batch) => {
      for (const item of batch) if (item[0] === next % 251) next++;
      batches++;
      batch.release();
    };
    const lengths = new Uint32Array(total).fill(1);
    client.sendBatch(
      Uint8Array.from({ length: total }, (_, n) => n % 251),
      lengths,
    );
    await client.delivered();
    expect(next).toBe(total);
    expect(batches).toBeGreaterThan(1);
  });

  test("leaves values that were decoded as owned as they are", async () => {
    const Note = struct("Note", { text: string, data: byteString });
    type Note = Infer<typeof Note>;
    const [ours, theirs] = pair();
    const acceptor = await listen<Note, Note>(serverOf(theirs), { schema: { recv: Note } });
    later(() => acceptor.close({ timeoutMs: 1 }));
    const client = track(await connect(singleLinkSource(ours), { schema: { send: Note } }));
    const { value: server } = await acceptor[Symbol.asyncIterator]().next();
    const sent = [1, 100, 5_000].map((n) => ({ text: "é".repeat(n), data: numbered(n, 4 + n) }));
    const got: Note[] = [];
    server.onItems = (batch: Batch<Note>) => {
      got.push(...batch);
      batch.release();
    };
    for (const note of sent) client.send(note);
    await client.delivered();
    expect(got).toEqual(sent);
  });

  test("leaves alone the items that recv() gave before as views", async () => {
    const Blob = struct("Blob", { n: u32, data: byteString });
    type Blob = Infer<typeof Blob>;
    const [ours, theirs] = pair();
    const acceptor = await listen<Blob, Blob>(serverOf(theirs), {
      schema: { recv: Blob, decode: "borrowed" },
    });
    later(() => acceptor.close({ timeoutMs: 1 }));
    const client = track(await connect(singleLinkSource(ours), { schema: { send: Blob } }));
    const { value: server } = await acceptor[Symbol.asyncIterator]().next();
    for (let n = 0; n < 3; n++) client.send({ n, data: numbered(n, LARGE) });
    const first = (await server.recv())!;
    const rest: number[] = [];
    server.onItems = (batch: Batch<Blob>) => {
      for (const { n } of batch) rest.push(n);
      batch.release();
    };
    await client.delivered();
    expect(rest).toEqual([1, 2]);
    expect([first.data.length, numberOf(first.data)]).toEqual([LARGE, 0]);
  });

  test("leaves alone the volatile item that came in the same chunk", async () => {
    const { raw, conduit } = await openRaw(await service());
    const volatile: Bytes[] = [];
    conduit.on("volatile", (item) => volatile.push(item));
    let received = 0;
    conduit.onItems = (batch) => {
      received += batch.length;
      batch.release();
    };
    raw.write(
      frame(0, numbered(0, LARGE)),
      control(TYPE_VOLATILE, bytes("passing by")),
      frame(1, numbered(1, LARGE)),
    );
    await until(() => received === 2);
    expect(volatile.map(text)).toEqual(["passing by"]);
  });

  test("is not acknowledged before its handler has settled, and the next one waits", async () => {
    const { client, server } = await session({ both: { ackDelayMs: 1 } });
    let finish = () => {};
    let calls = 0;
    server.onItems = (batch) => {
      calls++;
      batch.release();
      return new Promise<void>((resolve) => (finish = resolve));
    };
    client.send(bytes("one"));
    await until(() => calls === 1);
    client.send(bytes("two"));
    await until(() => server.stats().receivedItems === 2);
    await turn(20);
    expect([calls, server.stats().handedItems, client.stats().unackedItems]).toEqual([1, 0, 2]);
    finish();
    await until(() => calls === 2);
    finish();
    await client.delivered();
  });

  test("stays the peer's, whole, when its handler throws", async () => {
    const { client, server } = await session();
    server.onItems = (batch) => {
      batch.release();
      throw new Error("no");
    };
    client.send(bytes("one"));
    expect((await lost(server)).error.code).toBe("CONDUIT_HANDLER");
    expect([...(await lost(client)).undelivered].map(text)).toEqual(["one"]);
  });

  test("a handler that reads on gets CONDUIT_HANDLER with the reason, not other bytes", async () => {
    const { client, server } = await session();
    server.onItems = (batch) => {
      batch.release();
      batch.at(0);
    };
    client.send(bytes("one"));
    expect((await lost(server)).error).toMatchObject({
      code: "CONDUIT_HANDLER",
      cause: { code: "CONDUIT_OPTIONS" },
    });
  });

  test("works for batches(), too: the next one comes whole", async () => {
    const { client, server } = await session();
    const seen: string[] = [];
    client.send(bytes("one"));
    for await (const batch of server.batches()) {
      for (const item of batch) seen.push(text(item)!);
      batch.release();
      if (seen.length === 1) client.send(bytes("two"));
      else break;
    }
    expect(seen).toEqual(["one", "two"]);
  });
});

describe.each(["tcp", "unix"] as const)("memory over %s", (kind) => {
  test.each(["accepts", "dials"] as const)(
    "of chunks that were released is free on the side that %s, though batches and views are kept",
    async (side) => {
      const { client, server } = await directSession(kind);
      const [from, to] = side === "accepts" ? [client, server] : [server, client];
      const item = numbered(7, 16_384);
      const total = 2_048; // 32 MiB
      const kept: unknown[] = [];
      let received = 0;
      const before = heldBytes();
      to.onItems = (batch) => {
        kept.push(batch, batch.bytes, ...batch);
        for (const each of batch) received += Number(numberOf(each) === 7);
        batch.release();
      };
      for (let n = 0; n < total; n++) await from.write(item);
      await from.delivered();
      expect(received).toBe(total);
      expect(kept.length).toBeGreaterThan(total);
      // Bun counts linear memory as well, which the ring makes grow.
      expect(heldBytes() - before).toBeLessThan((total * item.length) / 4);
    },
  );
});

/** What a consumer may do with a batch, and what it keeps to look at again at the end. */
class Consumer {
  next = 0;
  readonly #random: () => number;
  readonly #kept: (() => void)[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  readonly take = async (batch: Batch<Bytes>): Promise<void> => {
    const first = this.next;
    this.next += batch.length;
    const check = (items: Iterable<Uint8Array>) => {
      let n = first;
      for (const item of items) expect(numberOf(item)).toBe(n++);
      expect(n).toBe(first + batch.length);
    };
    check(batch);
    switch (Math.floor(this.#random() * 5)) {
      case 0:
        return batch.release();
      case 1:
        await turn();
        check(batch);
        return batch.release();
      case 2: {
        const items = [...batch];
        this.#keep(() => check(items));
        this.#keep(() => check(batch));
        return;
      }
      case 3: {
        const { bytes, spans } = batch.detach();
        if (this.#random() < 0.5) batch.release();
        const items = Array.from({ length: batch.length }, (_, i) =>
          bytes.subarray(spans[2 * i], spans[2 * i] + spans[2 * i + 1]),
        );
        this.#keep(() => check(items));
        return;
      }
    }
  };

  #keep(check: () => void): void {
    this.#kept.push(check);
    if (this.#kept.length > 40) this.#kept.shift()!();
  }

  checkKept(): void {
    for (const check of this.#kept) check();
  }
}

const cases = PROFILES.flatMap((profile) => seeds(2).map((seed) => [profile, seed] as const));

test.each(cases)(
  "whatever consumers release, keep or detach, over links that are cut, no byte changes under anybody: %s, seed %i",
  async (profile, seed) => {
    const random = randomFrom(seed);
    const total = 300;
    const { client, server, proxy } = await session({
      both: { profile, probeMs: 50, ackDelayMs: 1, receiveWindow: 1 << 20 },
      chaos: { seed, cutAfterBytes: () => 100_000 + Math.floor(random() * 3_000_000) },
    });
    const size = () => {
      const kind = random();
      if (kind < 0.5) return 4 + Math.floor(random() * 200);
      return 4 + Math.floor(random() * (kind < 0.9 ? 20_000 : 150_000));
    };
    const sendAll = async (conduit: Conduit) => {
      for (let n = 0; n < total; n++) await conduit.write(numbered(n, size()));
    };
    const [there, back] = [new Consumer(random), new Consumer(random)];
    server.onItems = there.take;
    client.onItems = back.take;
    await timeout(Promise.all([sendAll(client), sendAll(server)]), 20_000, "writing");
    await until(() => there.next === total && back.next === total, 20_000);
    there.checkKept();
    back.checkKept();
    expect(proxy.cuts).toBeGreaterThan(0);
  },
  60_000,
);
