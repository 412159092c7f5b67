// A link in virtual time: two pipes with delays, chunks split and joined, cuts at any byte, directions that die in
// silence, bytes that arrive long after their link was given up. It keeps the contract of src/link/link.ts.
import type { Bytes, Framing } from "../../src/link/link.js";
import { Broken, type Timer, type World } from "./world.js";

/** How long end() waits for the peer, as LINGER_MS of src/link/link.ts. */
const LINGER_MS = 2_000;

/** What one link is like. */
export interface LinkNature {
  framing: Framing;
  /** Each byte takes at least this long. */
  latencyMs: number;
  /** And up to this much longer. */
  jitterMs: number;
  /** Largest chunk that arrives at once (stream). */
  chunkBytes: number;
  /** A write is taken after up to this time; its memory is read only then. */
  writeMs: number;
  /** And reported as done after up to this time more: what it carried may be acknowledged before. */
  reportMs: number;
  /** Bytes on the wire above which no write is taken. */
  capacityBytes: number;
  pausable: boolean;
  /** Bytes to the acceptor and to the initiator after which the link is cut; -1 = never. */
  cutAfter: [toAcceptor: number, toInitiator: number];
  /** What was on the wire when an end was destroyed still arrives, up to this much later; -1 = it is lost. */
  lateMs: number;
  /** An end learns after up to this time that the other one was destroyed. */
  closeMs: number;
  /** An end whose peer is silently gone learns of it after up to this time. */
  deadMs: number;
}

export interface Sink {
  bytes(chunk: Bytes): void;
  written(): void;
  closed(): void;
}

interface Write {
  bytes: Uint8Array;
  /** What it held when it was written: it must not have changed when it is read. */
  copy: Bytes;
}

/** One direction. */
class Pipe {
  readonly pending: Write[] = [];
  /** Writes whose end was not reported, the pending ones included. */
  unreported = 0;
  reportedAt = 0;
  readonly wire: Bytes[] = [];
  wireBytes = 0;
  carried = 0;
  ended = false;
  /** Bytes vanish. */
  dead = false;
  /** What is on the wire arrives, then the other end is told; nothing more is written. */
  closing = false;
  cutAfter: number;
  taking: Timer | null = null;
  delivering: Timer | null = null;

  constructor(cutAfter: number) {
    this.cutAfter = cutAfter;
  }
}

export class SimLink {
  readonly world: World;
  readonly nature: LinkNature;
  readonly initiator: LinkEnd;
  readonly acceptor: LinkEnd;
  readonly name: string;

  constructor(world: World, name: string, nature: LinkNature) {
    this.world = world;
    this.name = name;
    this.nature = nature;
    const toAcceptor = new Pipe(nature.cutAfter[0]);
    const toInitiator = new Pipe(nature.cutAfter[1]);
    this.initiator = new LinkEnd(this, toAcceptor, toInitiator);
    this.acceptor = new LinkEnd(this, toInitiator, toAcceptor);
    this.initiator.peer = this.acceptor;
    this.acceptor.peer = this.initiator;
  }

  get alive(): boolean {
    return !this.initiator.over && !this.acceptor.over;
  }

  /** Both ends will learn of it, each in its own time. */
  cut(): void {
    const { world } = this;
    if (!this.alive) return;
    world.log(this.name, () => "cut");
    for (const end of [this.initiator, this.acceptor]) {
      end.silence();
      world.after(world.random.below(50), () => end.close());
    }
  }

  /** Bytes vanish in one direction (0 to the acceptor, 1 to the initiator) or both (2), and nobody is told. */
  die(direction: number): void {
    const { world } = this;
    if (!this.alive) return;
    world.log(this.name, () => `dies silently, direction ${direction}`);
    if (direction !== 1) this.initiator.silence();
    if (direction !== 0) this.acceptor.silence();
    for (const end of [this.initiator, this.acceptor]) {
      world.after(world.random.below(this.nature.deadMs + 1), () => end.close());
    }
  }

  /** Cuts after so many more bytes in that direction. */
  cutSoon(direction: number, bytes: number): void {
    const pipe = direction === 0 ? this.initiator.out : this.acceptor.out;
    pipe.cutAfter = pipe.carried + bytes;
  }
}

export class LinkEnd {
  readonly link: SimLink;
  readonly out: Pipe;
  readonly in: Pipe;
  peer!: LinkEnd;
  sink: Sink | null = null;
  /** No event follows. */
  over = false;
  ending = false;
  paused = false;
  readonly #world: World;

  constructor(link: SimLink, out: Pipe, incoming: Pipe) {
    this.link = link;
    this.#world = link.world;
    this.out = out;
    this.in = incoming;
  }

  start(sink: Sink): void {
    this.sink = sink;
    this.#deliver();
  }

  write(bytes: Uint8Array): void {
    if (this.over || this.ending) return;
    this.out.pending.push({ bytes, copy: new Uint8Array(bytes) });
    this.out.unreported++;
    this.#take();
  }

  pause(): void {
    if (this.link.nature.pausable) this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#deliver();
  }

  end(): void {
    if (this.over || this.ending) return;
    this.ending = true;
    this.resume();
    this.out.ended = true;
    this.#take();
    this.#finishOut();
    this.#world.after(LINGER_MS, () => this.close());
  }

