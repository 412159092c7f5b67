// Two links that are each other's far end, within one thread: for tests, and for two parts of one program.
import { type Linger, linger } from "./linger.js";
import type { Bytes, Framing, Link, LinkInfo, LinkSink } from "./link.js";

export interface PairOptions {
  /** Default "stream". */
  framing?: Framing;
}

/**
 * Makes two connected links. write() copies, so the memory may even be detached before `written`; `written` comes when
 * the other side has taken the bytes, which makes its pause() felt here. destroy() on one side loses what the other
 * has not taken yet, like a cut cable.
 */
export function pair(options: PairOptions = {}): [Link, Link] {
  const framing = options.framing ?? "stream";
  const a = new PairLink(framing);
  const b = new PairLink(framing);
  a.join(b);
  b.join(a);
  return [a, b];
}

/** Stands in the inbox behind the last bytes of a side that has ended. */
const END = Symbol("end");

/** So many turns run as microtasks before timers and I/O get theirs; two busy sides would starve them for ever. */
const MICROTASK_TURNS = 64;

// Taken now, so that a test with a fake clock does not stop deliveries.
const { setTimeout } = globalThis;

const info: LinkInfo = Object.freeze({ transport: "pair", encrypted: false });

/** All events of a side come from #turn, which only runs as a task of its own: never inside a call. */
class PairLink implements Link {
  readonly zeroCopy = true;
  readonly pausable = true;
  readonly info = info;
  readonly framing: Framing;

  #peer: PairLink = this;
  #sink: LinkSink | null = null;
  /** What the peer wrote and this side has not taken. */
  #inbox: (Bytes | typeof END)[] = [];
  /** Own writes that the peer has taken and `written` has not told yet. */
  #taken = 0;
  #paused = false;
  /** end() was called here; the peer has taken our END; we have taken the peer's. */
  #ending = false;
  #endTaken = false;
  #peerEnded = false;
  /** `closed` is due. */
  #over = false;
  /** No event follows. */
  #done = false;
  #linger: Linger | undefined;
  #scheduled = false;
  #turns = 0;

  constructor(framing: Framing) {
    this.framing = framing;
  }

  join(peer: PairLink): void {
    this.#peer = peer;
  }

  start(sink: LinkSink): void {
    if (this.#done) return;
    this.#sink = sink;
    this.#schedule();
  }

  write(bytes: Uint8Array): void {
    if (this.#ending || this.#over || this.#done) return;
    this.#peer.#receive(new Uint8Array(bytes));
  }

  pause(): void {
    this.#paused = !this.#ending;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  end(): void {
    if (this.#ending || this.#over || this.#done) return;
    this.#ending = true;
    this.#peer.#receive(END);
    this.resume();
    this.#linger = linger(() => {
      this.#cut();
      this.#peer.#cut();
    });
  }

  destroy(): void {
    if (this.#done) return;
    this.#finish();
    this.#peer.#cut();
  }

  ref(): void {
    // There is no handle that could keep a process alive.
  }

  unref(): void {
    // As ref().
  }

  #receive(what: Bytes | typeof END): void {
    if (this.#over || this.#done) return;
    this.#inbox.push(what);
    this.#schedule();
  }

  /** The other end is gone: what was not taken is lost. */
  #cut(): void {
    this.#inbox = [];
    this.#over = true;
    this.#schedule();
  }

  #finish(): void {
    this.#done = true;
    this.#sink = null;
    this.#inbox = [];
    clearTimeout(this.#linger);
  }

  #schedule(): void {
    if (this.#scheduled || this.#sink === null) return;
    this.#scheduled = true;
    if (++this.#turns % MICROTASK_TURNS === 0) setTimeout(this.#turn);
    else queueMicrotask(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    for (; this.#taken > 0; this.#taken--) this.#sink?.written();
    // What arrives during this turn waits for the next one.
    for (let waiting = this.#inbox.length; waiting > 0 && this.#takes(); waiting--) {
      this.#take(this.#inbox.shift()!);
    }
    if (this.#over) {
      const sink = this.#sink;
      this.#finish();
      sink?.closed();
    } else if (this.#takes()) {
      this.#schedule();
    }
  };

  /** pause() holds bytes, not an end with nothing before it. */
  #takes(): boolean {
    const next = this.#inbox[0];
    return next !== undefined && (!this.#paused || next === END) && this.#sink !== null;
  }

  #take(what: Bytes | typeof END): void {
    const peer = this.#peer;
    if (what === END) {
      this.#peerEnded = true;
      peer.#endTaken = true;
      // Like a socket without half-open: the peer's end is ours, behind what we have written.
      if (!this.#ending) peer.#receive(END);
      this.#settle();
      peer.#settle();
      return;
    }
    // On a stream an empty write is done, and nothing arrives.
    if (what.length > 0 || this.framing === "message") this.#sink!.bytes(what);
    peer.#taken++;
    peer.#schedule();
  }

  #settle(): void {
    if (!this.#peerEnded || (this.#ending && !this.#endTaken)) return;
    this.#over = true;
    this.#schedule();
  }
}
