// The item that both ends exchange, as rust-peer/src/bin/peer.rs declares it. Postcard by hand, so that these tests
// stand on nothing that they test; typed.test.ts has its schema.
import { isDeepStrictEqual } from "node:util";

export interface Item {
  sender: number;
  number: number;
  body: Uint8Array;
  note?: Note;
}

export interface Note {
  text: string;
  at: [number, number];
  tags: string[];
  kind: { type: "Plain" } | { type: "Urgent"; level: number };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The item that every sender of these tests sends as its `number`th. */
export function itemOf(sender: number, number: number, size: number, withNote = false): Item {
  return { sender, number, body: bodyOf(number, size), note: withNote ? noteOf(number) : undefined };
}

function noteOf(number: number): Note {
  return {
    text: `note \u2116 ${number}`,
    at: [-number | 0, number / 4],
    tags: Array.from({ length: number % 4 }, (_, i) => `tag-${i}`),
    kind: number % 2 === 0 ? { type: "Plain" } : { type: "Urgent", level: number & 0xff },
  };
}

// A body of any number is a piece of this one: byte i of it is number + i, modulo 256.
const LARGEST = 8 << 20;
let ramp = Uint8Array.from({ length: 4_096 }, (_, i) => i);

function bodyOf(number: number, size: number): Uint8Array {
  const start = number & 0xff;
  if (start + size > ramp.length) ramp = Uint8Array.from({ length: LARGEST + 256 }, (_, i) => i);
  return ramp.subarray(start, start + size);
}

export function encodeItem({ sender, number, body, note }: Item): Uint8Array {
  const out = new Writer(body.length + (note ? 128 : 24));
  out.varint(sender);
  out.varint(number);
  out.bytes(body);
  if (note) {
    out.byte(1);
    out.bytes(encoder.encode(note.text));
    out.varint(note.at[0] < 0 ? -note.at[0] * 2 - 1 : note.at[0] * 2); // zigzag
    out.f64(note.at[1]);
    out.varint(note.tags.length);
    for (const tag of note.tags) out.bytes(encoder.encode(tag));
    out.byte(note.kind.type === "Plain" ? 0 : 1);
    if (note.kind.type === "Urgent") out.byte(note.kind.level);
  } else {
    out.byte(0);
  }
  return out.done();
}

/** @throws Error for bytes that are no item */
export function decodeItem(bytes: Uint8Array): Item {
  const input = new Reader(bytes);
  const item: Item = { sender: input.varint(), number: input.varint(), body: input.bytes() };
  if (input.byte() === 1) {
    const text = decoder.decode(input.bytes());
    const zigzag = input.varint();
    const at: [number, number] = [zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2, input.f64()];
    const tags = Array.from({ length: input.varint() }, () => decoder.decode(input.bytes()));
    const kind: Note["kind"] =
      input.byte() === 0 ? { type: "Plain" } : { type: "Urgent", level: input.byte() };
    item.note = { text, at, tags, kind };
  }
  input.end();
  return item;
}

/** Counts what arrives, as the Rust peer does, and checks each item. */
export class Tally {
  received = 0;
  lost = 0;
  repeated = 0;
  corrupt = 0;
  readonly #next = new Map<number, number>();

  count(item: Item): void {
    const next = this.#next.get(item.sender) ?? 0;
    this.received++;
    if (item.number < next) {
      this.repeated++;
    } else {
      this.lost += item.number - next;
      this.#next.set(item.sender, item.number + 1);
    }
    if (!isWhole(item)) this.corrupt++;
  }
}

function isWhole({ number, body, note }: Item): boolean {
  if (Buffer.compare(body, bodyOf(number, body.length)) !== 0) return false;
  return note === undefined || isDeepStrictEqual(note, noteOf(number));
}

class Writer {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(capacity: number) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  byte(value: number): void {
    this.#buffer[this.#at++] = value;
  }

  varint(value: number): void {
    for (; value >= 0x80; value = Math.floor(value / 0x80)) this.byte((value % 0x80) | 0x80);
    this.byte(value);
  }

  f64(value: number): void {
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  done(): Uint8Array {
    return this.#buffer.subarray(0, this.#at);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  byte(): number {
    if (this.#at >= this.#bytes.length) throw new Error("the item is short");
    return this.#bytes[this.#at++];
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  f64(): number {
    const { buffer, byteOffset } = this.#bytes;
    this.#at += 8;
    return new DataView(buffer, byteOffset).getFloat64(this.#at - 8, true);
  }

  bytes(): Uint8Array {
    const length = this.varint();
    if (this.#at + length > this.#bytes.length) throw new Error("the item is short");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new Error("the item is long");
  }
}
