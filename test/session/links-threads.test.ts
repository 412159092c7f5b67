// Conduits over message ports and shared memory: links that are cut while both directions are busy, and other threads
// that end or hang.
import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { randomFrom } from "../../examples/demo/chaos-proxy.js";
import {
  type Bytes,
  type ConduitError,
  connect,
  type Link,
  type LinkServer,
  type LinkSource,
  listen,
  messagePort,
  sharedMemory,
} from "../../src/index.js";
import { seeds } from "../wasm/random.js";
import {
  accepted,
  type Conduit,
  Counter,
  cleanSlate,
  later,
  lost,
  numbered,
  PROFILES,
  timeout,
  track,
  until,
} from "./helpers.js";

cleanSlate();

const KINDS = { "message port": messagePort, "shared memory": sharedMemory };
type Kind = keyof typeof KINDS;
const kinds = Object.keys(KINDS) as Kind[];
const RETRY = { baseMs: 1, capMs: 20 };

/** Shows the links that it accepts. */
function watched(server: LinkServer, links: Link[]): LinkServer {
  return {
    listen: (onLink, onError) =>
      server.listen((link) => {
        links.push(link);
        onLink(link);
      }, onError),
    close: () => server.close(),
    ref: () => server.ref(),
    unref: () => server.unref(),
  };
}

describe("a conduit between threads", () => {
  const cases = kinds.flatMap((kind) =>
    PROFILES.flatMap((profile) => seeds(1).map((seed) => [kind, profile, seed] as const)),
  );

  test.each(cases)(
    "thousands of items both ways over links that are cut again and again: %s, %s, seed %i [recv.order] [link.cut]",
    async (kind, profile, seed) => {
      const random = randomFrom(seed);
      const total = 20_000;
      const options = { profile, replayBytes: 1 << 16, ackBytes: 4_096, ackDelayMs: 1, probeMs: 30 };
      const { port1, port2 } = new MessageChannel();
      const links: Link[] = [];
      const acceptor = await listen<Uint8Array, Bytes, unknown>(
        watched(KINDS[kind].server(port2), links),
        options,
      );
      later(() => port1.close());
      later(() => acceptor.close({ timeoutMs: 1 }));
      const client = track(
        await connect<Uint8Array, Bytes>(KINDS[kind](port1), { ...options, retry: RETRY }),
      );
      const server = await accepted(acceptor);

      // A cut loses what is under way: the acceptor's end is destroyed and says nothing, the other one is told.
      let cuts = 0;
      const [there, back] = [new Counter(), new Counter()];
      let nextCut = 100;
      const cutNow = (counter: Counter) => {
        if (counter.next < nextCut || cuts === 50) return;
        nextCut = counter.next + Math.floor(random() * 400);
        cuts++;
        links[links.length - 1].destroy();
      };
      for (const [conduit, counter] of [
        [server, there],
        [client, back],
      ] as const) {
        conduit.onItems = (batch) => {
          for (const item of batch) counter.take(item);
          cutNow(counter);
        };
      }
      const size = () => 4 + Math.floor(random() * 200);
      const run = async (conduit: Conduit) => {
        for (let n = 0; n < total; n++) await conduit.write(numbered(n, size()));
      };
      await timeout(Promise.all([run(client), run(server)]), 25_000, "writing");
      await until(() => there.next === total && back.next === total, 15_000);
      expect(cuts).toBe(50);
      expect(client.stats().links).toBeGreaterThan(10);
    },
  );

  /** A thread that echoes. */
  async function thread(): Promise<Worker> {
    const worker = new Worker(new URL("echo-thread.js", import.meta.url));
    later(() => worker.terminate());
    await once(worker, "message");
    return worker;
  }

  async function client(source: LinkSource, keepaliveMs?: number): Promise<Conduit> {
    const options = { retry: RETRY, keepaliveMs, keepaliveTimeoutMs: keepaliveMs };
    return track(await connect<Uint8Array, Bytes>(source, options));
  }

  function linkDown(conduit: Conduit): Promise<ConduitError> {
    return new Promise((resolve) => {
      conduit.on("linkDown", ({ error }) => resolve(error), { once: true });
    });
  }

  test.each(kinds)("crosses to another thread and back, with new links on the way: %s", async (kind) => {
    const conduit = await client(KINDS[kind](await thread()));
    const total = 20_000;
    const counter = new Counter().attach(conduit);
    for (let n = 0; n < total; n++) {
      await conduit.write(numbered(n, 50));
      if (n % 4_000 !== 2_000) continue;
      const { links } = conduit.stats();
      conduit.reconnect();
      await until(() => conduit.stats().links > links);
    }
    await until(() => counter.next === total);
    expect(conduit.stats().links).toBe(6);
    expect(await conduit.close()).toBeUndefined();
  });

  test.each(kinds)(
    "learns at once that the other thread was terminated, and that its successor knows nothing: %s",
    async (kind) => {
      let worker = await thread();
      const conduit = await client({ nextLink: (attempt) => KINDS[kind](worker).nextLink(attempt) }, 10_000);
      conduit.send(numbered(0));
      await conduit.delivered();
      const down = linkDown(conduit);
      const successor = thread();
      const terminated = worker;
      worker = await successor;
      await terminated.terminate();
      expect(await timeout(down, 5_000, "linkDown")).toMatchObject({ code: "CONDUIT_LINK", blame: "link" });
      expect((await lost(conduit)).error).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "rejected" });
    },
  );

  test.each(kinds)("finds out by keepalive that the other thread hangs: %s [ext.ping]", async (kind) => {
    const worker = await thread();
    const conduit = await client(KINDS[kind](worker), 50);
    const down = linkDown(conduit);
    worker.postMessage("hang");
    conduit.send(numbered(0));
    expect(await timeout(down, 5_000, "linkDown")).toMatchObject({ code: "CONDUIT_LINK" });
  });
});
