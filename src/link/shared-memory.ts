// Links between two threads over shared memory: two rings, each with one writer and one reader, and no message per write.
//
//   words of side 0 | words of side 1 | ring that side 0 writes | ring that side 1 writes
//
// A side's words, a cache line each: written, read, state, bell, sleeps, byPort. `written` and `read` count the bytes of its
// ring, modulo 2^32; the other side moves `read`. A ring holds blocks, each at a multiple of 8, behind a header of 8 bytes:
//
//   | length u32 | phase u32 | phase bytes | length bytes | up to a multiple of 8 |
//
// `phase` puts the bytes at the alignment that they had, without which the engine copies them one by one. A block does not
// wrap: length 0 says that the next one is at the ring's start.
//
// A side with nothing to do sets `sleeps` and waits until its `bell` changes. Who has done something for it looks at `sleeps`
// afterwards. Both are sequentially consistent, so one of the two sees the other.
import { linkError, optionsError } from "../errors.js";
import { plainCopy } from "./chunk.js";
import { HandoffServer, handOff, listenTo, type MessageTarget } from "./handoff.js";
import { type Linger, linger } from "./linger.js";
import type { Bytes, Link, LinkInfo, LinkServer, LinkSink } from "./link.js";
import type { MessagePortLike } from "./message-port.js";
import { Attachment, type LinkSource } from "./source.js";

interface SharedMemory {
  /**
   * Connects to another thread over memory that both share, without messages between them. One attempt per call of
   * nextLink(); each makes new memory (512 KiB) and posts it to `target`, a Worker, `self`, `parentPort` or a port, where
   * `sharedMemory.server()` waits. What an old link left in its memory goes with it.
   *
   * Waits with Atomics.waitAsync; where that is missing a message port wakes the other side. That the other thread has
   * ended is told by Node and newer browsers; elsewhere, and for a thread that hangs, keepalive finds out [ext.ping].
   * @throws ConduitError CONDUIT_OPTIONS where memory cannot be shared: pages need to be cross-origin isolated, which two
   * response headers do (Cross-Origin-Opener-Policy: same-origin, Cross-Origin-Embedder-Policy: require-corp).
   * @returns a source whose nextLink() rejects with CONDUIT_LINK (not fatal) when the target takes no messages, or with signal.reason.
   */
  (target: MessageTarget): LinkSource;
  /**
   * Accepts the links that sharedMemory() makes, in the thread that they are posted to: `self` in a worker, `parentPort` in one of Node,
   * or the Worker itself where the worker connects.
   * @throws ConduitError CONDUIT_OPTIONS as sharedMemory().
   */
  server(scope: object): LinkServer;
}

/** Memory that two threads share. */
export const sharedMemory: SharedMemory = /* @__PURE__ */ Object.assign(memorySource, {
  server: memoryServer,
});

const KIND = "shared-memory";

const info: LinkInfo = Object.freeze({ transport: KIND, encrypted: false });

const RING_BYTES = 262_144; // a power of two; at 1 GB/s what arrives while a thread wakes up
/** A larger write is split, so that the reader copies one part while the next is written. */
const MAX_BLOCK_BYTES = 65_536;
const HEADER_BYTES = 8;

// Indexes of words, 64 bytes apart.
const WRITTEN = 0;
const READ = 16; // by the other side
const STATE = 32;
const BELL = 48;
const SLEEPS = 64;
const BY_PORT = 80; // 1: wakes by a message, not by its bell
const SIDE_WORDS = 96;

const WORDS_BYTES = 2 * SIDE_WORDS * 4;
const MEMORY_BYTES = WORDS_BYTES + 2 * RING_BYTES;

// A side's STATE.
const OPEN = 0;
const ENDED = 1; // nothing more is written
const DESTROYED = 2; // and what was written is not to be read

/** So much is read before other tasks of the thread get their turn. */
const TURN_BYTES = 1_048_576;

// Taken now, so that a test with a fake clock does not stop deliveries.
const { setTimeout } = globalThis;

