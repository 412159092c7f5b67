// Conduits between a page and Node over WebSocket: while a proxy cuts their links, while the page's thread is blocked,
// from a worker, and without a network.
import { describe, expect, test, vi } from "vitest";
import { type ChaosProxy, startChaosProxy } from "../../examples/demo/chaos-proxy.js";
import { planByBytes } from "../../examples/demo/cut-plan.js";
import { Checker, type Verdict, Writer } from "../../examples/demo/messages.js";
import { type Bytes, type Close, type ListenOptions, listen, type StableConduit } from "../../src/node.js";
import { webSocketServer } from "../../src/ws.js";
import { seeds } from "../wasm/random.js";
import { later, openPage, type Page, run, site } from "./harness.js";
import type { Flow, Outcome } from "./pages/flow.js";

const SIZE = 64;

interface Setting {
  page: Page;
  proxy: ChaosProxy;
  node: NodeEnd;
  /** Of the acceptor, through the proxy. */
  url: string;
}

/** A page, and behind a proxy an acceptor for one session, in which Node sends `send` messages. */
async function setting(given: {
  isolated: boolean;
  send: number;
  limits?: ListenOptions<Uint8Array, Bytes, unknown>;
  /** Cuts, spread over all that is sent to either side. */
  cuts?: { count: number; seed: number; messages: number };
  delayMs?: number;
}): Promise<Setting> {
  const { server, origin, port } = await site(given);
  const acceptor = await listen<Uint8Array, Bytes, unknown>(
    webSocketServer({ server, path: "/conduit" }),
    given.limits,
  );
  later(() => acceptor.close({ timeoutMs: 1 }));
  const node = new NodeEnd(acceptor, given.send);
  const { count = 0, seed = 1, messages = 0 } = given.cuts ?? {};
  const plan = planByBytes({
    cuts: count,
    seed,
    totalBytes: messages * SIZE,
    arrivedBytes: () => node.arrived * SIZE,
    passedBytes: () => proxy.bytes,
  });
  const proxy: ChaosProxy = await startChaosProxy({
    target: { host: "127.0.0.1", port },
    seed,
    cutAfterBytes: plan.nextLink,
    delayMs: given.delayMs,
  });
  later(() => proxy.close());
  return { page: await openPage(origin), proxy, node, url: `ws://127.0.0.1:${proxy.port}/conduit` };
}

/** Node's end of the one session that an acceptor gets. */
class NodeEnd {
  readonly closed: Promise<Close<Uint8Array>>;
  readonly #checker = new Checker(SIZE, 0);
  readonly #writer = new Writer(SIZE, 1);
  #conduit: StableConduit<Uint8Array, Bytes> | undefined;

  constructor(acceptor: AsyncIterable<StableConduit<Uint8Array, Bytes>>, send: number) {
    this.closed = this.#talk(acceptor, send);
    this.closed.catch(() => undefined); // a test that fails may never look
  }

  /** On what came. */
  get verdict(): Verdict {
    return this.#checker.verdict;
  }
  /** Messages that are known to have arrived, in both directions. */
  get arrived(): number {
    return this.#checker.received + this.#writer.count - (this.#conduit?.stats().unackedItems ?? 0);
  }
  /** Links that the session has had. */
  get links(): number {
    return this.#conduit?.stats().links ?? 0;
  }
  get state(): string | undefined {
    return this.#conduit?.status.state;
  }

  async #talk(acceptor: AsyncIterable<StableConduit<Uint8Array, Bytes>>, send: number) {
    for await (const conduit of acceptor) {
      this.#conduit = conduit;
      conduit.onItems = (batch) => this.#checker.check(batch);
      while (this.#writer.count < send) {
        if (conduit.congested) await conduit.drained();
        conduit.send(this.#writer.next());
      }
      return await conduit.closed;
    }
    throw new Error("there was no session");
  }
}

function faultless(received: number): Verdict {
  return { received, missing: 0, duplicated: 0, reordered: 0, corrupted: 0 };
}

