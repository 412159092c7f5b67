// What a schema is for: values to bytes and back. Functions are compiled when they are first used, by the generator or,
// where a Content-Security-Policy forbids that, by the interpreter; both behave alike, errors included.
import { ConduitError, optionsError } from "../errors.js";
import type { Bound, Compiler, CompilerOptions, Encode, Read, ReadMode } from "./compiler.js";
import { Failure } from "./failure.js";
import { fingerprint } from "./fingerprint.js";
import { canGenerate, generator } from "./generate.js";
import { interpreter } from "./interpret.js";
import { lazyView } from "./lazy.js";
import { rootStep, type SchemaNode, type StructNode } from "./node.js";
import type { MessagePlan } from "./plan.js";
import type { Schema } from "./schema.js";
import { NO_ROOM, out } from "./wire.js";

export interface CodecOptions {
  /** How deep values of recursive types may be nested, both ways. Default 256. */
  maxDepth?: number;
  /** How many elements without bytes (of a list of unit, say) a message may have: no length bounds them. Default 65,536. */
  maxEmptyElements?: number;
  /** Whether code may be generated. Default: where the page's policy allows it. */
  generate?: boolean;
  /**
   * Copies byte strings of 256 bytes or more to where they belong, for targets that an ordinary copy is slow for:
   * memory that is shared, at another alignment. Default Uint8Array.prototype.set.
   */
  copy?: (target: Uint8Array, at: number, bytes: Uint8Array) => void;
}

/** Decodes values of one type, from messages of one version of it. Made by decoderOf(), and part of every codec. */
export interface Decoder<T> {
  /**
   * The value that the bytes from `start` to `end` are, nothing of which is a view of them; strings of 13 to 64
   * characters may share a text, so that one which is kept holds on to up to 256 bytes. Throws CONDUIT_DECODE with
   * path and offset, also when bytes are left over.
   */
  decode(bytes: Uint8Array, start?: number, end?: number): T;
  /**
   * The same in less time: byte strings are views of `bytes`, good for as long as those are, and strings may share the
   * message's text, so that one which is kept holds on to up to 1 KiB. For values that are used and let go.
   */
  decodeBorrowed(bytes: Uint8Array, start?: number, end?: number): T;
  /**
   * A struct whose fields are decoded when they are read. All lengths and tags are checked at once, as in decode();
   * that strings are UTF-8 only when they are read. It has T's properties, but as getters: neither enumerable nor
   * writable. Holds `bytes`, which must not change. What is not a struct is decoded at once.
   */
  decodeLazy(bytes: Uint8Array, start?: number, end?: number): T;
}

/** Encodes and decodes values of one type; immutable, for any number of conduits. Made by codecOf(). */
export interface Codec<T> extends Decoder<T> {
  readonly schema: Schema<T>;
  /** fingerprint(schema) */
  readonly fingerprint: string;
  /**
   * At least as many bytes as the value takes: what to reserve. Quick, because it looks only at parts that vary; strings
   * count 3 bytes a character. Above `limit`, by default 1 GiB, it stops counting and returns some number above it: a
   * value whose parts occur twice within one another may be 2^maxDepth times as large as it looks.
   * Throws CONDUIT_ENCODE for what has no size, but does not check the value.
   */
  maxSize(value: T, limit?: number): number;
  /**
   * Writes the value to `target` from `offset` on and returns the offset behind it; or -1, when there is no room for it
   * before `end` (there always is, when that is maxSize() away). Never writes outside; what is inside is undefined after
   * -1 or a throw. Byte strings are copied once, to where they belong. Throws CONDUIT_ENCODE with the path to what is
   * not of the type.
   */
  encodeInto(target: Uint8Array, offset: number, end: number, value: T): number;
  /**
   * The value's bytes, the caller's own; at most `limit`, by default 256 MiB. Throws CONDUIT_ENCODE, and
   * CONDUIT_FRAME_TOO_LARGE for more bytes than that, which is found out by writing so many: values from elsewhere, whose parts may
   * occur again and again, should have a limit of your own, as they have in a conduit.
   */
  encode(value: T, limit?: number): Uint8Array<ArrayBuffer>;
}

const codecs = new WeakMap<object, Codec<unknown>>();
const planned = new WeakMap<object, Decoder<unknown>>();

/** The codec of a schema; the same one each time when there are no options. */
export function codecOf<T>(schema: Schema<T>, options?: CodecOptions): Codec<T> {
  if (options !== undefined) return new SchemaCodec(schema, options);
  let codec = codecs.get(schema) as Codec<T> | undefined;
  if (codec === undefined) {
    codec = new SchemaCodec(schema, {});
    codecs.set(schema, codec as Codec<unknown>);
  }
  return codec;
}

