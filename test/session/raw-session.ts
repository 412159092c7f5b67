// A session whose other side is a raw TCP peer: it has done the handshake, and may then break any rule.
import net from "node:net";
import { type Bytes, type ConnectOptions, connect } from "../../src/node.js";
import { type Settings, settingsRecord } from "../../src/proto/control.js";
import { encodeClientHello, encodeServerHello, payloadFor } from "../../src/proto/handshake.js";
import {
  accepted,
  type Conduit,
  later,
  type Profile,
  portOf,
  RawPeer,
  type Service,
  sourceFor,
  track,
  until,
} from "./helpers.js";

export function clientHello(
  profile: Profile,
  resumeKey: Bytes | null = null,
  lastReceived: number | null = null,
): Bytes {
  return payloadFor(
    "stream",
    encodeClientHello({ resumeKey, lastReceived, extended: profile === "extended" }),
  );
}

export function serverHello(profile: Profile, resumeKey: Bytes, lastReceived: number | null = null): Bytes {
  return payloadFor(
    "stream",
    encodeServerHello({ rejected: false, extended: profile === "extended", resumeKey, lastReceived }),
  );
}

export function varint(value: number): Bytes {
  const out: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return Uint8Array.from(out);
}

export function u32(value: number): Bytes {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

export function joined(...parts: Uint8Array[]): Bytes {
  return new Uint8Array(Buffer.concat(parts));
}

/** A frame as a stream carries it, the same in both profiles when there is no ack. */
export function frame(seq: number, item: Uint8Array, ack: number | null = null): Bytes {
  const option = ack === null ? Uint8Array.of(0) : joined(Uint8Array.of(1), varint(ack));
  return payloadFor("stream", joined(varint(seq), option, u32(item.length), item));
}

/** A control record of the extended profile. */
export function control(type: number, ...fields: Uint8Array[]): Bytes {
  const body = joined(Uint8Array.of(type), ...fields);
  return joined(u32(0x8000_0000 + body.length), body);
}

export class RawSession {
  readonly raw: RawPeer;
  readonly conduit: Conduit;
  /** The key that the acceptor offered; the raw peer is the initiator. */
  readonly key: Bytes;

  constructor(raw: RawPeer, conduit: Conduit, key: Bytes) {
    this.raw = raw;
    this.conduit = conduit;
    this.key = key;
  }

  sendItem(seq: number, item: Uint8Array): void {
    this.raw.write(frame(seq, item));
  }
}

const SETTINGS: Settings = { maxFrameBytes: 1 << 20, receiveWindow: 1 << 24 };

/** The raw peer is the initiator of a session with `acceptor`. */
export async function openRaw(
  acceptor: Service,
  profile: Profile = "extended",
  settings: Settings = SETTINGS,
): Promise<RawSession> {
  const raw = await RawPeer.dial(portOf(acceptor));
  const key = await greet(raw, profile, null, null, settings);
  return new RawSession(raw, await accepted(acceptor), key);
}

/** Does an initiator's handshake; returns the key that is offered. */
export async function greet(
  raw: RawPeer,
  profile: Profile,
  resumeKey: Bytes | null,
  lastReceived: number | null = null,
  settings: Settings = SETTINGS,
): Promise<Bytes> {
  raw.write(clientHello(profile, resumeKey, lastReceived));
  const hello = await raw.payload(0);
  if (profile === "extended") {
    raw.write(settingsRecord(settings));
    await raw.payload(1);
  }
  return new Uint8Array(hello.subarray(5, 21));
}

/** A server of raw peers, for a conduit that is the initiator. */
export async function rawServer(): Promise<{
  port: number;
  next: () => Promise<RawPeer>;
  dialled: () => number;
}> {
  const waiting: RawPeer[] = [];
  let dialled = 0;
  const server = net.createServer({ noDelay: true }, (socket) => {
    dialled++;
    waiting.push(new RawPeer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  later(() => server.close());
  return {
    port: (server.address() as net.AddressInfo).port,
    dialled: () => dialled,
    next: async () => {
      await until(() => waiting.length > 0);
      return waiting.shift()!;
    },
  };
}

/** The raw peer is the acceptor: answers the hello, and in the extended profile the settings. */
export async function answer(
  raw: RawPeer,
  profile: Profile,
  lastReceived: number | null = null,
  settings: Settings = { ...SETTINGS, graceMs: 60_000 },
): Promise<void> {
  await raw.payload(0);
  raw.write(serverHello(profile, new Uint8Array(16).fill(9), lastReceived));
  if (profile === "base") return;
  await raw.payload(1);
  raw.write(settingsRecord(settings));
}

/** A conduit whose acceptor is a raw peer. */
export async function openToRaw(profile: Profile = "extended", options: ConnectOptions = {}) {
  const server = await rawServer();
  const opening = connect<Uint8Array, Bytes>(sourceFor(server.port), {
    profile,
    retry: { baseMs: 1, capMs: 10 },
    ...options,
  });
  const raw = await server.next();
  await answer(raw, profile);
  return { raw, server, conduit: track(await opening) };
}
