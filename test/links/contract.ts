// What src/link/link.ts promises, as assertions that every kind of link has to pass.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  type Bytes,
  type Framing,
  LINGER_MS,
  type Link,
  type LinkInfo,
  type LinkSink,
} from "../../src/link/link.js";
import { Random, seeds } from "../wasm/random.js";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Pages that are not isolated have no shared memory, and rings in plain memory. */
const RingMemory = globalThis.SharedArrayBuffer ?? ArrayBuffer;

/** Two links that are each other's far end, fresh and not started. */
export interface Ends {
  a: Link;
  b: Link;
  /** Releases what the links leave behind: a server, a directory. */
  cleanup?(): Promise<void> | void;
}

export interface Expected {
  framing: Framing;
  pausable: boolean;
  /** A link that is ended while the peer's bytes are on their way still brings them. */
  drains: boolean;
  /** Of the link that connected; the same is expected of the other one, but for authorized and peerCertificate. */
  info: Partial<LinkInfo>;
  /** What differs at the other end, `b`. */
  accepting?: { pausable?: boolean; info?: Partial<LinkInfo> };
}

/** Calls into links that are under way; no event may come while there is one. */
let calls = 0;

/** One end of a pair, with everything that its link told. */
export class End implements LinkSink {
  readonly link: Link;
  readonly chunks: Bytes[] = [];
  readonly closings: (Error | undefined)[] = [];
  readonly faults: string[] = [];
  /** Bytes received, writes reported. */
  received = 0;
  reported = 0;
  events = 0;
  onChunk: (chunk: Bytes) => void = (chunk) => this.chunks.push(chunk);
  onWritten: () => void = () => undefined;
  #started = false;
  readonly #waiting = new Set<() => void>();

  constructor(link: Link) {
    this.link = link;
  }

  bytes(chunk: Bytes): void {
    this.#event("bytes");
    this.received += chunk.length;
    this.onChunk(chunk);
    this.#wake();
  }

  written(): void {
    this.#event("written");
    this.reported++;
    this.onWritten();
    this.#wake();
  }

  closed(error?: Error): void {
    this.#event("closed");
    this.closings.push(error);
    this.#wake();
  }

  start(): this {
    this.#started = true;
    return this.#call(() => this.link.start(this));
  }
  write(bytes: Uint8Array): this {
    return this.#call(() => this.link.write(bytes));
  }
  pause(): this {
    return this.#call(() => this.link.pause());
  }
  resume(): this {
    return this.#call(() => this.link.resume());
  }
  end(): this {
    return this.#call(() => this.link.end());
  }
  destroy(): this {
    return this.#call(() => this.link.destroy());
  }

