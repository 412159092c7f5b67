// A machine without a link: bytes go in and come out by hand. What the peer says is written here byte by byte, with
// nothing of src/proto, so that a mistake in an encoder does not cancel out.
import type { ConduitError } from "../../src/errors.js";
import { type Limits, resolveLimits } from "../../src/limits.js";
import type { Bytes, Framing } from "../../src/link/link.js";
import type { ClientHello } from "../../src/link/source.js";
import type { Settings } from "../../src/proto/control.js";
import { Machine, type MachineEvent, type Profile } from "../../src/proto/machine.js";
import { Core } from "../../src/wasm/core.js";

export const core = new Core();

/** A key of 16 equal bytes. */
export const key = (byte: number): Bytes => new Uint8Array(16).fill(byte);

export function bytesOf(...parts: (number | readonly number[] | Uint8Array | string)[]): Bytes {
  return Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number"
        ? [part]
        : typeof part === "string"
          ? [...new TextEncoder().encode(part)]
          : [...part],
    ),
  );
}

export function u32(value: number): Bytes {
  return bytesOf(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

export function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 128) | 0x80, ...varint(Math.floor(value / 128))];
}

/** A payload behind its length, as a stream carries it. */
export function framed(payload: Uint8Array): Bytes {
  return bytesOf(u32(payload.length), payload);
}

export interface HelloFields {
  flags?: number;
  resumeKey?: Uint8Array;
  lastReceived?: number;
}

/** 25 bytes; without `flags` those that fit the fields. */
export function hello(magic: "VOCH" | "VOSH", fields: HelloFields = {}, extended = false): Bytes {
  const { resumeKey, lastReceived } = fields;
  const hasKey = magic === "VOCH" && resumeKey ? 0x01 : 0;
  const flags = fields.flags ?? hasKey | (lastReceived === undefined ? 0 : 0x02) | (extended ? 0x80 : 0);
  return bytesOf(magic, flags, resumeKey ?? key(0), u32(lastReceived ?? 0));
}

/** A frame without its link length. */
export function frame(seq: number, item: Uint8Array | string, ack?: number): Bytes {
  const bytes = bytesOf(item);
  return bytesOf(varint(seq), ack === undefined ? 0 : [1, ...varint(ack)], u32(bytes.length), bytes);
}

/** A control record with its header. */
export function control(type: number, ...fields: Parameters<typeof bytesOf>): Bytes {
  const body = bytesOf(type, ...fields);
  return bytesOf(u32((0x8000_0000 | body.length) >>> 0), body);
}

export const SETTINGS = 0x01;
export const ACK = 0x02;
export const PING = 0x03;
export const PONG = 0x04;
export const FIN = 0x05;
export const ABORT = 0x06;
export const GOAWAY = 0x07;
export const VOLATILE = 0x40;

/** SETTINGS with whole numbers by id. */
export function settings(values: Record<number, number> = { 1: 1024, 2: 65_536 }): Bytes {
  const fields = Object.entries(values).flatMap(([id, value]) => {
    const bytes = varint(value);
    return [...varint(Number(id)), bytes.length, ...bytes];
  });
  return control(SETTINGS, fields);
}

export interface WireRecord {
  control: boolean;
  body: Bytes;
}

/** Splits what a stream carries after the hellos, in either profile. */
export function recordsOf(bytes: Uint8Array): WireRecord[] {
  const records: WireRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    const header = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
    const length = header & 0x7fff_ffff;
    records.push({ control: header >>> 31 === 1, body: bytes.slice(at + 4, at + 4 + length) as Bytes });
    at += 4 + length;
  }
  return records;
}

/** Bodies of the control records of a type, without the type. */
export function controlsOf(bytes: Uint8Array, type: number): Bytes[] {
  return recordsOf(bytes)
    .filter((record) => record.control && record.body[0] === type)
    .map(({ body }) => body.slice(1));
}

/** Bodies of the frames. */
export function framesOf(bytes: Uint8Array): Bytes[] {
  return recordsOf(bytes)
    .filter((record) => !record.control)
    .map(({ body }) => body);
}

/** A machine with a clock and what came out of it. */
export class Wired {
  readonly machine: Machine;
  readonly events: MachineEvent[] = [];
  now = 1_000;

  constructor(role: "initiator" | "acceptor", profile: Profile, limits: Limits = {}) {
    const resolved = resolveLimits({ ackDelayMs: 10, ...limits });
    this.machine = new Machine(core, { role, profile, limits: resolved, sessionId: "s1" });
  }

  /** Bytes of the current link arrive, in one chunk. */
  bytes(...parts: Uint8Array[]): this {
    this.machine.handleBytes(bytesOf(...parts), this.now);
    return this.poll();
  }

