// Faults that a reviewer found once: each stays found.
import { describe, expect, test } from "vitest";
import {
  type Batch,
  type Bytes,
  type ConduitError,
  connect,
  listen,
  pair,
  singleLinkSource,
} from "../../src/node.js";
import { cleanSlate, session, take, turn, until } from "./helpers.js";

cleanSlate();

describe("item by item", () => {
  test.each([0, 1, 8])(
    "a window that is full of items of %i bytes is drained by recv() and filled again, without a violation [ext.window]",
    async (size) => {
      const total = 4_000;
      const { client, server } = await session({
        both: { receiveWindow: 4_096, ackBytes: 64, ackDelayMs: 0 },
      });
      const item = new Uint8Array(size);
      let ended = false;
      server.closed.then(() => (ended = true));
      const sending = (async () => {
        for (let n = 0; n < total; n++) await client.write(item);
      })();
      for (let n = 0; n < total && !ended; n++) {
        if (n % 25 === 0) await turn();
        expect((await server.recv())?.length).toBe(size);
      }
      await sending;
      expect(ended).toBe(false);
      expect(server.stats().handedItems).toBe(total);
      expect(server.stats().unhandedBytes).toBe(0);
    },
  );
});

test("batches of one chunk can be detached and transferred one by one", async () => {
  const total = 60_000;
  const acceptor = await listen({ listen: async () => "here", close: async () => {}, ref() {}, unref() {} });
  const [ours, theirs] = pair(); // its chunks hold more items than one scan lists
  acceptor.accept(theirs);
  const client = await connect(singleLinkSource(ours));
  const { value: server } = await acceptor[Symbol.asyncIterator]().next();
  let received = 0;
  let batches = 0;
  server.onItems = (batch: Batch<Bytes>) => {
    const { bytes, spans } = batch.detach();
    const moved = structuredClone(bytes, { transfer: [bytes.buffer] });
    for (let i = 0; i < spans.length; i += 2) if (moved[spans[i]] === received % 251) received++;
    batches++;
  };
  const lengths = new Uint32Array(total).fill(1);
  expect(
    client.sendBatch(
      Uint8Array.from({ length: total }, (_, n) => n % 251),
      lengths,
    ),
  ).toBe(total);
  await until(() => server.stats().handedItems === total);
  expect(received).toBe(total);
  expect(batches).toBeLessThan(20);
  await client.close();
  await acceptor.close();
});

test("a send in a listener that tells of the end is refused and touches nobody's memory", async () => {
  const { client, server } = await session({});
  const outcomes: unknown[] = [];
  for (const type of ["status", "close"] as const) {
    client.on(type, () => {
      try {
        client.send(new Uint8Array(100));
        outcomes.push("accepted");
      } catch (error) {
        outcomes.push((error as ConduitError).code);
      }
    });
  }
  client.abort();
  await server.closed;
  expect(outcomes).toEqual(["CONDUIT_CLOSED", "CONDUIT_CLOSED"]);
});

test("sendBatch refuses what is no Uint8Array with lengths in a Uint32Array, and accepts nothing", async () => {
  const { client } = await session({});
  const wrong: [unknown, unknown, string][] = [
    [Uint16Array.of(300, 301, 302), Uint32Array.of(3), "CONDUIT_ENCODE"],
    ["abc", Uint32Array.of(3), "CONDUIT_ENCODE"],
    [Uint8Array.of(1, 2, 3), [3], "CONDUIT_OPTIONS"],
  ];
  for (const [items, lengths, code] of wrong) {
    const attempt = () => client.sendBatch(items as Uint8Array, lengths as Uint32Array);
    expect(attempt).toThrow(expect.objectContaining({ code }));
  }
  expect(client.stats().sentItems).toBe(0);
});

test("a server that cannot be closed is told to whoever awaits close(), and to nobody else", async () => {
  const broken = new Error("cannot close");
  const acceptor = await listen({
    listen: async () => "nowhere",
    close: () => Promise.reject(broken),
    ref() {},
    unref() {},
  });
  const [a] = pair();
  acceptor.accept(a);
  await expect(acceptor.close()).rejects.toBe(broken);
});

test("a write() that waits for room makes the base profile ask for an ack, however empty the ring [base.probe]", async () => {
  const { client, server } = await session({
    both: { profile: "base", replayBytes: 16_384, maxFrameBytes: 8_192, probeMs: 20 },
  });
  // Not half full, but the second large item does not fit behind the first.
  for (const size of [7_000, 8_000, 8_000, 7_000]) client.write(new Uint8Array(size));
  expect((await take(server, 4)).map((item) => item.length)).toEqual([7_000, 8_000, 8_000, 7_000]);
});