  /** Writes that were not taken are dropped; of the rest the nature decides. */
  destroy(): void {
    if (this.over) return;
    this.over = true;
    this.in.dead = true;
    this.#empty(this.in);
    this.#closeOut();
  }

  /** The end learns that the link is gone. */
  close(): void {
    if (this.over) return;
    this.destroy();
    this.sink?.closed();
  }

  /** What this end writes vanishes from now on. */
  silence(): void {
    this.out.dead = true;
    this.#empty(this.out);
  }

  #empty(pipe: Pipe): void {
    pipe.wire.length = 0;
    pipe.wireBytes = 0;
  }

  #closeOut(): void {
    const { out } = this;
    out.pending.length = 0;
    this.#world.cancel(out.taking);
    out.closing = true;
    const { lateMs } = this.link.nature;
    if (lateMs < 0 || out.dead) this.#empty(out);
    if (out.wireBytes > 0) {
      this.#world.cancel(out.delivering);
      out.delivering = this.#world.after(this.#world.random.below(lateMs + 1), () => this.peer.#arrive());
    } else if (!out.dead) {
      this.#world.after(this.#world.random.below(this.link.nature.closeMs), () => this.peer.close());
    }
  }

  // ------------------------------------------------------------------ from the writer to the wire

  #take(): void {
    const { out } = this;
    const { writeMs, capacityBytes } = this.link.nature;
    if (out.taking?.run || out.pending.length === 0) return;
    if (out.wireBytes >= capacityBytes && !out.dead) return;
    out.taking = this.#world.after(writeMs === 0 ? 0 : this.#world.random.below(writeMs), () => {
      const write = out.pending.shift()!;
      checkIntact(write);
      if (!out.dead) {
        out.wire.push(write.copy);
        out.wireBytes += write.copy.length;
        this.peer.#deliver();
      }
      this.#take();
      this.#finishOut();
      this.#report(write);
    });
  }

  /** Tells that a write is done, in the order of the writes; until then its bytes must not change. */
  #report(write: Write): void {
    const { out } = this;
    const { now, random } = this.#world;
    const { reportMs } = this.link.nature;
    out.reportedAt = Math.max(out.reportedAt, now + (reportMs === 0 ? 0 : random.below(reportMs)));
    this.#world.at(out.reportedAt, () => {
      if (this.over) return;
      checkIntact(write);
      out.unreported--;
      this.sink?.written();
    });
  }

  /** After end(): with the last byte gone the peer's end closes too. */
  #finishOut(): void {
    const { out } = this;
    if (!out.ended || out.pending.length > 0 || out.wireBytes > 0 || out.dead) return;
    this.#world.after(this.link.nature.latencyMs, () => this.peer.close());
  }

  // ------------------------------------------------------------------ from the wire to the reader

  #deliver(): void {
    const pipe = this.in;
    if (pipe.delivering?.run || pipe.wireBytes === 0 || this.paused || this.sink === null || this.over)
      return;
    const { latencyMs, jitterMs } = this.link.nature;
    const delay = latencyMs + (jitterMs === 0 ? 0 : this.#world.random.below(jitterMs));
    pipe.delivering = this.#world.after(delay, () => this.#arrive());
  }

  #arrive(): void {
    const pipe = this.in;
    if (this.over || this.sink === null || pipe.wireBytes === 0 || this.paused) return;
    const { framing, chunkBytes } = this.link.nature;
    const { random } = this.#world;
    let chunk: Bytes;
    if (framing === "message") chunk = pipe.wire.shift()!;
    else chunk = takeBytes(pipe.wire, random.between(1, Math.min(pipe.wireBytes, chunkBytes)));
    pipe.wireBytes -= chunk.length;
    const left = pipe.cutAfter < 0 ? Number.POSITIVE_INFINITY : pipe.cutAfter - pipe.carried;
    pipe.carried += chunk.length;
    if (left < chunk.length) {
      const rest = framing === "message" ? 0 : left;
      this.#world.log(this.link.name, () => `reaches the cut after ${pipe.cutAfter} bytes`);
      if (this.link.alive) this.link.cut();
      else this.#world.after(1, () => this.close()); // the other end is gone already
      if (rest > 0) this.sink!.bytes(chunk.slice(0, rest));
      return;
    }
    this.sink!.bytes(chunk);
    if (this.over) return;
    if (pipe.wireBytes > 0) {
      this.#deliver();
      if (pipe.closing && !pipe.delivering?.run) pipe.delivering = this.#world.after(1, () => this.#arrive());
    } else if (pipe.closing) {
      this.#world.after(random.below(this.link.nature.closeMs), () => this.close());
    } else {
      this.peer.#finishOut();
    }
    this.peer.#take();
  }
}

function checkIntact({ bytes, copy }: Write): void {
  if (!same(bytes, copy)) throw new Broken("a pending write's bytes have changed");
}

function takeBytes(parts: Bytes[], length: number): Bytes {
  const first = parts[0];
  if (first.length === length) return parts.shift()!;
  if (first.length > length) {
    parts[0] = first.subarray(length);
    return first.slice(0, length);
  }
  const taken = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const part = parts[0];
    const size = Math.min(part.length, length - at);
    taken.set(size === part.length ? part : part.subarray(0, size), at);
    at += size;
    if (size === part.length) parts.shift();
    else parts[0] = part.subarray(size);
  }
  return taken;
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