  /** Waits until the events so far make `condition` true. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  closedOnce(): Promise<void> {
    return this.until(() => this.closings.length > 0);
  }

  get all(): Buffer {
    return Buffer.concat(this.chunks);
  }

  #call(action: () => void): this {
    calls++;
    action();
    calls--;
    return this;
  }

  #event(name: string): void {
    this.events++;
    if (calls > 0) this.faults.push(`${name} from inside a call`);
    if (!this.#started) this.faults.push(`${name} before start()`);
    if (this.closings.length > 0) this.faults.push(`${name} after closed`);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** That nothing happens any more cannot be observed, only believed after a while. */
async function quiet(...ends: End[]): Promise<void> {
  for (let before = -1, now = 0; before !== now; ) {
    before = ends.reduce((sum, end) => sum + end.events, 0);
    await new Promise((resolve) => setTimeout(resolve, 60));
    now = ends.reduce((sum, end) => sum + end.events, 0);
  }
}

/** Runs the suite; `make` brings a fresh pair for each test. */
export function linkContract(name: string, expected: Expected, make: () => Promise<Ends>): void {
  const { authorized: _authorized, ...common } = expected.info;
  const accepting = { pausable: expected.pausable, info: common, ...expected.accepting };

  describe(`a ${name} link`, () => {
    let open: { a: End; b: End; cleanup?: Ends["cleanup"] } | undefined;

    /** Neither end is started. */
    async function fresh(): Promise<{ a: End; b: End }> {
      const { a, b, cleanup } = await make();
      open = { a: new End(a), b: new End(b), cleanup };
      return open;
    }

    async function started(): Promise<{ a: End; b: End }> {
      const { a, b } = await fresh();
      return { a: a.start(), b: b.start() };
    }

    afterEach(async () => {
      vi.useRealTimers();
      if (!open) return;
      const { a, b, cleanup } = open;
      open = undefined;
      a.destroy();
      b.destroy();
      await cleanup?.();
      expect([...a.faults, ...b.faults]).toEqual([]);
    });

    test("says what it is", async () => {
      const { a, b } = await fresh();
      const { framing } = expected;
      for (const [{ link }, { pausable, info }] of [
        [a, expected],
        [b, accepting],
      ] as const) {
        expect(link).toMatchObject({ framing, pausable, zeroCopy: true });
        expect(link.info).toMatchObject(info);
      }
    });

    test.for(seeds(2))(
      "carries MiBs both ways in order, from shared memory that is overwritten when written, seed %i",
      async (seed) => {
        const random = new Random(seed);
        const { a, b } = await started();
        const size = 4 * MIB;
        const flows = [new Flow(a, b, random, size), new Flow(b, a, random, size)];
        await Promise.all(flows.map((flow) => flow.run()));
        for (const flow of flows) flow.check(expected.framing);
      },
    );

    test("accepts views of ordinary memory and Buffers too", async () => {
      const { a, b } = await started();
      const pooled = Buffer.from("pooled");
      a.write(new Uint8Array([1, 2, 3]).subarray(1)).write(pooled);
      await b.until(() => b.received === 8);
      expect([...b.all]).toEqual([2, 3, ...pooled]);
    });

    test("delivers chunks that own plain memory, which nobody else sees", async () => {
      const { a, b } = await started();
      const source = new Uint8Array(100 * KIB).fill(7);
      let intact = true;
      b.onChunk = (chunk) => {
        expect(Object.getPrototypeOf(chunk)).toBe(Uint8Array.prototype);
        expect(chunk.buffer).toBeInstanceOf(ArrayBuffer);
        expect(chunk.buffer.byteLength).toBe(chunk.byteLength);
        intact &&= chunk.every((byte) => byte === 7);
        chunk.fill(9);
        // Transferring detaches: whoever else used this memory would notice.
        structuredClone(chunk.buffer, { transfer: [chunk.buffer] });
      };
      const small = source.subarray(0, 5);
      for (let i = 0; i < 20; i++) a.write(i % 2 ? small : source);
      await b.until(() => b.received === 10 * (source.length + small.length));
      expect(intact).toBe(true);
      expect(source.every((byte) => byte === 7)).toBe(true);
    });

    test("reports each write once, also those of no bytes", async () => {
      const { a, b } = await started();
      a.write(new Uint8Array(0)).write(new Uint8Array(1)).write(new Uint8Array(0)).write(new Uint8Array(2));
      await Promise.all([a.until(() => a.reported >= 4), b.until(() => b.received >= 3)]);
      await quiet(a, b);
      expect(a.reported).toBe(4);
      const lengths = b.chunks.map((chunk) => chunk.length);
      if (expected.framing === "message") expect(lengths).toEqual([0, 1, 0, 2]);
      else expect(lengths).not.toContain(0);
    });

    test("keeps what happens before start()", async () => {
      const { a, b } = await fresh();
      a.write(Buffer.from("hello")).write(Buffer.from("world"));
      b.write(Buffer.from("reply"));
      await new Promise(setImmediate);
      a.start();
      b.start();
      await Promise.all([
        a.until(() => a.received === 5 && a.reported === 2),
        b.until(() => b.received === 10),
      ]);
      expect(b.all.toString()).toBe("helloworld");
    });

    test("keeps a peer's last bytes and its end for start()", async () => {
      const { a, b } = await fresh();
      a.start();
      a.write(Buffer.from("bye")).end();
      for (let i = 0; i < 5; i++) await new Promise(setImmediate);
      b.start();
      await b.closedOnce();
      expect(b.all.toString()).toBe("bye");
    });

    test("keeps for start() that the peer was destroyed", async () => {
      const { a, b } = await fresh();
      a.destroy();
      for (let i = 0; i < 5; i++) await new Promise(setImmediate);
      b.start();
      await b.closedOnce();
    });

    if (accepting.pausable) {
      test("holds the peer back while paused, and goes on after resume()", async () => {
        const { a, b } = await started();
        const total = 48 * MIB;
        const piece = new Uint8Array(256 * KIB).fill(5);
        let sum = 0;
        b.onChunk = (chunk) => {
          sum += chunk[0] + chunk[chunk.length - 1];
          if (b.received === chunk.length) b.pause();
        };
        let sent = 0;
        const fill = () => {
          while (sent < total && sent / piece.length - a.reported < 4) {
            a.write(piece);
            sent += piece.length;
          }
        };
        a.onWritten = fill;
        fill();
        await b.until(() => b.received > 0);
        const atPause = b.received;
        await quiet(a, b);
        expect(b.received - atPause).toBeLessThanOrEqual(MIB);
        expect(sent).toBeLessThan(total);
        b.resume();
        await b.until(() => b.received === total);
        expect(sum % 10).toBe(0);
        await a.until(() => a.reported === total / piece.length);
      });

      test("holds bytes when paused before start()", async () => {
        const { a, b } = await fresh();
        a.start().write(Buffer.from("early"));
        b.pause().start();
        await quiet(a, b);
        expect(b.received).toBe(0);
        b.resume();
        await b.until(() => b.received === 5);
      });

      test("keeps the peer's end behind its bytes while paused", async () => {
        const { a, b } = await started();
        b.pause();
        a.write(Buffer.from("last"));
        a.write(Buffer.from(" words")).end();
        await quiet(a, b);
        expect(b.closings).toEqual([]);
        b.resume();
        await b.closedOnce();
        expect(b.all.toString()).toBe("last words");
      });

      test("resume() before start() loses nothing", async () => {
        const { a, b } = await fresh();
        a.start().write(Buffer.from("early"));
        b.pause().resume();
        for (let i = 0; i < 5; i++) await new Promise(setImmediate);
        b.start();
        await b.until(() => b.received === 5);
      });
    } else {
      test("ignores pause() and resume(), as pausable says", async () => {
        const { a, b } = await started();
        b.pause();
        a.write(Buffer.from("through"));
        await b.until(() => b.received === 7);
        b.resume();
      });
    }

    describe("that is ended", () => {
      // No time passes: what only the lingering releases does not come.
      beforeEach(() => {
        vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      });

      test("delivers what is queued, then both sides are closed", async () => {
        const { a, b } = await started();
        const bytes = new Random(1).bytes(3 * MIB);
        for (let at = 0; at < bytes.length; at += 64 * KIB) a.write(bytes.subarray(at, at + 64 * KIB));
        a.end().end();
        await Promise.all([a.closedOnce(), b.closedOnce()]);
        expect(b.all.equals(bytes)).toBe(true);
        expect(a.reported).toBe(48);
        expect([a.closings, b.closings]).toEqual([[undefined], [undefined]]);
        expect(vi.getTimerCount()).toBe(0);
      });

      if (expected.drains) {
        test("by both at once delivers what both have queued, however much longer one takes", async () => {
          const { a, b } = await started();
          b.write(new Uint8Array(24 * MIB))
            .write(new Uint8Array(1))
            .end();
          a.write(new Uint8Array(2)).end();
          await Promise.all([a.closedOnce(), b.closedOnce()]);
          expect([a.received, b.received]).toEqual([24 * MIB + 1, 2]);
          expect([a.reported, b.reported]).toEqual([1, 2]);
        });
      }

      test.for(["paused before", "and paused again"])(
        "brings its last bytes across although the peer's lie unread, %s",
        async (when) => {
          const { a, b } = await started();
          a.pause();
          b.write(new Uint8Array(512 * KIB)).write(new Uint8Array(512 * KIB));
          await new Promise(setImmediate);
          const last = new Random(3).bytes(64 * KIB);
          a.write(last).end();
          if (when === "and paused again") a.pause();
          await Promise.all([a.closedOnce(), b.closedOnce()]);
          expect(b.all.equals(last)).toBe(true);
        },
      );

      test("tells a paused peer so, when there are no bytes before it", async () => {
        const { a, b } = await started();
        b.pause();
        a.end();
        await Promise.all([a.closedOnce(), b.closedOnce()]);
      });

      test("lets go after LINGER_MS of a peer that never reads", async () => {
        const { a } = await fresh();
        a.start();
        for (let i = 0; i < 16; i++) a.write(new Uint8Array(MIB));
        a.end();
        vi.advanceTimersByTime(LINGER_MS);
        await a.closedOnce();
        expect(vi.getTimerCount()).toBe(0);
      });
    });

    test("end() before start() still tells that it closed", async () => {
      const { a, b } = await fresh();
      b.start();
      a.end();
      await b.closedOnce();
      a.start();
      await a.closedOnce();
    });

    test("destroy() is the last thing one hears of it, and the peer's is closed", async () => {
      const { a, b } = await started();
      const piece = new Uint8Array(new RingMemory(256 * KIB));
      for (let i = 0; i < 32; i++) a.write(piece);
      b.write(piece);
      await b.until(() => b.received > 0);
      a.destroy();
      const { events } = a;
      piece.fill(0xff); // free again; what had left before was zeros
      await b.closedOnce();
      await quiet(a, b);
      expect(a.events).toBe(events);
      expect(b.closings).toHaveLength(1);
      expect(b.chunks.every((chunk) => chunk.every((byte) => byte === 0))).toBe(true);
    });

    test("destroy() from inside an event silences the rest", async () => {
      const { a, b } = await started();
      b.onChunk = () => b.destroy();
      for (let i = 0; i < 10; i++) a.write(new Uint8Array(64 * KIB));
      await a.closedOnce();
      await quiet(a, b);
      expect(b.events).toBe(1);
    });

    test("destroy() before start() is possible, and twice", async () => {
      const { a, b } = await fresh();
      b.start();
      a.destroy().destroy();
      await b.closedOnce();
      a.start();
      await quiet(a);
      expect(a.events).toBe(0);
    });

    test("does nothing on any call once it has closed", async () => {
      const { a, b } = await started();
      a.end();
      a.write(new Uint8Array(10));
      await Promise.all([a.closedOnce(), b.closedOnce()]);
      const events = [a.events, b.events];
      for (const end of [a, b]) {
        end.write(new Uint8Array(10)).pause().resume().end().write(new Uint8Array(1)).destroy();
        end.link.ref();
        end.link.unref();
      }
      await quiet(a, b);
      expect([a.events, b.events]).toEqual(events);
      expect(b.received).toBe(0);
    });
  });
}

/** Writes random bytes in random pieces out of a small ring, whose slots are spoilt as soon as they are reported. */
class Flow {
  readonly #from: End;
  readonly #to: End;
  readonly #random: Random;
  readonly #source: Bytes;
  readonly #sizes: number[] = [];
  readonly #slots: Uint8Array[] = [];
  readonly #ring = new Uint8Array(new RingMemory(8 * 64 * KIB));
  #sent = 0;

