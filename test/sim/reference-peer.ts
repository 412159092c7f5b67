// A base-profile peer with the habits of the Rust reference: it enters a frame into its replay buffer only after the
// write, so frames go missing at a reconnect; several senders at once permute them; its sender can sleep through a
// reconnect; acks ride on frames only; it drops what is not newer than the last seq, and looks at no key. Written from the rules, with nothing of src.
import type { Bytes } from "../../src/link/link.js";
import { itemOf } from "./application.js";
import { type LinkEnd, type SimLink, same } from "./sim-link.js";
import { Broken, type World } from "./world.js";

export interface Habits {
  sizes: number[];
  salt: number;
  /** Pause between two sends, at most. */
  pauseMs: number;
  /** From the seq to the write, at most: this permutes frames. */
  shuffleMs: number;
  /** From the write to the replay buffer, at most: this loses frames for one link. */
  enterMs: number;
  /** What the other side sends. */
  expected: { sizes: number[]; salt: number };
}

const HELLO_BYTES = 25;

export class ReferencePeer {
  received = 0;
  sent = 0;
  /** Frames that were not in the buffer when a new link took its snapshot, and frames written out of order. */
  missed = 0;
  permuted = 0;
  rejected = false;
  /** How often the sender slept until another link came. */
  slept = 0;
  #asleep = false;
  /** The newest link whose handshake was completed. */
  greeted: SimLink | null = null;
  readonly #world: World;
  readonly #role: "initiator" | "acceptor";
  readonly #habits: Habits;
  readonly #buffer = new Map<number, Bytes>();
  #entering = 0;
  /** Sends that wait for a link. */
  readonly #waiting: [seq: number, frame: Bytes][] = [];
  #lastWritten = -1;
  #key: Bytes | null = null;
  #link: LinkEnd | null = null;
  #greeted = false;
  #bytes: number[] = [];
  #onDown: () => void = () => {};

  constructor(world: World, role: "initiator" | "acceptor", habits: Habits) {
    this.#world = world;
    this.#role = role;
    this.#habits = habits;
    world.after(0, () => this.#send());
  }

  useLink(end: LinkEnd, onDown: () => void): void {
    this.#link?.destroy();
    this.#link = end;
    this.#onDown = onDown;
    this.#greeted = false;
    this.#bytes = [];
    end.start({
      bytes: (chunk) => {
        if (this.#link === end) this.#read(chunk);
      },
      written: () => {},
      closed: () => {
        if (this.#link !== end) return;
        this.#link = null;
        this.#onDown();
      },
    });
    if (this.#role === "initiator") this.#write(this.#hello("VOCH", this.#key));
  }

  // ------------------------------------------------------------------ sending

  #send(): void {
    const { sizes, salt, pauseMs, shuffleMs } = this.#habits;
    if (this.sent === sizes.length) return;
    const { random } = this.#world;
    const seq = this.sent++;
    const frame = frameOf(seq, this.received - 1, itemOf(salt, seq, sizes[seq]));
    this.#world.after(random.below(shuffleMs + 1), () => {
      if (this.#link && this.#greeted && !this.#asleep) this.#writeNew(seq, frame);
      else this.#waiting.push([seq, frame]);
    });
    this.#world.after(random.below(pauseMs + 1), () => this.#send());
  }

  /** Written first, entered into the buffer later: a link that comes in between does not replay it. */
  #writeNew(seq: number, frame: Bytes): void {
    this.#write(frame);
    if (seq < this.#lastWritten) this.permuted++;
    this.#lastWritten = Math.max(seq, this.#lastWritten);
    this.#entering++;
    this.#world.after(this.#world.random.below(this.#habits.enterMs + 1), () => {
      this.#buffer.set(seq, frame);
      this.#entering--;
    });
  }

  #write(payload: Bytes): void {
    const framed = new Uint8Array(4 + payload.length);
    new DataView(framed.buffer).setUint32(0, payload.length, true);
    framed.set(payload, 4);
    this.#link?.write(framed);
  }

  #hello(magic: string, key: Bytes | null): Bytes {
    const hello = new Uint8Array(HELLO_BYTES);
    for (let i = 0; i < 4; i++) hello[i] = magic.charCodeAt(i);
    hello[4] = (this.#role === "initiator" && key ? 1 : 0) | (this.received > 0 ? 2 : 0);
    if (key) hello.set(key, 5);
    if (this.received > 0) new DataView(hello.buffer).setUint32(21, this.received - 1, true);
    return hello;
  }

  // ------------------------------------------------------------------ receiving

  #read(chunk: Bytes): void {
    this.#bytes.push(...chunk);
    while (this.#bytes.length >= 4) {
      const length = u32(this.#bytes, 0);
      if (this.#bytes.length < 4 + length) return;
      const payload = Uint8Array.from(this.#bytes.splice(0, 4 + length).slice(4));
      if (this.#greeted) this.#readFrame(payload);
      else this.#readHello(payload);
      if (!this.#link) return;
    }
  }

  #readHello(hello: Bytes): void {
    if (hello.length !== HELLO_BYTES) throw new Broken("the first payload is not a hello");
    const flags = hello[4];
    if (this.#role === "acceptor") this.#write(this.#hello("VOSH", this.#world.random.bytes(16)));
    else if (flags & 1) {
      this.rejected = true;
      this.#link?.destroy();
      this.#link = null;
      return;
    } else this.#key = hello.slice(5, 21);
    const again = this.greeted !== null;
    this.#greeted = true;
    this.greeted = this.#link!.link;
    this.missed += this.#entering;
    const from = flags & 2 ? u32([...hello], 21) + 1 : 0;
    for (const seq of [...this.#buffer.keys()].sort((a, b) => a - b)) {
      if (seq >= from) this.#write(this.#buffer.get(seq)!);
    }
    this.#asleep = again && !this.#asleep && this.#waiting.length > 0 && this.#world.random.oneIn(2);
    if (this.#asleep) this.slept++;
    else for (const [seq, frame] of this.#waiting.splice(0)) this.#writeNew(seq, frame);
  }

  #readFrame(frame: Bytes): void {
    const { seq, ack, item } = parse(frame);
    if (ack !== null) for (const sent of this.#buffer.keys()) if (sent <= ack) this.#buffer.delete(sent);
    if (seq < this.received) return;
    if (seq > this.received) throw new Broken(`seq ${seq} where ${this.received} is due`);
    const { sizes, salt } = this.#habits.expected;
    if (!same(item, itemOf(salt, seq, sizes[seq]))) throw new Broken(`item ${seq} is damaged`);
    this.received++;
  }
}

function u32(bytes: ArrayLike<number>, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(Math.floor(value / 128))];
}

export function frameOf(seq: number, ack: number, item: Uint8Array): Bytes {
  const { length } = item;
  const size = [length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff, length >>> 24];
  return Uint8Array.from([...varint(seq), ...(ack < 0 ? [0] : [1, ...varint(ack)]), ...size, ...item]);
}

function parse(frame: Bytes): { seq: number; ack: number | null; item: Bytes } {
  let at = 0;
  const read = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = frame[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const seq = read();
  const ack = frame[at++] === 1 ? read() : null;
  const length = u32(frame, at);
  if (frame.length !== at + 4 + length) throw new Broken(`frame ${seq} does not fill its payload`);
  return { seq, ack, item: frame.slice(at + 4) };
}
