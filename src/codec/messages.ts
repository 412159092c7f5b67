// What a conduit asks of a schema: encoders and decoders that are made once, and plans for what a peer writes.
import { type Codec, codecOf, type Decoder, decoderOf } from "./codec.js";
import { fingerprint } from "./fingerprint.js";
import { schemaError } from "./node.js";
import { buildPlan } from "./plan.js";
import type { Schema } from "./schema.js";
import { writerFromJSON } from "./schema-json.js";

type DecodeMode = "owned" | "borrowed" | "lazy";
type CopyInto = (target: Uint8Array, at: number, bytes: Uint8Array) => void;

/** A schema as conduits use it; `Schema.messages`. The interface of session/messages.ts. */
export class Messages<T> {
  readonly #schema: Schema<T>;
  #fingerprint: string | undefined;
  #copy: CopyInto | undefined;
  #encoder: Codec<T> | undefined;

  constructor(schema: Schema<T>) {
    this.#schema = schema;
  }

  get fingerprint(): string {
    this.#fingerprint ??= fingerprint(this.#schema);
    return this.#fingerprint;
  }

  get text(): string {
    return JSON.stringify(this.#schema);
  }

  /** One thread has one memory, so there is one `copy` and one encoder. */
  encoder(copy: CopyInto): Codec<T> {
    if (this.#encoder === undefined || this.#copy !== copy) {
      this.#copy = copy;
      this.#encoder = codecOf(this.#schema, { copy });
    }
    return this.#encoder;
  }

  decoder(mode: DecodeMode): Decoder<T>["decode"] {
    return pick(codecOf(this.#schema), mode);
  }

  decoderOf(writer: string, mode: DecodeMode): Decoder<T>["decode"] {
    let json: unknown;
    try {
      json = JSON.parse(writer);
    } catch {
      throw schemaError("", "the peer's schema is no JSON", "peer");
    }
    return pick(decoderOf(buildPlan(writerFromJSON(json), this.#schema, "peer")), mode);
  }
}

function pick<T>({ decode, decodeBorrowed, decodeLazy }: Decoder<T>, mode: DecodeMode): Decoder<T>["decode"] {
  return mode === "borrowed" ? decodeBorrowed : mode === "lazy" ? decodeLazy : decode;
}
