// Every way to receive: one consumer at a time, acknowledged when it is done, nothing lost between two of them.
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { Batch, Bytes } from "../../src/node.js";
import {
  bytes,
  type Conduit,
  Counter,
  cleanSlate,
  failure,
  later,
  lost,
  numbered,
  numberOf,
  PROFILES,
  sendNumbered,
  service,
  session,
  take,
  text,
  thrown,
  timeout,
  turn,
  until,
} from "./helpers.js";
import { frame, openRaw } from "./raw-session.js";

cleanSlate();

function sendTexts(conduit: Conduit, ...texts: string[]): void {
  for (const each of texts) conduit.send(bytes(each));
}

/** Sends each text in a chunk of its own. */
async function sendApart(from: Conduit, to: Conduit, ...texts: string[]): Promise<void> {
  for (const each of texts) {
    const before = to.stats().receivedItems;
    from.send(bytes(each));
    await until(() => to.stats().receivedItems === before + 1);
  }
}

/** A promise that is settled from outside. */
function gate() {
  let open!: () => void;
  let fail!: (reason: unknown) => void;
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  promise.catch(() => {}); // not every test waits for it
  return { promise, open, fail };
}

describe("onItems", () => {
  test("batches come one after another: the next one waits for the handler's promise, and so does the ack [ack.cumulative]", async () => {
    const { client, server } = await session({ both: { ackDelayMs: 1 } });
    const gates: ReturnType<typeof gate>[] = [];
    const seen: string[][] = [];
    server.onItems = (batch) => {
      seen.push([...batch].map((item) => text(item)!));
      gates.push(gate());
      return gates.at(-1)!.promise;
    };
    await sendApart(client, server, "one", "two", "three");
    expect(seen).toEqual([["one"]]);
    expect([client.stats().unackedItems, server.stats().handedItems]).toEqual([3, 0]);
    gates[0].open();
    await until(() => client.stats().unackedItems === 2);
    expect(seen.length).toBe(2);
    gates[1].open();
    await until(() => gates.length > 2);
    gates[2].open();
    await client.delivered();
    expect(seen.flat()).toEqual(["one", "two", "three"]);
    expect(server.stats()).toMatchObject({ receivedItems: 3, handedItems: 3, unhandedBytes: 0 });
  });

  test.each(PROFILES)(
    "a slow handler holds the sender back: memory stays within the window on both sides [ext.window]: %s",
    async (profile) => {
      const receiveWindow = 65_536;
      const { client, server } = await session({
        both: { profile, receiveWindow, replayBytes: 1 << 18, probeMs: 5 },
      });
      const slow = gate();
      const counter = new Counter();
      server.onItems = async (batch) => {
        await slow.promise;
        for (const item of batch) counter.take(item);
      };
      const total = 4_000;
      const sending = sendNumbered(client, 0, total, 1_000);
      // In the base profile the kernel's buffers come on top, and a socket gives what it has read already.
      await until(() => server.stats().unhandedBytes > receiveWindow / 2);
      for (let round = 0; round < 20; round++) {
        await turn(5);
        expect(server.stats().unhandedBytes).toBeLessThan(
          profile === "extended" ? receiveWindow + 1 : receiveWindow + 200_000,
        );
        expect(client.stats().ringBytes).toBeLessThanOrEqual(1 << 18);
      }
      slow.open();
      await sending;
      await until(() => counter.next === total);
    },
  );

  test("null pauses, a handler set later goes on; nothing is lost or repeated", async () => {
    const { client, server } = await session();
    const first: string[] = [];
    server.onItems = (batch) => {
      for (const item of batch) first.push(text(item)!);
      server.onItems = null;
    };
    await sendApart(client, server, "one", "two", "three");
    expect(first).toEqual(["one"]);
    expect(server.onItems).toBeNull();
    const second: string[] = [];
    const handler = (batch: Batch<Bytes>) => {
      for (const item of batch) second.push(text(item)!);
    };
    server.onItems = handler;
    expect(server.onItems).toBe(handler);
    await client.delivered();
    expect(second).toEqual(["two", "three"]);
  });

  test("a handler may be replaced while its promise is pending: the new one gets the next batch", async () => {
    const { client, server } = await session();
    const hold = gate();
    const calls: string[] = [];
    server.onItems = (batch) => {
      calls.push(`old ${text(batch.at(0))}`);
      return hold.promise;
    };
    await sendApart(client, server, "one", "two");
    server.onItems = (batch) => {
      calls.push(`new ${text(batch.at(0))}`);
    };
    await turn();
    expect(calls).toEqual(["old one"]);
    hold.open();
    await client.delivered();
    expect(calls).toEqual(["old one", "new two"]);
  });

  test("recv() after a handler that is still at work waits for it: items are acknowledged in order [ack.cumulative]", async () => {
    const { client, server } = await session({ both: { ackDelayMs: 1 } });
    const hold = gate();
    server.onItems = () => hold.promise;
    await sendApart(client, server, "one", "two");
    server.onItems = null;
    const next = server.recv();
    await turn(10);
    expect(client.stats().unackedItems).toBe(2);
    hold.open();
    expect(text(await next)).toBe("two");
    await client.delivered();
  });

  test.each(["throws", "rejects"])(
    "a handler that %s ends the conduit with CONDUIT_HANDLER, and the peer is told [error.blame]",
    async (how) => {
      const { client, server } = await session();
      const reason = new Error("cannot take it");
      server.onItems = () => {
        if (how === "throws") throw reason;
        return Promise.reject(reason);
      };
      sendTexts(client, "one", "two");
      const ours = await lost(server);
      expect(ours.error).toMatchObject({
        code: "CONDUIT_HANDLER",
        blame: "local",
        fatal: true,
        cause: reason,
      });
      const theirs = await lost(client);
      expect(theirs.error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
      expect(theirs.error.message).toContain("handler failed");
      expect([...theirs.undelivered].map(text)).toEqual(["one", "two"]);
      expect(server.stats().handedItems).toBe(0);
    },
  );

  test("after a handler has thrown, the next batch of the same chunk is not handed over", async () => {
    const { raw, conduit } = await openRaw(await service());
    const seen: string[] = [];
    conduit.onItems = (batch) => {
      for (const item of batch) seen.push(text(item)!);
      throw new Error("no");
    };
    // A record that straddles chunks is a batch of its own.
    const first = frame(0, bytes("one"));
    raw.write(first.subarray(0, 6));
    await turn(10);
    raw.write(first.subarray(6), frame(1, bytes("two")), frame(2, bytes("three")));
    await conduit.closed;
    await turn();
    expect(seen).toEqual(["one"]);
  });

  test("after a handler has thrown, batches that had arrived with it are not handed over", async () => {
    const { client, server } = await session();
    await sendApart(client, server, "one", "two", "three", "four", "five", "six", "seven");
    let calls = 0;
    server.onItems = () => {
      calls++;
      throw new Error("no");
    };
    await server.closed;
    expect(calls).toBe(1);
    expect((await lost(client)).undelivered.length).toBe(7);
  });

  test("a handler may send, end and close from within", async () => {
    const { client, server } = await session();
    server.onItems = (batch) => {
      for (const item of batch) {
        server.send(item);
        if (text(item) === "last") server.end();
      }
    };
    sendTexts(client, "a", "b", "last");
    const echoed: string[] = [];
    for await (const item of client) echoed.push(text(item)!);
    expect(echoed).toEqual(["a", "b", "last"]);
    expect(await server.closed).toEqual({ clean: true });
  });

  test("a handler that sends after the session has ended in the same chunk gets CONDUIT_CLOSED, and no memory is harmed", async () => {
    const { client, server } = await session();
    const codes: string[] = [];
    server.onItems = (batch) => {
      for (const _ of batch) {
        server.abort();
        for (const use of [
          () => server.send(new Uint8Array(100)),
          () => server.sendBatch(new Uint8Array(1), Uint32Array.of(1)),
          () => server.sendInto(10, (_, at) => at),
          () => server.sendVolatile(new Uint8Array(1)),
        ]) {
          codes.push(thrown(use).code);
        }
        failure(server.write(new Uint8Array(1))).then((error) => codes.push(error.code));
        failure(server.delivered()).then((error) => codes.push(error.code));
      }
    };
    client.send(bytes("one"));
    await server.closed;
    await turn();
    expect(codes).toEqual(Array(6).fill("CONDUIT_CLOSED"));
  });

  test("the items of a batch are views of one chunk that the application owns", async () => {
    const { client, server } = await session();
    const batches: Batch<Bytes>[] = [];
    server.onItems = (batch) => {
      batches.push(batch);
    };
    sendTexts(client, "one", "", "three");
    await client.delivered();
    const [batch] = batches;
    expect(batch.length).toBe(3);
    expect([...batch].map(text)).toEqual(["one", "", "three"]);
    expect(batch.bytes.buffer).toBeInstanceOf(ArrayBuffer);
    expect(batch.spans.length).toBe(6);
    expect(text(batch.bytes.subarray(batch.spans[4], batch.spans[4] + batch.spans[5]))).toBe("three");
    expect(batch.at(2).buffer).toBe(batch.bytes.buffer);
    for (const index of [-1, 3, 0.5, Number.NaN]) {
      expect(thrown(() => batch.at(index))).toMatchObject({ code: "CONDUIT_OPTIONS" });
    }
  });

  test("detach() gives bytes that can be transferred, whole and alone", async () => {
    const { client, server } = await session();
    const { port1, port2 } = new MessageChannel();
    later(() => port1.close());
    server.onItems = (batch) => {
      const { bytes: own, spans } = batch.detach();
      expect(own.byteLength).toBe(own.buffer.byteLength);
      port1.postMessage({ own, spans }, [own.buffer, spans.buffer as ArrayBuffer]);
      expect(own.byteLength).toBe(0);
    };
    sendTexts(client, "to", "a", "worker");
    await client.delivered();
    const { own, spans } = receiveMessageOnPort(port2)!.message as { own: Uint8Array; spans: Uint32Array };
    const items = Array.from({ length: spans.length / 2 }, (_, i) =>
      text(own.subarray(spans[2 * i], spans[2 * i] + spans[2 * i + 1])),
    );
    expect(items).toEqual(["to", "a", "worker"]);
  });
});

describe("batches()", () => {
  test("a batch is acknowledged when the next one is asked for; break goes on later without loss or repetition", async () => {
    const { client, server } = await session({ both: { ackDelayMs: 1 } });
    await sendApart(client, server, "one", "two", "three");
    const seen: string[] = [];
    for await (const batch of server.batches()) {
      for (const item of batch) seen.push(text(item)!);
      expect(server.stats().handedItems).toBe(seen.length - 1);
      if (seen.length === 2) break;
    }
    expect(server.stats().handedItems).toBe(1);
    client.end();
    for await (const batch of server.batches()) for (const item of batch) seen.push(text(item)!);
    expect(seen).toEqual(["one", "two", "three"]);
    expect(await client.closed).toEqual({ clean: true });
  });

  test("what recv() has left of a batch comes first", async () => {
    const { client, server } = await session();
    sendTexts(client, "one", "two", "three");
    expect(await take(server, 1)).toEqual(["one"]);
    for await (const batch of server.batches()) {
      expect([...batch].map(text)).toEqual(["two", "three"]);
      break;
    }
    client.send(bytes("four"));
    expect(await take(server, 1)).toEqual(["four"]);
  });
});

describe("recv()", () => {
  test("recv() gives owned items in order, and undefined once the peer has ended", async () => {
    const { client, server } = await session();
    sendTexts(client, "one", "two");
    client.end();
    const [one, two] = [await server.recv(), await server.recv()];
    expect([text(one), text(two)]).toEqual(["one", "two"]);
    for (const item of [one!, two!]) {
      expect(item.buffer).toBeInstanceOf(ArrayBuffer);
      expect(item.buffer.byteLength).toBe(item.length);
    }
    one!.fill(0);
    expect(text(two)).toBe("two");
    expect(await server.recv()).toBeUndefined();
    expect(await server.recv()).toBeUndefined();
    await client.closed;
    expect(await server.recv()).toBeUndefined();
  });

  test("recv() with a timeout or a signal rejects and loses no item", async () => {
    const { client, server } = await session();
    expect((await failure(server.recv({ timeoutMs: 5 }))).name).toBe("TimeoutError");
    const reason = new Error("not now");
    expect(await failure(server.recv({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    const controller = new AbortController();
    const pending = failure(server.recv({ signal: controller.signal }));
    await turn();
    controller.abort(reason);
    expect(await pending).toBe(reason);
    sendTexts(client, "one", "two");
    expect(await take(server, 2)).toEqual(["one", "two"]);
  });

  test("an item and the end of the wait in the same moment: the item is given or kept, never lost", async () => {
    const { client, server } = await session();
    let next = 0;
    for (let n = 0; n < 300; n++) {
      client.send(numbered(n));
      const controller = new AbortController();
      const pending = server.recv({ signal: controller.signal });
      if (n % 3 === 0) await until(() => server.stats().receivedItems > n);
      controller.abort();
      try {
        expect(numberOf((await pending)!)).toBe(next++);
      } catch (error) {
        if ((error as Error).name !== "AbortError") throw error;
      }
    }
    while (next < 300) expect(numberOf((await server.recv({ timeoutMs: 2_000 }))!)).toBe(next++);
  });

  test("recv() rejects with the error that ended the session, now and later", async () => {
    const { client, server } = await session();
    const waiting = failure(server.recv());
    client.abort(new Error("that was it"));
    expect(await waiting).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
    expect(await failure(server.recv())).toMatchObject({ code: "CONDUIT_ABORTED" });
  });
});

describe("the iterator", () => {
  test("break pauses and never closes; the next loop goes on with the next item", async () => {
    const { client, server } = await session({ both: { ackDelayMs: 1 } });
    const total = 1_000;
    for (let n = 0; n < total; n++) client.send(numbered(n));
    const counter = new Counter();
    while (counter.next < total) {
      const stopAt = counter.next + 1 + (counter.next % 37);
      for await (const item of server) {
        counter.take(item);
        if (counter.next >= stopAt || counter.next === total) break;
      }
    }
    // The last item is handed when the application asks for more, or goes on another way.
    expect(server.stats().handedItems).toBe(total - 1);
    expect(server.status.state).toBe("open");
    client.send(bytes("more"));
    expect(await take(server, 1)).toEqual(["more"]);
    await client.delivered();
  });

  test("each item is acknowledged when the next one is asked for", async () => {
    const { client, server } = await session({ both: { ackDelayMs: 1 } });
    sendTexts(client, "one", "two");
    const iterator = server[Symbol.asyncIterator]();
    expect(text((await iterator.next()).value)).toBe("one");
    await turn(10);
    expect(client.stats().unackedItems).toBe(2);
    expect(text((await iterator.next()).value)).toBe("two");
    await until(() => client.stats().unackedItems === 1);
    const last = iterator.next();
    await client.delivered();
    client.end();
    expect(await last).toEqual({ done: true, value: undefined });
  });

  test("items are owned: changing one changes no other, and each has a buffer of its own", async () => {
    const { client, server } = await session();
    for (let n = 0; n < 100; n++) client.send(numbered(n, 50));
    client.end();
    const items: Bytes[] = [];
    for await (const item of server) {
      items.at(-1)?.fill(0xff);
      expect(item.buffer.byteLength).toBe(item.length);
      expect(numberOf(item)).toBe(items.length);
      items.push(item);
    }
    expect(items.length).toBe(100);
  });

  test("the loop throws the error that ended the session", async () => {
    const { client, server } = await session();
    const loop = (async () => {
      for await (const _ of server) client.abort();
    })();
    client.send(bytes("one"));
    expect(await failure(loop)).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
  });
});

describe("one consumer at a time", () => {
  test("a second consumer throws CONDUIT_OPTIONS, whatever the two are, and the first one goes on", async () => {
    const { client, server } = await session();
    const seconds: [string, () => unknown][] = [
      ["recv", () => failure(server.recv())],
      ["iterator", () => failure(server[Symbol.asyncIterator]().next())],
      ["batches", () => failure((server.batches() as AsyncIterableIterator<unknown>).next())],
      ["onItems", () => thrown(() => (server.onItems = () => {}))],
    ];
    const check = async (but?: string) => {
      for (const [name, use] of seconds) {
        if (name !== but) expect(await use()).toMatchObject({ code: "CONDUIT_OPTIONS", blame: "local" });
      }
    };

    const waiting = server.recv();
    await check();
    client.send(bytes("recv"));
    expect(text(await waiting)).toBe("recv");

    const iterator = server[Symbol.asyncIterator]();
    const next = iterator.next();
    await check();
    client.send(bytes("iterator"));
    expect(text((await next).value)).toBe("iterator");
    await check();
    await iterator.return?.();

    const seen: string[] = [];
    server.onItems = (batch) => {
      for (const item of batch) seen.push(text(item)!);
    };
    await check("onItems");
    client.send(bytes("handler"));
    await client.delivered();
    expect(seen).toEqual(["handler"]);
    server.onItems = null;

    const reader = server.readable.getReader();
    const read = reader.read();
    await turn();
    await check();
    client.send(bytes("stream"));
    expect(text((await read).value)).toBe("stream");
  });
});

describe("streams", () => {
  test("readable and writable are made once", async () => {
    const { client } = await session();
    expect(client.readable).toBe(client.readable);
    expect(client.writable).toBe(client.writable);
  });

  test("pipeThrough(conduit) sends one stream and gives the other; its end goes through", async () => {
    const { client, server } = await session({ both: { replayBytes: 1 << 16 } });
    const echoing = server.readable.pipeTo(server.writable);
    const total = 5_000;
    let n = 0;
    const numbers = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (n === total) controller.close();
        else controller.enqueue(numbered(n++, 100));
      },
    });
    const counter = new Counter();
    for await (const item of numbers.pipeThrough(client) as unknown as AsyncIterable<Bytes>)
      counter.take(item);
    expect(counter.next).toBe(total);
    await echoing;
    expect(await client.closed).toEqual({ clean: true });
    expect(await server.closed).toEqual({ clean: true });
  });

  test("a stream that is not read holds the peer back", async () => {
    const { client, server } = await session({ both: { replayBytes: 1 << 16, receiveWindow: 1 << 14 } });
    const reader = server.readable.getReader();
    const writer = client.writable.getWriter();
    let written = 0;
    const writing = (async () => {
      for (let n = 0; n < 500; n++) {
        await writer.ready;
        await writer.write(numbered(n, 1_000));
        written++;
      }
      await writer.close();
    })();
    await until(() => written > 30);
    const before = written;
    await turn(30);
    expect(written).toBeLessThan(120);
    expect(written - before).toBeLessThan(90);
    const counter = new Counter();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      counter.take(value);
    }
    await writing;
    expect(counter.next).toBe(500);
  });

  test("cancelling readable aborts the conduit, and so does aborting writable", async () => {
    const first = await session();
    const reason = new Error("not interested");
    await first.client.readable.cancel(reason);
    expect((await lost(first.client)).error).toMatchObject({ code: "CONDUIT_ABORTED", cause: reason });
    const second = await session();
    await second.client.writable.abort(reason);
    expect((await lost(second.client)).error).toMatchObject({ code: "CONDUIT_ABORTED", cause: reason });
  });

  test("both streams fail when the session does", async () => {
    const { client, server } = await session();
    const read = failure(server.readable.getReader().read());
    const writer = server.writable.getWriter();
    client.abort();
    expect(await read).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
    expect(await failure(writer.write(bytes("x")))).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
  });
});

test("many small chunks for a consumer that is behind cost little, and come in order", async () => {
  const { client, server } = await session();
  const total = 3_000;
  for (let n = 0; n < total; n++) {
    client.send(numbered(n));
    await null; // a write of its own
  }
  await until(() => server.stats().receivedItems === total);
  let batches = 0;
  const counter = new Counter();
  server.onItems = async (batch) => {
    batches++;
    for (const item of batch) counter.take(item);
    await null;
  };
  await timeout(client.delivered(), 5_000, "delivered()");
  expect(counter.next).toBe(total);
  expect(batches).toBeLessThan(100);
});
