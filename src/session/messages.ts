// What a conduit needs of a schema. Those of "stable-conduit/schema" have it; a page that sends plain bytes loads none.
import type { SchemaNames } from "../proto/machine.js";
import type { Core } from "../wasm/core.js";
import type { Decode } from "./batch.js";

/** How byte strings come out of an item. */
export type DecodeMode =
  /** Copied. */
  | "owned"
  /** As views of the receive chunk, which they keep alive. */
  | "borrowed"
  /** Structs whose fields are decoded when they are read; they keep the chunk alive. */
  | "lazy";

/** A message type: what `schema.messages` is. */
export interface MessageType<T> {
  /** Equal for equal schemas; what SETTINGS say [ext.schema]. */
  readonly fingerprint: string;
  /** The schema as JSON, for a peer with another version. */
  readonly text: string;
  /** `copy` brings longer byte strings into memory that is slow to copy to. The same encoder for the same `copy`. */
  encoder(copy: CopyInto): Encoder<T>;
  decoder(mode: DecodeMode): DecodeItem<T>;
  /** Decodes what a peer writes whose schema is `writer`, as text. @throws ConduitError CONDUIT_SCHEMA, blame peer */
  decoderOf(writer: string, mode: DecodeMode): DecodeItem<T>;
}

export type CopyInto = (target: Uint8Array, at: number, bytes: Uint8Array) => void;
/** The item that lies in `bytes` from `start` to `end`. @throws ConduitError CONDUIT_DECODE */
export type DecodeItem<T> = (bytes: Uint8Array, start: number, end: number) => T;

/** See Codec in stable-conduit/schema. */
export interface Encoder<T> {
  maxSize(value: T, limit: number): number;
  encodeInto(target: Uint8Array, offset: number, end: number, value: T): number;
  encode(value: T, limit: number): Uint8Array;
}

/** A schema of "stable-conduit/schema". */
export interface MessageSchema<T> {
  readonly messages: MessageType<T>;
}

/** Translates received items: what buildPlan() of "stable-conduit/schema" makes of two schemas. */
export interface MessagePlan<T = unknown> {
  /** The item that lies in `bytes` from `start` to `end`. */
  decode(bytes: Uint8Array, start: number, end: number): T;
  /** The same with byte strings that are views of `bytes`; for `decode: "borrowed"`. Default decode(). */
  decodeBorrowed?(bytes: Uint8Array, start: number, end: number): T;
  /** The same with fields that are decoded when they are read; for `decode: "lazy"`. Default decode(). */
  decodeLazy?(bytes: Uint8Array, start: number, end: number): T;
}

/** The types of the two directions; a direction without one carries bytes. */
export interface Schemas<S, R> {
  send?: MessageSchema<S>;
  recv?: MessageSchema<R>;
  /** How received items are decoded. Default "owned". */
  decode?: DecodeMode;
}

/** What the protocol tells the peer of them. */
export function namesOf<S, R>({ send, recv }: Schemas<S, R>): SchemaNames {
  return { reads: recv?.messages.fingerprint ?? null, writes: send?.messages ?? null };
}

const copies = new WeakMap<Core, CopyInto>();

/** Copies into the core's memory fast, and elsewhere as usual. One function per core, so that encoders are shared. */
export function copyInto(core: Core): CopyInto {
  let copy = copies.get(core);
  if (!copy) {
    copy = (target, at, bytes) => {
      if (target === core.memory.u8) core.copyIn(bytes, at);
      else target.set(bytes, at);
    };
    copies.set(core, copy);
  }
  return copy;
}

export function decodeByPlan<T>(plan: MessagePlan<T>, mode: DecodeMode = "owned"): DecodeItem<T> {
  if (mode === "borrowed" && plan.decodeBorrowed) return plan.decodeBorrowed.bind(plan);
  if (mode === "lazy" && plan.decodeLazy) return plan.decodeLazy.bind(plan);
  return plan.decode.bind(plan);
}

export function decodeWith<S, R>({ recv, decode = "owned" }: Schemas<S, R>): Decode<R> {
  return recv ? recv.messages.decoder(decode) : null;
}
