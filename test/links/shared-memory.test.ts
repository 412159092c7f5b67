// Links over shared memory, within a thread and between two.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { sharedMemory } from "../../src/link/shared-memory.js";
import { Random, seeds } from "../wasm/random.js";
import { End, type Ends, linkContract } from "./contract.js";
import { dial, failure, Listener } from "./sockets.js";

async function connected(): Promise<Required<Ends>> {
  const { port1, port2 } = new MessageChannel();
  const listener = new Listener(sharedMemory.server(port2));
  await listener.listen();
  const [a, b] = await Promise.all([dial(sharedMemory(port1)), listener.accept()]);
  return { a, b, cleanup: () => port1.close() };
}

const expected = {
  framing: "stream",
  pausable: true,
  drains: true,
  info: { transport: "shared-memory", encrypted: false },
} as const;

linkContract("shared memory", expected, connected);

describe("without Atomics.waitAsync", () => {
  beforeEach(() => {
    vi.stubGlobal("Atomics", Object.create(Atomics, { waitAsync: { value: undefined } }));
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });
  linkContract("shared memory", expected, connected);
});

// ------------------------------------------------------------------ what is particular

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
  for (const clean of cleanups.splice(0)) await clean();
});

/** Two ends, and what was handed off between them. */
async function ends(): Promise<{ a: End; b: End; memory: SharedArrayBuffer; port: MessagePort }> {
  const { port1, port2 } = new MessageChannel();
  const seen = new Promise<{ memory: SharedArrayBuffer; port: MessagePort }>((resolve) => {
    port2.addEventListener("message", (event) => resolve(event.data), { once: true });
  });
  const listener = new Listener(sharedMemory.server(port2));
  await listener.listen();
  const [a, b] = await Promise.all([dial(sharedMemory(port1)), listener.accept()]);
  cleanups.push(() => {
    a.destroy();
    b.destroy();
    port1.close();
  });
  return { a: new End(a), b: new End(b), ...(await seen) };
}

const linkFailure = { code: "CONDUIT_LINK", blame: "link", fatal: false };