/** ES2024. */
type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
) => { async: false } | { async: true; value: Promise<unknown> };

interface Handoff {
  memory: SharedArrayBuffer;
  port: MessagePortLike;
}

function memorySource(target: MessageTarget): LinkSource {
  checkSharing();
  return {
    async nextLink({ signal }) {
      signal.throwIfAborted();
      const { port1, port2 } = new MessageChannel();
      const memory = new SharedArrayBuffer(MEMORY_BYTES);
      try {
        handOff(target, KIND, { memory, port: port2 } satisfies Handoff, [port2]);
      } catch (cause) {
        port1.close();
        throw linkError(`memory could not be shared: ${(cause as Error).message}`, cause);
      }
      return Attachment.initiator(new SharedMemoryLink(memory, port1, 0));
    },
  };
}

function memoryServer(scope: object): LinkServer {
  checkSharing();
  return new HandoffServer<Handoff>(scope, KIND, ({ memory, port }) => {
    if (memory.byteLength !== MEMORY_BYTES) throw new RangeError(`${memory.byteLength} bytes`);
    return new SharedMemoryLink(memory, port, 1);
  });
}

function checkSharing(): void {
  if (typeof SharedArrayBuffer !== "undefined" && globalThis.crossOriginIsolated !== false) return;
  throw optionsError(
    "memory cannot be shared: the page is not cross-origin isolated (Cross-Origin-Opener-Policy, Cross-Origin-Embedder-Policy)",
  );
}

class SharedMemoryLink implements Link {
  readonly framing = "stream";
  readonly zeroCopy = true;
  readonly pausable = true;
  readonly info = info;

  readonly #words: Int32Array;
  /** Where the words of this side and of the other one begin. */
  readonly #own: number;
  readonly #peer: number;
  readonly #out: Ring;
  readonly #in: Ring;
  readonly #port: MessagePortLike & { start?(): void; ref?(): void; unref?(): void };
  readonly #waitAsync = (Atomics as unknown as { waitAsync?: WaitAsync }).waitAsync;

  #sink: LinkSink | null = null;
  /** Writes that are not wholly in the ring, and how much of the first one is. */
  readonly #queue: Uint8Array[] = [];
  #queuedFrom = 0;
  /** Writes that `written` has not told yet. */
  #taken = 0;
  #paused = false;
  #ending = false;
  /** The other thread has closed its port: what it wrote is still there. */
  #gone = false;
  /** No event follows. */
  #done = false;
  #seenState = OPEN;
  #asleep = false;
  #scheduled = false;
  #linger: Linger | undefined;