/** What reads the messages that `plan` is for; the same one each time when there are no options. */
export function decoderOf<T>(plan: MessagePlan<T>, options?: CodecOptions): Decoder<T> {
  if (plan.identity) return codecOf(plan.reader, options);
  if (options !== undefined) return decoders(plan.reading, compilers(options));
  let decoder = planned.get(plan) as Decoder<T> | undefined;
  if (decoder === undefined) {
    decoder = decoders<T>(plan.reading, compilers({}));
    planned.set(plan, decoder as Decoder<unknown>);
  }
  return decoder;
}

/** A part of `bytes`, by default all of it, as a value. */
export type Decode = (bytes: Uint8Array, start?: number, end?: number) => unknown;

interface Compilers {
  /** What values and messages go through. */
  readonly fast: Compiler;
  /** What explains, when that fails. */
  readonly careful: Compiler;
}

function compilers(options: CodecOptions): Compilers {
  const { maxDepth = 256, maxEmptyElements = 65_536, copy, generate = canGenerate() } = options;
  if (generate && !canGenerate()) throw optionsError("this page's policy forbids generated code");
  const careful = interpreter({ maxDepth, maxEmptyElements, copy: undefined });
  const settings: CompilerOptions = { maxDepth, maxEmptyElements, copy };
  return { fast: generate ? generator(settings) : interpreter(settings), careful };
}

class SchemaCodec<T> implements Codec<T> {
  readonly schema: Schema<T>;
  readonly maxSize: (value: T, limit?: number) => number;
  readonly encodeInto: (target: Uint8Array, offset: number, end: number, value: T) => number;
  readonly decode: (bytes: Uint8Array, start?: number, end?: number) => T;
  readonly decodeBorrowed: (bytes: Uint8Array, start?: number, end?: number) => T;
  readonly decodeLazy: (bytes: Uint8Array, start?: number, end?: number) => T;
  readonly #both: Compilers;
  #fingerprint: string | undefined;

  constructor(schema: Schema<T>, options: CodecOptions) {
    this.schema = schema;
    const { node } = schema;
    const both = compilers(options);
    this.#both = both;
    this.maxSize = bounder(node, both);
    this.encodeInto = encoder(node, both);
    const { decode, decodeBorrowed, decodeLazy } = decoders<T>(node, both);
    this.decode = decode;
    this.decodeBorrowed = decodeBorrowed;
    this.decodeLazy = decodeLazy;
  }

  get fingerprint(): string {
    this.#fingerprint ??= fingerprint(this.schema);
    return this.#fingerprint;
  }

  encode(value: T, limit = MESSAGE_BYTES_MAX): Uint8Array<ArrayBuffer> {
    // Taken away meanwhile: a getter of the value may encode, too.
    let target = scratch;
    scratch = NO_BYTES;
    let end = this.encodeInto(target, 0, target.length, value);
    if (end === NO_ROOM) {
      const most = BOUND_SLACK * limit;
      const bytes = this.maxSize(value, most);
      if (bytes > most) return this.#encodeExactly(value, limit);
      target = roomFor(Math.max(SCRATCH_BYTES, bytes), this.schema.node);
      end = this.encodeInto(target, 0, target.length, value);
      // Only a value that grew while it was read.
      if (end === NO_ROOM)
        throw new Failure("the value changed while it was read").toError(rootStep(this.schema.node));
    }
    if (target.length <= SCRATCH_BYTES_MAX) scratch = target;
    if (end > limit) throw tooLarge(this.schema.node, limit);
    return target.slice(0, end);
  }

  /** What may be larger than `limit`, or be many times smaller than it can be at most: slower, and exact about room. */
  #encodeExactly(value: T, limit: number): Uint8Array<ArrayBuffer> {
    const { node } = this.schema;
    const target = roomFor(limit, node);
    let end: number;
    try {
      end = this.#both.careful.encoder(node, null)(target, 0, limit, value);
    } catch (error) {
      throw error instanceof Failure ? error.toError(rootStep(node)) : error;
    }
    if (end === NO_ROOM) throw tooLarge(node, limit);
    return target.slice(0, end);
  }
}

/** What one message may have unless its sender says otherwise. */
const MESSAGE_BYTES_MAX = 2 ** 28;
/** A value may be so much smaller than it can be at most, and still be encoded at full speed. */
const BOUND_SLACK = 4;
/** So much of a value that is wrong somewhere is encoded again to say where. */
const EXPLAINED_BYTES_MAX = 2 ** 24;

const SCRATCH_BYTES = 1024;
const SCRATCH_BYTES_MAX = 65_536;
const NO_BYTES = new Uint8Array(0);
/** Where encode() writes before it knows the size. */
let scratch = NO_BYTES;