describe("sharedMemory()", () => {
  test("says with CONDUIT_OPTIONS where memory cannot be shared", () => {
    const refused = expect.objectContaining({
      code: "CONDUIT_OPTIONS",
      blame: "local",
      message: expect.stringContaining("cross-origin isolated"),
    });
    const { port1 } = new MessageChannel();
    for (const [name, value] of [
      ["SharedArrayBuffer", undefined],
      ["crossOriginIsolated", false],
    ] as const) {
      vi.stubGlobal(name, value);
      expect(() => sharedMemory(port1)).toThrow(refused);
      expect(() => sharedMemory.server(port1)).toThrow(refused);
      vi.unstubAllGlobals();
    }
    port1.close();
  });

  test("rejects with CONDUIT_LINK when the target takes no message, and with signal.reason when it is aborted", async () => {
    const cause = new Error("cannot be cloned");
    const target = {
      postMessage() {
        throw cause;
      },
    };
    expect(await failure(dial(sharedMemory(target)))).toMatchObject({ ...linkFailure, cause });
    const reason = new Error("not any more");
    expect(await failure(dial(sharedMemory(target), AbortSignal.abort(reason)))).toBe(reason);
  });

  test("a handoff without memory, or with other memory, costs nobody anything", async () => {
    const { port1, port2 } = new MessageChannel();
    cleanups.push(() => port1.close());
    const listener = new Listener(sharedMemory.server(port2));
    await listener.listen();
    port1.postMessage({ "stable-conduit": "shared-memory" });
    port1.postMessage({ "stable-conduit": "shared-memory", memory: new SharedArrayBuffer(8) });
    const a = new End(await dial(sharedMemory(port1))).start();
    new End(await listener.accept()).destroy();
    await a.closedOnce();
    expect(listener.errors).toMatchObject([linkFailure, linkFailure]);
  });

  test("makes new memory for each link", async () => {
    const [first, second] = [await ends(), await ends()];
    expect(first.memory).not.toBe(second.memory);
    first.a.start().write(Uint8Array.of(1));
    second.b.start();
    first.b.start();
    await first.b.until(() => first.b.received === 1);
    expect(second.b.received).toBe(0);
  });

  test("posts no message, however much it carries", async () => {
    const { a, b, port } = await ends();
    const posted = vi.spyOn(Object.getPrototypeOf(port), "postMessage");
    a.start();
    b.start();
    const piece = new Uint8Array(100_000);
    for (let i = 0; i < 50; i++) a.write(piece);
    await b.until(() => b.received === 5_000_000);
    expect(posted).not.toHaveBeenCalled();
  });

  test("bytes arrive in memory's order whatever their alignment and the ring's end", async () => {
    const { a, b } = await ends();
    a.start();
    b.start();
    const source = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) >>> 3);
    const expected: Uint8Array[] = [];
    let size = 1;
    for (let i = 0; i < 400; i++) {
      const piece = source.subarray(i & 15, (i & 15) + size);
      a.write(piece);
      expected.push(piece);
      size = (size * 7 + i) % 9_001;
    }
    a.end();
    await b.closedOnce();
    expect(b.all.equals(Buffer.concat(expected))).toBe(true);
  });

  test.for(seeds(1))(
    "a ring that is full to the brim takes no more than it has room for, seed %i",
    async (seed) => {
      const random = new Random(seed);
      const { a, b } = await ends();
      a.start();
      b.start();
      const source = random.bytes(300_000);
      for (let round = 0; round < 300; round++) {
        b.pause();
        b.chunks.length = 0;
        const expected: Uint8Array[] = [];
        const sizes = [65_000, 65_000, 65_000, random.between(64_000, 66_000)];
        for (let i = 0; i < 60; i++) sizes.push(random.between(0, 60));
        for (const size of sizes) {
          const phase = random.between(0, 8);
          expected.push(source.subarray(phase, phase + size));
          a.write(expected.at(-1)!);
        }
        const received = b.received + sizes.reduce((sum, size) => sum + size);
        b.resume();
        await b.until(() => b.received === received || b.closings.length > 0);
        expect(b.all.equals(Buffer.concat(expected)), `round ${round}`).toBe(true);
      }
    },
  );

  test("what comes while a side is about to sleep wakes it, an end too", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }); // lingering would bring the end in any case
    const { a, b, memory } = await ends();
    a.start();
    b.start();
    await new Promise(setImmediate);
    // The other thread is as fast as can be: it writes just before, and just after, the word is set that asks to be woken.
    const real = Atomics;
    let armed = 0;
    const store = (words: Int32Array, index: number, value: number) => {
      const sleeps = words.buffer === memory && index === 96 + 64 && value === 1;
      if (sleeps && armed-- === 2) a.write(Uint8Array.of(1));
      if (sleeps && armed === -1) a.end();
      real.store(words, index, value);
      if (sleeps && armed === 0) a.write(Uint8Array.of(2));
      return value;
    };
    vi.stubGlobal("Atomics", Object.create(real, { store: { value: store } }));
    armed = 2;
    a.write(Uint8Array.of(0));
    await b.closedOnce();
    expect([...b.all]).toEqual([0, 1, 2]);
  });

  test("leaves other tasks their turn while it reads", async () => {
    const { a, b } = await ends();
    const piece = new Uint8Array(1 << 16);
    let timer = false;
    // Each block that is read brings the next one.
    b.onChunk = () => {
      if (!timer) a.write(piece);
    };
    a.start().write(piece);
    b.start();
    await new Promise((resolve) => setTimeout(resolve));
    timer = true;
    expect(b.received).toBeGreaterThanOrEqual(1 << 20);
  });

  test("memory that somebody else has overwritten is CONDUIT_LINK, not a wrong byte", async () => {
    const { a, b, memory } = await ends();
    a.start().write(Uint8Array.of(1, 2, 3));
    const words = new Uint32Array(memory);
    const firstBlock = (memory.byteLength - 2 * 262_144) / 4;
    expect(words[firstBlock]).toBe(3);
    words[firstBlock] = 1 << 30;
    b.start();
    await b.closedOnce();
    expect(b.closings).toMatchObject([linkFailure]);
    expect(b.received).toBe(0);
  });

  test("a worker that is terminated closes its links, and what it had written is read before", async () => {
    // It writes a block by hand, keeps the port and does nothing more.
    const code = `require("node:worker_threads").parentPort.on("message", ({ memory, port }) => {
      globalThis.kept = port;
      const words = new Int32Array(memory);
      const ring = (memory.byteLength - 262144) / 4;
      words.set([5, 0, 0x01010101, 1], ring);
      Atomics.store(words, 96, 16);
      require("node:worker_threads").parentPort.postMessage("written");
    });`;
    const worker = new Worker(code, { eval: true });
    cleanups.push(() => worker.terminate());
    await once(worker, "online");
    const a = new End(await dial(sharedMemory(worker)));
    await once(worker, "message");
    await worker.terminate();
    a.start();
    await a.closedOnce();
    expect([[...a.all], a.closings]).toEqual([[1, 1, 1, 1, 1], [expect.objectContaining(linkFailure)]]);
  });

  test("a link that is gone keeps nothing waiting for its memory", async () => {
    const { a, b, memory } = await ends();
    a.start();
    b.start().write(Uint8Array.of(1));
    await a.until(() => a.received === 1);
    await new Promise(setImmediate); // both sleep
    const words = new Int32Array(memory);
    a.destroy();
    await b.closedOnce();
    await new Promise(setImmediate);
    for (const bell of [48, 96 + 48]) expect(Atomics.notify(words, bell)).toBe(0);
  });

  test("unref() lets the process end", async () => {
    const portCount = () => process.getActiveResourcesInfo().filter((kind) => kind === "MessagePort").length;
    const { a, b } = await ends();
    const open = portCount();
    a.link.unref();
    b.link.unref();
    expect(portCount()).toBe(open - 2);
    a.link.ref();
    expect(portCount()).toBe(open - 1);
  });
});