  constructor(memory: SharedArrayBuffer, port: MessagePortLike, side: 0 | 1) {
    this.#words = new Int32Array(memory, 0, 2 * SIDE_WORDS);
    this.#own = side * SIDE_WORDS;
    this.#peer = SIDE_WORDS - this.#own;
    this.#out = new Ring(memory, side);
    this.#in = new Ring(memory, 1 - side);
    this.#port = port;
    if (!this.#waitAsync) Atomics.store(this.#words, this.#own + BY_PORT, 1);
    listenTo(port, "message", this.#woken);
    listenTo(port, "close", () => {
      this.#gone = true;
      this.#schedule();
    });
    this.#port.start?.();
  }

  start(sink: LinkSink): void {
    if (this.#done) return;
    this.#sink = sink;
    this.#schedule();
  }

  write(bytes: Uint8Array): void {
    if (this.#ending || this.#done) return;
    this.#queue.push(bytes);
    this.#fill();
    this.#schedule();
  }

  pause(): void {
    this.#paused = !this.#ending;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  end(): void {
    if (this.#ending || this.#done) return;
    this.#ending = true;
    this.#paused = false;
    this.#linger = linger(() => {
      this.#setState(DESTROYED);
      this.#close();
    });
    this.#fill();
    this.#schedule();
  }

  destroy(): void {
    if (this.#done) return;
    this.#setState(DESTROYED);
    this.#finish();
  }

  ref(): void {
    if (!this.#done) this.#port.ref?.();
  }

  unref(): void {
    this.#port.unref?.();
  }

  // ------------------------------------------------------------------ turns: all events come from here

  #schedule(): void {
    if (this.#scheduled || this.#sink === null) return;
    this.#scheduled = true;
    queueMicrotask(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    if (this.#done) return;
    this.#fill();
    for (; this.#taken > 0; this.#taken--) this.#sink?.written();
    for (let bytes = 0; this.#takes(); ) {
      if (bytes >= TURN_BYTES) return this.#yield();
      const chunk = this.#in.take();
      if (chunk === null) return this.#close(linkError("the shared memory was overwritten"));
      if (this.#in.used <= RING_BYTES / 2) this.#ringBell();
      bytes += chunk.length;
      if (chunk.length > 0) this.#sink?.bytes(chunk);
    }
    this.#checkEnd();
    if (!this.#done) this.#sleep();
  };

  #takes(): boolean {
    return this.#sink !== null && !this.#paused && this.#in.used > 0 && this.#peerState !== DESTROYED;
  }

  /** Moves queued bytes into the ring, as far as there is room. */
  #fill(): void {
    let moved = false;
    while (this.#canPut()) {
      const bytes = this.#queue[0];
      this.#queuedFrom += this.#out.put(bytes, this.#queuedFrom);
      moved = true;
      if (this.#queuedFrom < bytes.length) continue;
      this.#queue.shift();
      this.#queuedFrom = 0;
      this.#taken++;
    }
    if (this.#ending && this.#queue.length === 0) this.#setState(ENDED);
    else if (moved) this.#ringBell();
  }

  #canPut(): boolean {
    return this.#queue.length > 0 && this.#out.hasRoom(this.#queue[0].length - this.#queuedFrom);
  }

  #checkEnd(): void {
    const state = (this.#seenState = this.#peerState);
    if (state === DESTROYED) return this.#close();
    if (this.#in.used > 0) return;
    if (state === OPEN) {
      if (this.#gone) this.#close(linkError("the other thread is gone"));
      return;
    }
    // As with a socket that is not used half-open: the peer's end is ours, behind what we have written.
    if (!this.#ending) this.end();
    if (this.#queue.length === 0 || this.#gone) this.#close();
  }

  /** Only from a task of its own. */
  #close(error?: Error): void {
    const sink = this.#sink;
    this.#finish();
    sink?.closed(error);
  }

  #finish(): void {
    this.#done = true;
    this.#sink = null;
    this.#queue.length = 0;
    clearTimeout(this.#linger);
    this.#port.close();
    this.#wake(); // a wait that is left would keep the memory
  }

  // ------------------------------------------------------------------ the other side

  get #peerState(): number {
    return Atomics.load(this.#words, this.#peer + STATE);
  }

  #setState(state: number): void {
    if (Atomics.exchange(this.#words, this.#own + STATE, state) !== state) this.#ringBell();
  }

  /** There may be something to do for the other side. */
  #ringBell(): void {
    if (Atomics.exchange(this.#words, this.#peer + SLEEPS, 0) === 0) return;
    Atomics.add(this.#words, this.#peer + BELL, 1);
    if (Atomics.load(this.#words, this.#peer + BY_PORT) === 1) this.#port.postMessage(0, []);
    else Atomics.notify(this.#words, this.#peer + BELL);
  }

  #sleep(): void {
    if (this.#asleep) return;
    const bell = Atomics.load(this.#words, this.#own + BELL);
    Atomics.store(this.#words, this.#own + SLEEPS, 1);
    // Looked at after `sleeps` was set: what came before did not ring.
    if (this.#takes() || this.#canPut() || this.#peerState !== this.#seenState) {
      Atomics.store(this.#words, this.#own + SLEEPS, 0);
      this.#schedule();
    } else {
      this.#wait(bell);
    }
  }

  #wait(bell: number): void {
    this.#asleep = true;
    if (!this.#waitAsync) return; // a message comes
    const wait = this.#waitAsync(this.#words, this.#own + BELL, bell);
    if (wait.async) wait.value.then(this.#woken);
    else queueMicrotask(this.#woken);
  }

  readonly #woken = (): void => {
    this.#asleep = false;
    this.#turn();
  };

  #wake(): void {
    Atomics.add(this.#words, this.#own + BELL, 1);
    Atomics.notify(this.#words, this.#own + BELL);
  }

  /** Goes on after other tasks: being woken is one, and comes sooner than a timer. */
  #yield(): void {
    if (!this.#waitAsync) {
      setTimeout(this.#turn);
      return;
    }
    if (!this.#asleep) this.#wait(Atomics.load(this.#words, this.#own + BELL));
    this.#wake();
  }
}

/** One direction, seen by its writer or by its reader. */
class Ring {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #headers: Uint32Array;
  /** Own position; the other one is read from the words. */
  #at = 0;

  constructor(memory: SharedArrayBuffer, writer: number) {
    const offset = WORDS_BYTES + writer * RING_BYTES;
    this.#words = new Int32Array(memory, writer * SIDE_WORDS * 4, SIDE_WORDS);
    this.#bytes = new Uint8Array(memory, offset, RING_BYTES);
    this.#headers = new Uint32Array(memory, offset, RING_BYTES / 4);
  }

  // ------------------------------------------------------------------ writer

  /** Whether put() can take something: a quarter of the ring, or all of it. */
  hasRoom(length: number): boolean {
    const used = (this.#at - Atomics.load(this.#words, READ)) | 0;
    // At the end of the ring less than two headers can be lost, and padding.
    return RING_BYTES - used >= Math.min(RING_BYTES / 4, length + 5 * HEADER_BYTES);
  }

  /** Copies a block of `bytes` from `from` on, after hasRoom(); returns how many bytes it was. */
  put(bytes: Uint8Array, from: number): number {
    if (from === bytes.length) return 0;
    const phase = (bytes.byteOffset + from) & 7;
    const start = HEADER_BYTES + phase;
    let at = this.#at & (RING_BYTES - 1);
    if (RING_BYTES - at <= start) {
      this.#headers[at >>> 2] = 0;
      this.#at = (this.#at + RING_BYTES - at) | 0;
      at = 0;
    }
    const used = (this.#at - Atomics.load(this.#words, READ)) | 0;
    const room = Math.min(RING_BYTES - used, RING_BYTES - at);
    const count = Math.min(bytes.length - from, MAX_BLOCK_BYTES, room - start);
    this.#headers[at >>> 2] = count;
    this.#headers[(at >>> 2) + 1] = phase;
    this.#bytes.set(bytes.subarray(from, from + count), at + start);
    this.#move(WRITTEN, start + count);
    return count;
  }

  // ------------------------------------------------------------------ reader

  /** Bytes that wait to be read, headers and all. */
  get used(): number {
    return (Atomics.load(this.#words, WRITTEN) - this.#at) | 0;
  }

  /** The next block, copied out; perhaps empty. null: this is no block. */
  take(): Bytes | null {
    const used = this.used;
    const at = this.#at & (RING_BYTES - 1);
    const length = this.#headers[at >>> 2];
    if (length === 0) {
      this.#move(READ, RING_BYTES - at);
      return EMPTY;
    }
    const start = HEADER_BYTES + (this.#headers[(at >>> 2) + 1] & 7);
    if (start + length > used || at + start + length > RING_BYTES) return null;
    const chunk = plainCopy(this.#bytes.subarray(at + start, at + start + length));
    this.#move(READ, start + length);
    return chunk;
  }

  #move(word: number, bytes: number): void {
    this.#at = (this.#at + bytes + 7) & ~7;
    Atomics.store(this.#words, word, this.#at);
  }
}

const EMPTY: Bytes = new Uint8Array(0);