function roomFor(bytes: number, node: SchemaNode): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new Failure(`there is no memory for ${bytes} bytes`, null, cause).toError(rootStep(node));
  }
}

function tooLarge(node: SchemaNode, limit: number): ConduitError {
  const what = `${rootStep(node)}: the value takes more than ${limit} bytes`;
  return new ConduitError("CONDUIT_FRAME_TOO_LARGE", "local", what, { fatal: false });
}

function bounder(node: SchemaNode, both: Compilers): (value: unknown, limit?: number) => number {
  let bound: Bound | undefined;
  return (value, limit = BOUND_SLACK * MESSAGE_BYTES_MAX) => {
    bound ??= both.fast.bounder(node, null);
    let bytes = Number.NaN;
    let cause: unknown;
    try {
      bytes = bound(value, limit);
    } catch (error) {
      cause = error;
    }
    // What has no length is not of the type.
    if (!(bytes >= 0)) throw encodeError(node, both, value, cause);
    return bytes;
  };
}

function encoder(node: SchemaNode, both: Compilers): Encode {
  let encode: Encode | undefined;
  return (target, offset, end, value) => {
    encode ??= both.fast.encoder(node, null);
    if (!(offset >= 0 && offset <= end && end <= target.length)) {
      throw optionsError(`no part of ${target.length} bytes: ${offset} to ${end}`);
    }
    let at = -2;
    let cause: unknown;
    try {
      at = encode(target, offset, end, value);
    } catch (error) {
      cause = error;
    }
    if (at < NO_ROOM) throw encodeError(node, both, value, cause);
    return at;
  };
}

/** Encodes once more, with a record of the path. */
function encodeError(node: SchemaNode, { careful }: Compilers, value: unknown, cause: unknown): ConduitError {
  const root = rootStep(node);
  const encode = careful.encoder(node, null);
  try {
    for (let room = SCRATCH_BYTES; encode(new Uint8Array(room), 0, room, value) === NO_ROOM; room *= 4) {
      if (room >= EXPLAINED_BYTES_MAX)
        return new Failure("a part that is not of the type", null, cause).toError(root);
    }
  } catch (error) {
    if (error instanceof Failure) return error.toError(root);
    cause = error;
  }
  return new Failure("the value cannot be read twice", null, cause).toError(root);
}

/** `node`: a schema's, or one with what a message plan adds to it (reading.ts). */
function decoders<T>(node: SchemaNode, both: Compilers): Decoder<T> {
  const decode = decoder(node, "owned", both);
  return {
    decode,
    decodeBorrowed: decoder(node, "borrowed", both),
    decodeLazy: node.kind === "struct" ? lazyDecoder(node, both) : decode,
  } as Decoder<T>;
}

function decoder(node: SchemaNode, mode: ReadMode, both: Compilers): Decode {
  let read: Read | undefined;
  return (bytes, start = 0, end = bytes.length) => {
    read ??= both.fast.reader(node, null, mode);
    checkPart(bytes, start, end);
    let value: unknown;
    try {
      value = read(bytes, start, end);
    } catch {
      throw decodeError(node, mode, both, bytes, start, end);
    }
    if (out.at !== end) throw decodeError(node, mode, both, bytes, start, end);
    return value;
  };
}

/** Decodes once more, with a record of the path and every step checked. */
function decodeError(
  node: SchemaNode,
  mode: ReadMode,
  { careful }: Compilers,
  bytes: Uint8Array,
  start: number,
  end: number,
): ConduitError {
  const root = rootStep(node);
  try {
    careful.reader(node, null, mode)(bytes, start, end);
  } catch (error) {
    if (error instanceof Failure) return error.toError(root);
    throw error;
  }
  return new Failure(`${end - out.at} bytes left over`, out.at - start).toError(root);
}

function checkPart(bytes: Uint8Array, start: number, end: number): void {
  if (!(start >= 0 && start <= end && end <= bytes.length)) {
    throw optionsError(`no part of ${bytes.length} bytes: ${start} to ${end}`);
  }
}

function lazyDecoder(node: StructNode, both: Compilers): Decode {
  let View: ReturnType<typeof lazyView> | undefined;
  return (bytes, start = 0, end = bytes.length) => {
    View ??= lazyView(node, both.fast, (...part) => decodeError(node, "owned", both, ...part));
    checkPart(bytes, start, end);
    let view: object;
    try {
      view = new View(bytes, start, end);
    } catch {
      throw decodeError(node, "skip", both, bytes, start, end);
    }
    if (out.at !== end) throw decodeError(node, "skip", both, bytes, start, end);
    return view;
  };
}