describe.each([
  ["an isolated page", true],
  ["a plain page", false],
])("a conduit between Node and %s", (_, isolated) => {
  const MILLION = 1_000_000;
  const CUTS = 110;
  const limits = { replayBytes: 1 << 22, receiveWindow: 1 << 22 };
  /** A ring at its bound, a window that is full, and the rest of a page. The million messages are 64 MB. */
  const MEMORY_BYTES = 24_000_000;

  const directions = seeds(1).flatMap((seed) => [
    { to: "Node", send: MILLION, receive: 0, seed },
    { to: "the page", send: 0, receive: MILLION, seed },
  ]);
  test.each(directions)(
    "brings a million messages to $to, each once and in order, while its links are cut more than 100 times, seed $seed [link.cut]",
    async ({ send, receive, seed }) => {
      const cuts = { count: CUTS, seed, messages: MILLION };
      const { page, proxy, node, url } = await setting({ isolated, send: receive, limits, cuts });
      const measureEvery = isolated ? MILLION / 10 : undefined; // only there a page can tell all that it uses
      const flow: Flow = { url, size: SIZE, send, receive, options: limits, measureEvery };
      const { verdict, memory } = await run<Outcome>(page, "flow", flow);
      expect(await node.closed).toEqual({ clean: true });
      expect([node.verdict, verdict]).toEqual([faultless(send), faultless(receive)]);
      expect(proxy.cuts).toBeGreaterThan(100);
      expect(memory).toHaveLength(isolated ? 10 : 0);
      for (const bytes of memory) expect(bytes).toBeLessThan(MEMORY_BYTES);
    },
  );

  const COUNT = 100_000;
  const impatient = { keepaliveMs: 100, keepaliveTimeoutMs: 200 };

  async function bothWays(given: Setting, more: Partial<Flow> = {}): Promise<Outcome> {
    const { page, node, url } = given;
    const flow: Flow = { url, size: SIZE, send: COUNT, receive: COUNT, ...more };
    const outcome = await run<Outcome>(page, "flow", flow);
    expect(await node.closed).toEqual({ clean: true });
    expect([node.verdict, outcome.verdict]).toEqual([faultless(COUNT), faultless(COUNT)]);
    return outcome;
  }

  test("brings 100,000 messages each way over one link while the page's thread is blocked again and again", async () => {
    const given = await setting({ isolated, send: COUNT });
    const { longTasks } = await bothWays(given, { busyMs: 120 });
    expect(longTasks).toBeGreaterThanOrEqual(2); // on a fast machine it is soon over
    expect(given.node.links).toBe(1);
  });

  test("loses a link, and no message, to a page that hangs for longer than keepalive waits [ext.ping]", async () => {
    const given = await setting({ isolated, send: COUNT, limits: impatient });
    await bothWays(given, { hangMs: 1_000 });
    expect(given.node.links).toBeGreaterThanOrEqual(2);
  });

  test("keeps its link when it is in a worker and the page hangs", async () => {
    const given = await setting({ isolated, send: COUNT, limits: impatient });
    const { longTasks } = await bothWays(given, { hangMs: 1_000, worker: true });
    expect(longTasks).toBeGreaterThanOrEqual(1);
    expect(given.node.links).toBe(1);
  });

  // An offline Chromium says so, lets nothing pass in its WebSockets, and does not close them.
  test("goes on after the browser was offline", async () => {
    const given = await setting({ isolated, send: COUNT, limits: impatient, delayMs: 5 });
    const { page, node } = given;
    const outcome = bothWays(given, { options: impatient });
    outcome.catch(() => undefined);
    await vi.waitFor(() => expect(node.arrived).toBeGreaterThan(COUNT / 10), {
      timeout: 10_000,
      interval: 1,
    });
    await page.context().setOffline(true);
    await vi.waitFor(() => expect(node.state).not.toBe("open"), { timeout: 10_000, interval: 1 });
    expect(node.arrived).toBeLessThan(2 * COUNT);
    expect(await page.evaluate(() => navigator.onLine)).toBe(false);
    await page.context().setOffline(false);
    await outcome;
    expect(node.links).toBeGreaterThanOrEqual(2);
  });
});