  constructor(from: End, to: End, random: Random, size: number) {
    this.#from = from;
    this.#to = to;
    this.#random = random;
    this.#source = random.bytes(size);
    from.onWritten = () => {
      this.#slots.shift()!.fill(0xee);
      this.#write();
    };
  }

  async run(): Promise<void> {
    this.#write();
    await Promise.all([
      this.#to.until(() => this.#to.received >= this.#source.length),
      this.#from.until(() => this.#from.reported >= this.#sizes.length && this.#sent === this.#source.length),
    ]);
  }

  check(framing: Framing): void {
    expect(this.#to.all.equals(this.#source)).toBe(true);
    expect(this.#from.reported).toBe(this.#sizes.length);
    if (framing === "message") expect(this.#to.chunks.map((chunk) => chunk.length)).toEqual(this.#sizes);
  }

  #write(): void {
    while (this.#sent < this.#source.length && this.#slots.length < 8) {
      const max = this.#random.oneIn(4) ? 64 * KIB : 2 * KIB;
      const size = Math.min(this.#random.between(1, max), this.#source.length - this.#sent);
      const start = (this.#sizes.length % 8) * 64 * KIB;
      const slot = this.#ring.subarray(start, start + size);
      slot.set(this.#source.subarray(this.#sent, this.#sent + size));
      this.#sent += size;
      this.#sizes.push(size);
      this.#slots.push(slot);
      this.#from.write(slot);
    }
  }
}
