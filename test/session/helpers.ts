// What the suites of the session layer share: sessions over real sockets, raw peers that break the rules, and a check
// after each test that nothing is left behind: no socket, no linear memory, no rejection that nobody handled.
import net from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { type ChaosOptions, type ChaosProxy, startChaosProxy } from "../../examples/demo/chaos-proxy.js";
import {
  type Acceptor,
  type Bytes,
  type Close,
  type ConduitError,
  type ConnectOptions,
  connect,
  type LinkSource,
  type ListenOptions,
  listen,
  type StableConduit,
  tcp,
} from "../../src/node.js";
import { threadCore } from "../../src/wasm/core.js";
import { collectGarbage } from "../fixtures/collect-garbage.js";

export type Conduit = StableConduit<Uint8Array, Bytes>;
export type Service = Acceptor<Uint8Array, Bytes, unknown>;

export const PROFILES = ["extended", "base"] as const;
export type Profile = (typeof PROFILES)[number];

// Taken now, so that waiting here goes on while a test has a fake clock.
const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;

/** Waits for something that can be observed; says what it was when it does not come. */
export async function until(what: () => unknown, timeoutMs = 10_000): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  while (!what()) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await turn(1);
  }
}

/** Lets timers and I/O have their turn: for what must NOT happen, and for polling. */
export function turn(ms = 0): Promise<void> {
  return new Promise((resolve) => realSetTimeout(resolve, ms));
}

/** The error that a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<ConduitError> {
  try {
    await promise;
  } catch (error) {
    return error as ConduitError;
  }
  throw new Error("it was expected to fail");
}

/** The error that a call throws. */
export function thrown(call: () => unknown): ConduitError {
  try {
    call();
  } catch (error) {
    return error as ConduitError;
  }
  throw new Error("it was expected to throw");
}

/** How a conduit ended, which must not have been clean. */
export async function lost(conduit: Conduit) {
  const close = await conduit.closed;
  if (close.clean) throw new Error("the conduit has ended cleanly");
  return close as Exclude<Close<Uint8Array>, { clean: true }>;
}

// ------------------------------------------------------------------ what a test leaves

const leftovers: (() => unknown)[] = [];

/** Cleans up after the running test, last one first. */
export function later(clean: () => unknown): void {
  leftovers.push(clean);
}

export function openSockets(): number {
  return process
    .getActiveResourcesInfo()
    .filter((kind) => /^(TCP|TLS|Pipe)(Socket|Server|Connect)?Wrap/.test(kind)).length;
}

/** To be called once in each suite. */
export function cleanSlate(): void {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  let usedBytes = 0;
  let sockets = 0;

  beforeAll(() => {
    process.on("unhandledRejection", note);
    threadCore();
  });
  beforeEach(() => {
    usedBytes = threadCore().memory.usedBytes;
    sockets = openSockets();
  });
  afterEach(async () => {
    for (const clean of leftovers.splice(0).reverse()) await clean();
    await until(() => openSockets() <= sockets);
    await until(() => threadCore().memory.usedBytes === usedBytes);
    await turn();
    expect(unhandled.splice(0)).toEqual([]);
  });
  afterAll(() => {
    process.off("unhandledRejection", note);
  });
}

/** Bytes of array buffers that somebody still holds. */
export function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

// ------------------------------------------------------------------ sessions

export async function service(options: ListenOptions<Uint8Array, Bytes, unknown> = {}): Promise<Service> {
  const acceptor = await listen<Uint8Array, Bytes, unknown>(
    tcp.server({ host: "127.0.0.1", port: 0 }),
    options,
  );
  later(() => acceptor.close({ timeoutMs: 1 }));
  return acceptor;
}

export function portOf(acceptor: Service): number {
  return (acceptor.address as { port: number }).port;
}

export function sourceFor(port: number): LinkSource {
  return tcp({ host: "127.0.0.1", port });
}

/** A source whose links come once `open` was called. */
export function gated(source: LinkSource): LinkSource & { open: () => void } {
  let open!: () => void;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, nextLink: (attempt) => gate.then(() => source.nextLink(attempt)) };
}

/** Aborts it after the test. */
export function track<C extends { abort(): void }>(conduit: C): C {
  later(() => conduit.abort());
  return conduit;
}

/** The next session that the acceptor has. */
export async function accepted(acceptor: Service): Promise<Conduit> {
  for await (const conduit of acceptor) return conduit;
  throw new Error("the acceptor was closed");
}

export interface Session {
  client: Conduit;
  server: Conduit;
  acceptor: Service;
  proxy: ChaosProxy;
}

const QUICK_RETRY = { baseMs: 1, capMs: 20 };

