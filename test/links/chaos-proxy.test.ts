// The proxy that other tests trust to break links: it breaks what it says, and nothing else.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type ChaosOptions, type ChaosProxy, startChaosProxy } from "../../examples/demo/chaos-proxy.js";
import type { LinkServer } from "../../src/link/link.js";
import { tcp } from "../../src/link/tcp.js";
import { unix } from "../../src/link/unix.js";
import { Random, seeds } from "../wasm/random.js";
import { End } from "./contract.js";
import { dial, failure, Listener } from "./sockets.js";

let proxy: ChaosProxy;
let listener: Listener;

afterEach(async () => {
  await proxy.close();
  await listener.server.close();
});

async function through(
  options: Omit<ChaosOptions, "target"> = {},
  server: LinkServer = tcp.server({ host: "127.0.0.1", port: 0 }),
): Promise<() => Promise<{ a: End; b: End }>> {
  listener = new Listener(server);
  const address = await listener.listen();
  proxy = await startChaosProxy({
    target: typeof address === "string" ? { path: address } : address,
    ...options,
  });
  const source = tcp({ host: "127.0.0.1", port: proxy.port });
  return async () => {
    const [a, b] = await Promise.all([dial(source), listener.accept()]);
    return { a: new End(a).start(), b: new End(b).start() };
  };
}

test.for(seeds(2))(
  "the chaos proxy forwards everything both ways, in small pieces, and the end too, seed %i",
  async (seed) => {
    const link = await through({ seed, maxChunk: 1000 });
    const { a, b } = await link();
    const [there, back] = [new Random(seed).bytes(1 << 20), new Random(~seed).bytes(1 << 20)];
    a.write(there);
    b.write(back);
    await Promise.all([b.until(() => b.received >= there.length), a.until(() => a.received >= back.length)]);
    a.write(Buffer.from("end")).end();
    await Promise.all([a.closedOnce(), b.closedOnce()]);
    expect(a.all.equals(back)).toBe(true);
    expect(b.all.equals(Buffer.concat([there, Buffer.from("end")]))).toBe(true);
    expect(b.chunks.length).toBeGreaterThan(1);
    expect(proxy.cuts).toBe(0);
  },
);

test("the chaos proxy holds the sender back when the receiver does not read", async () => {
  const link = await through();
  const { a, b } = await link();
  b.pause();
  let sent = 0;
  const limit = 256;
  a.onWritten = () => {
    if (sent < limit) a.write(new Uint8Array(1 << 18));
    sent++;
  };
  a.onWritten();
  for (let before = -1; before !== sent; ) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  expect(sent).toBeLessThan(limit);
  b.resume();
  await b.until(() => b.received === limit << 18);
});

test("the chaos proxy cuts each connection after the bytes that were asked for, both ways together", async () => {
  const after = [5_000, 0, null];
  const link = await through({ cutAfterBytes: () => after.shift() ?? null });
  const { a, b } = await link();
  a.write(new Uint8Array(4_000));
  await b.until(() => b.received === 4_000);
  b.write(new Uint8Array(4_000));
  await Promise.all([a.closedOnce(), b.closedOnce()]);
  expect(a.received).toBeLessThanOrEqual(1_000);
  expect(proxy.cuts).toBe(1);

  const second = await link();
  second.a.write(new Uint8Array(1));
  await Promise.all([second.a.closedOnce(), second.b.closedOnce()]);
  expect([second.b.received, proxy.cuts]).toEqual([0, 2]);

  const third = await link();
  third.a.write(new Uint8Array(100_000));
  await third.b.until(() => third.b.received === 100_000);
  expect(proxy.cuts).toBe(2);
});

test("the chaos proxy cuts by reset and by close", async () => {
  const link = await through({ seed: 1 });
  const errors = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const { a, b } = await link();
    proxy.cutAll();
    await Promise.all([a.closedOnce(), b.closedOnce()]);
    errors.add((a.closings[0] as NodeJS.ErrnoException | undefined)?.code ?? "closed");
  }
  expect([...errors].sort()).toEqual(["ECONNRESET", "closed"]);
  expect(proxy.cuts).toBe(20);
});

test("the chaos proxy falls silent half-open, and goes on without a loss", async () => {
  const link = await through();
  const { a, b } = await link();
  proxy.setMode("half-open");
  a.write(Uint8Array.of(1));
  b.write(Uint8Array.of(2)).end();
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect([a.events, b.received]).toEqual([1, 0]); // `written` only: the kernel took it
  proxy.setMode("forward");
  await a.closedOnce();
  expect([...a.all]).toEqual([2]);
});

test("the chaos proxy refuses new connections and lets the others be", async () => {
  const link = await through();
  const { a, b } = await link();
  proxy.setMode("refuse");
  const attempt = dial(tcp({ host: "127.0.0.1", port: proxy.port })).then((refused) => {
    const end = new End(refused).start();
    return end.closedOnce().then(() => Promise.reject(end.closings[0] ?? new Error("closed")));
  });
  await failure(attempt);
  a.write(Uint8Array.of(1));
  await b.until(() => b.received === 1);
  proxy.setMode("forward");
  await link();
});

test("the chaos proxy delays each chunk", async () => {
  const link = await through({ delayMs: 30 });
  const { a, b } = await link();
  const start = performance.now();
  a.write(Uint8Array.of(1));
  await b.until(() => b.received === 1);
  expect(performance.now() - start).toBeGreaterThan(25);
});

test("the chaos proxy reaches a unix socket, and an unreachable target costs the connection only", async () => {
  const directory = mkdtempSync(join(tmpdir(), "conduit-"));
  const link = await through({}, unix.server(join(directory, "s")));
  const { a, b } = await link();
  a.write(Uint8Array.of(1));
  await b.until(() => b.received === 1);
  await listener.server.close();
  const lost = new End(await dial(tcp({ host: "127.0.0.1", port: proxy.port }))).start();
  await lost.closedOnce();
  rmSync(directory, { recursive: true });
});