  /** Takes all events. */
  poll(): this {
    for (let event = this.machine.pollEvent(); event; event = this.machine.pollEvent())
      this.events.push(event);
    return this;
  }

  /** What is to be written now; each write is done at once. */
  out(): Bytes {
    const parts: Uint8Array[] = [];
    for (
      let bytes = this.machine.pollTransmit(this.now);
      bytes;
      bytes = this.machine.pollTransmit(this.now)
    ) {
      parts.push(bytes.slice());
      this.machine.handleWritten(this.now);
    }
    this.poll();
    return bytesOf(...parts);
  }

  /** Time passes up to the machine's next deadlines and to the end of the span. */
  wait(ms: number): this {
    const until = this.now + ms;
    for (
      let at = this.machine.pollDeadline(this.now);
      at <= until;
      at = this.machine.pollDeadline(this.now)
    ) {
      this.now = Math.max(at, this.now);
      this.machine.handleTimeout(this.now);
      this.poll();
      if (this.machine.pollDeadline(this.now) <= this.now) break; // an ack that out() will give
    }
    this.now = until;
    return this;
  }

  down(): this {
    this.machine.handleLinkDown(this.now);
    return this.poll();
  }

  /** Initiator: a new link; returns the ClientHello. */
  up(framing: Framing = "stream"): Bytes {
    this.machine.handleLinkUp({ framing }, this.now);
    return this.out();
  }

  /** Acceptor: takes a link over as the host does; base writes the ServerHello. */
  attach(
    said: Partial<ClientHello> = {},
    settings: Settings | null = null,
    framing: Framing = "stream",
  ): this {
    const { machine } = this;
    const extended = machine.profile === "extended";
    const clientHello: ClientHello = { resumeKey: null, lastReceived: null, extended, ...said };
    const serverHello = machine.serverHello(clientHello, key(0x70 + this.#keys++));
    machine.handleAttached(
      { framing, pausable: true, hello: clientHello, settings, offeredKey: serverHello.resumeKey },
      extended ? null : serverHello,
      this.now,
    );
    return this.poll();
  }
  #keys = 0;

  send(...items: string[]): this {
    for (const item of items) this.machine.ring.push(bytesOf(item));
    return this;
  }

  /** Items of the batches so far, as text. */
  get items(): string[] {
    return this.events.flatMap((event) => {
      if (event.type !== "batch") return [];
      const { bytes, spans } = event.batch;
      return Array.from({ length: spans.length / 2 }, (_, i) =>
        new TextDecoder().decode(bytes.subarray(spans[2 * i], spans[2 * i] + spans[2 * i + 1])),
      );
    });
  }

  /** The application is done with everything that came. */
  hand(): this {
    for (const event of this.events) {
      if (event.type !== "batch" || this.#handed.has(event)) continue;
      this.#handed.add(event);
      this.machine.handed(event.batch.spans.length / 2, event.batch.recordBytes, this.now);
    }
    return this.poll();
  }
  readonly #handed = new Set<MachineEvent>();

  has(type: MachineEvent["type"]): boolean {
    return this.events.some((event) => event.type === type);
  }

  /** Why the link was given up; undefined = it was not. */
  get dropped(): ConduitError | undefined {
    for (const event of this.events) if (event.type === "drop") return event.error;
    return undefined;
  }

  /** How the session ended: undefined = it lives, null = cleanly. */
  get ended(): ConduitError | null | undefined {
    for (const event of this.events) if (event.type === "finished") return event.error;
    return undefined;
  }
}

/** An initiator that is open in the base profile. */
export function baseInitiator(limits: Limits = {}): Wired {
  const wired = new Wired("initiator", "base", limits);
  wired.up();
  return wired.bytes(framed(hello("VOSH", { resumeKey: key(0x11) })));
}

/** An acceptor that is open in the base profile, its ServerHello written. */
export function baseAcceptor(limits: Limits = {}): Wired {
  const wired = new Wired("acceptor", "base", limits).attach();
  wired.out();
  return wired;
}

/** An initiator that is open in the extended profile, its SETTINGS written. */
export function extendedInitiator(limits: Limits = {}, theirs?: Parameters<typeof settings>[0]): Wired {
  const wired = new Wired("initiator", "extended", limits);
  wired.up();
  wired.bytes(framed(hello("VOSH", { resumeKey: key(0x11) }, true)), settings(theirs));
  wired.out();
  return wired;
}

/** An acceptor that is open in the extended profile, its SETTINGS written. */
export function extendedAcceptor(limits: Limits = {}): Wired {
  const wired = new Wired("acceptor", "extended", limits).attach(
    {},
    { maxFrameBytes: 1024, receiveWindow: 65_536 },
  );
  wired.out();
  return wired;
}