/** Both ends of one session over TCP, with a chaos proxy between them. */
export async function session(
  given: {
    both?: ConnectOptions & ListenOptions<Uint8Array, Bytes, unknown>;
    client?: ConnectOptions;
    server?: ListenOptions<Uint8Array, Bytes, unknown>;
    chaos?: Omit<ChaosOptions, "target">;
  } = {},
): Promise<Session> {
  const acceptor = await service({ ...given.both, ...given.server });
  const proxy = await proxyFor(acceptor, given.chaos);
  const client = track(
    await connect<Uint8Array, Bytes>(sourceFor(proxy.port), {
      retry: QUICK_RETRY,
      ...given.both,
      ...given.client,
    }),
  );
  return { client, server: await accepted(acceptor), acceptor, proxy };
}

export async function proxyFor(
  acceptor: Service,
  chaos: Omit<ChaosOptions, "target"> = {},
): Promise<ChaosProxy> {
  const proxy = await startChaosProxy({ target: { host: "127.0.0.1", port: portOf(acceptor) }, ...chaos });
  later(() => proxy.close());
  return proxy;
}

// ------------------------------------------------------------------ items

/** An item that says its number and has `size` bytes, 4 at least. */
export function numbered(n: number, size = 4): Bytes {
  const item = new Uint8Array(size).fill(n);
  new DataView(item.buffer).setUint32(0, n, true);
  return item;
}

/** The number of an item, whose bytes are checked. */
export function numberOf(item: Uint8Array): number {
  const n = new DataView(item.buffer, item.byteOffset).getUint32(0, true);
  for (let i = 4; i < item.length; i++) {
    if (item[i] !== (n & 0xff)) throw new Error(`item ${n} is corrupted at byte ${i}`);
  }
  return n;
}

/** Collects numbers, which must come in order from 0, each once. */
export class Counter {
  next = 0;

  attach(conduit: Conduit): this {
    conduit.onItems = (batch) => {
      for (const item of batch) this.take(item);
    };
    return this;
  }

  take(item: Uint8Array): void {
    const n = numberOf(item);
    if (n !== this.next) throw new Error(`item ${n} where ${this.next} was due`);
    this.next++;
  }
}

/** Sends items numbered from `first` up to `last`, waiting for room. */
export async function sendNumbered(conduit: Conduit, first: number, last: number, size = 4): Promise<void> {
  for (let n = first; n < last; n++) await conduit.write(numbered(n, size));
}

export function text(item: Uint8Array | undefined): string | undefined {
  return item === undefined ? undefined : new TextDecoder().decode(item);
}

export function bytes(text: string): Bytes {
  return new TextEncoder().encode(text);
}

export async function take(conduit: Conduit, count: number): Promise<string[]> {
  const items: string[] = [];
  while (items.length < count) items.push(text(await conduit.recv({ timeoutMs: 5_000 }))!);
  return items;
}

// ------------------------------------------------------------------ raw peers

/** A TCP peer without a conduit: writes any bytes, keeps what comes. */
export class RawPeer {
  readonly socket: net.Socket;
  received: Buffer = Buffer.alloc(0);
  receivedBytes = 0;
  closed = false;
  /** Only counts what comes. */
  counting = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
    later(() => socket.destroy());
    socket.on("error", () => {
      this.closed = true;
    });
    socket.on("close", () => {
      this.closed = true;
    });
    socket.on("data", (chunk) => {
      this.receivedBytes += chunk.length;
      if (!this.counting) this.received = Buffer.concat([this.received, chunk]);
    });
  }

  static async dial(port: number): Promise<RawPeer> {
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
    const peer = new RawPeer(socket);
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return peer;
  }

  write(...parts: Uint8Array[]): this {
    if (!this.closed) this.socket.write(Buffer.concat(parts));
    return this;
  }

  /** Writes and waits until the kernel has it, or the peer has closed. */
  async push(part: Uint8Array): Promise<void> {
    if (this.closed || this.socket.write(part)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.socket.off("drain", done).off("close", done);
        resolve();
      };
      this.socket.on("drain", done).on("close", done);
    });
  }

  async has(count: number): Promise<Buffer> {
    await until(() => this.received.length >= count || this.closed);
    if (this.received.length < count) throw new Error(`the peer closed after ${this.received.length} bytes`);
    return this.received;
  }

  /** The payloads that came, without their lengths; the top bit of a record's header is left out. */
  get payloads(): Buffer[] {
    const payloads: Buffer[] = [];
    let at = 0;
    while (at + 4 <= this.received.length) {
      const length = this.received.readUInt32LE(at) & 0x7fff_ffff;
      if (at + 4 + length > this.received.length) break;
      payloads.push(this.received.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    return payloads;
  }

  async payload(index: number): Promise<Buffer> {
    await until(() => this.payloads.length > index || this.closed);
    const payload = this.payloads[index];
    if (!payload) throw new Error(`the peer closed after ${this.payloads.length} payloads`);
    return payload;
  }
}

export function timeout<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = realSetTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => realClearTimeout(timer));
  });
}
