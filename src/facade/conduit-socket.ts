// The WebSocket interface over a conduit, for either side: messages and the closing handshake are items (items.ts), so both
// arrive once and in order whatever happens to links. What a WebSocket would lose, this one has told or delivered.
import { ConduitError, optionsError } from "../errors.js";
import { LIMITS } from "../limits.js";
import type { Bytes } from "../link/link.js";
import type { Batch } from "../session/batch.js";
import { type Close, checkMs } from "../session/options.js";
import { ignore, watchWait } from "../session/promises.js";
import type { StableConduit } from "../session/stable-conduit.js";
import { CloseEvent, Handlers, nextTask } from "./events.js";
import {
  binaryItem,
  closeItem,
  isSendable,
  MAX_REASON_BYTES,
  type Message,
  messageBytes,
  readItem,
  textItem,
} from "./items.js";
import { Outbox } from "./outbox.js";

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

export interface ConduitSocketOptions {
  /** What `url` says; its messages have the origin of it, if it is absolute. Default "". */
  url?: string;
  /** What `protocol` says. Default "". */
  protocol?: string;
  /**
   * Messages for which the replay ring has no room wait in memory, up to so many bytes; beyond that the WebSocket is full and
   * fails, as the standard has it. Default 67 108 864.
   */
  maxBufferedBytes?: number;
  /** How long close() and the peer's answer may take, links being down included. Milliseconds, default 10 000; Infinity = never mind. */
  closeTimeoutMs?: number;
}

const MAX_BUFFERED_BYTES = 67_108_864;

/**
 * A conduit as a WebSocket: for accepted sessions whose other side is a StableWebSocket, and for any conduit whose two ends
 * both use this. The socket is the conduit's one consumer and its only sender from now on. Events come from the next task on.
 * @throws ConduitError CONDUIT_OPTIONS
 */
export function webSocketOver(conduit: StableConduit, options: ConduitSocketOptions = {}): ConduitSocket {
  return new ConduitSocket(conduit, options);
}

// Node's types have WebSocket and EventTarget, and not the names that the DOM's have for their parts.
type Data = Parameters<WebSocket["send"]>[0];
type Listener = Parameters<EventTarget["addEventListener"]>[1];
type ListenOptions = Parameters<EventTarget["addEventListener"]>[2];
type UnlistenOptions = Parameters<EventTarget["removeEventListener"]>[2];
type EventOf<Handler extends "onopen" | "onmessage" | "onerror" | "onclose"> = Parameters<
  NonNullable<WebSocket[Handler]>
>[0];

interface SocketEvents {
  open: EventOf<"onopen">;
  message: EventOf<"onmessage">;
  error: EventOf<"onerror">;
  close: EventOf<"onclose">;
}

/** The WHATWG interface WebSocket. What differs is said where it does; docs/stable-websocket.md sums it up. */
export class ConduitSocket extends EventTarget implements WebSocket {
  static readonly CONNECTING = CONNECTING;
  static readonly OPEN = OPEN;
  static readonly CLOSING = CLOSING;
  static readonly CLOSED = CLOSED;

  /** What is below: for its status, its statistics, reconnect(), and what was not delivered. Leave sending and receiving alone. */
  readonly conduit: StableConduit;

  readonly #url: string;
  readonly #origin: string;
  #protocol: string;
  readonly #closeTimeoutMs: number;
  readonly #outbox: Outbox;
  readonly #handlers = new Handlers(this);
  #readyState: 0 | 1 | 2 | 3;
  #binaryType: WebSocket["binaryType"] = "blob";
  /** Of messages that were never sent, because the socket was closing: they stay counted. */
  #lostBytes = 0;
  /** What was still buffered when the session ended. */
  #leftBytes = 0;
  #closeSent = false;
  /** The peer's close. */
  #closed: { code: number | null; reason: string } | null = null;
  /** Why this side has failed the connection, and the code that says so. */
  #failure: { code: number; error: ConduitError } | null = null;
  #stopCloseTimer = ignore;

  /**
   * Not for applications: use webSocketOver(), or a StableWebSocket.
   * @param chosen the subprotocol, asked when the first link is open
   */
  constructor(conduit: StableConduit, options: ConduitSocketOptions, chosen?: () => string) {
    super();
    this.conduit = conduit;
    this.#url = options.url ?? "";
    this.#origin = originOf(this.#url);
    this.#protocol = options.protocol ?? "";
    this.#closeTimeoutMs = checkMs("closeTimeoutMs", options.closeTimeoutMs, LIMITS.closeTimeoutMs.default);
    this.#outbox = new Outbox(conduit, maxBufferedBytesOf(options), (error) => this.#failToSend(error));
    const { state } = conduit.status;
    this.#readyState = state === "connecting" ? CONNECTING : OPEN;
    if (this.#readyState === CONNECTING) conduit.opened.then(() => this.#open(chosen), ignore);
    else nextTask().then(() => this.#listen());
    conduit.closed.then((close) => this.#finish(close));
  }

  // ================================================================== the interface

  get CONNECTING(): 0 {
    return CONNECTING;
  }
  get OPEN(): 1 {
    return OPEN;
  }
  get CLOSING(): 2 {
    return CLOSING;
  }
  get CLOSED(): 3 {
    return CLOSED;
  }

  get [Symbol.toStringTag](): string {
    return "WebSocket";
  }

  get url(): string {
    return this.#url;
  }

  /** OPEN as long as the session lives, with or without a link. */
  get readyState(): 0 | 1 | 2 | 3 {
    return this.#readyState;
  }

  get protocol(): string {
    return this.#protocol;
  }

  get extensions(): string {
    return "";
  }

  get binaryType(): WebSocket["binaryType"] {
    return this.#binaryType;
  }
  set binaryType(type: WebSocket["binaryType"]) {
    if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
  }

  /**
   * Bytes of messages that were not yet written to a link; while there is none they add up. Exact when nothing of it was
   * written and at 0, in between up to 15 bytes per message too large.
   */
  get bufferedAmount(): number {
    const unsent = this.#readyState === CLOSED ? this.#leftBytes : this.#outbox.bufferedBytes;
    return unsent + this.#lostBytes;
  }

  /**
   * Sends a message; it is copied, a Blob is read in its turn. A message that the peer's maxFrameBytes does not admit (with one
   * byte for its kind), or for which maxBufferedBytes has no room, fails the connection.
   * @throws DOMException InvalidStateError before `open`.
   */
  send(...args: [data: Data]): void {
    if ((args.length as number) === 0) throw new TypeError("send() needs a message");
    const { message, size } = asMessage(args[0]);
    if (this.#readyState === CONNECTING) {
      throw new DOMException("the WebSocket is not open yet", "InvalidStateError");
    }
    if (this.#readyState !== OPEN) {
      this.#lostBytes += size;
      return;
    }
    try {
      this.#outbox.push(message, size);
    } catch (error) {
      this.#lostBytes += size;
      this.#failToSend(error);
    }
  }

  /**
   * Sends what was sent before, then the close, and waits for the peer's. Here any code that a peer may send is allowed;
   * StableWebSocket allows what the standard does.
   * @throws DOMException InvalidAccessError for a code, SyntaxError for a reason of more than 123 bytes.
   */
  close(code?: number, reason?: string): void {
    const given = code === undefined ? null : clampedShort(code);
    if (given !== null && !isSendable(given)) {
      throw new DOMException(`a close cannot have the code ${given}`, "InvalidAccessError");
    }
    const why = reason === undefined ? "" : `${reason}`;
    if (new TextEncoder().encode(why).length > MAX_REASON_BYTES) {
      throw new DOMException(`the reason has more than ${MAX_REASON_BYTES} bytes`, "SyntaxError");
    }
    if (this.#readyState === CONNECTING) {
      this.#readyState = CLOSING;
      this.conduit.abort("the WebSocket was closed before it was open");
    } else if (this.#readyState === OPEN) {
      // A reason goes with a code.
      this.#beginClose(given ?? (why === "" ? null : 1000), why);
    }
  }

  get onopen(): WebSocket["onopen"] {
    return this.#handlers.get("open") as WebSocket["onopen"];
  }
  set onopen(handler: WebSocket["onopen"]) {
    this.#handlers.set("open", handler);
  }

  get onmessage(): WebSocket["onmessage"] {
    return this.#handlers.get("message") as WebSocket["onmessage"];
  }
  set onmessage(handler: WebSocket["onmessage"]) {
    this.#handlers.set("message", handler);
  }

  get onerror(): WebSocket["onerror"] {
    return this.#handlers.get("error") as WebSocket["onerror"];
  }
  set onerror(handler: WebSocket["onerror"]) {
    this.#handlers.set("error", handler);
  }

  get onclose(): WebSocket["onclose"] {
    return this.#handlers.get("close") as WebSocket["onclose"];
  }
  set onclose(handler: WebSocket["onclose"]) {
    this.#handlers.set("close", handler);
  }

  override addEventListener<K extends keyof SocketEvents>(
    type: K,
    listener: (this: WebSocket, event: SocketEvents[K]) => unknown,
    options?: ListenOptions,
  ): void;
  override addEventListener(type: string, listener: Listener, options?: ListenOptions): void;
  override addEventListener(type: string, listener: unknown, options?: ListenOptions): void {
    super.addEventListener(type, listener as EventListener, options);
  }

  override removeEventListener<K extends keyof SocketEvents>(
    type: K,
    listener: (this: WebSocket, event: SocketEvents[K]) => unknown,
    options?: UnlistenOptions,
  ): void;
  override removeEventListener(type: string, listener: Listener, options?: UnlistenOptions): void;
  override removeEventListener(type: string, listener: unknown, options?: UnlistenOptions): void {
    super.removeEventListener(type, listener as EventListener, options);
  }

  // ================================================================== opening

  async #open(chosen?: () => string): Promise<void> {
    if (chosen) this.#protocol = chosen();
    await nextTask();
    if (this.#readyState !== CONNECTING) return;
    this.#readyState = OPEN;
    this.dispatchEvent(new Event("open"));
    await nextTask();
    this.#listen();
  }

  // ================================================================== receiving

  #listen(): void {
    if (this.#readyState === CLOSED) return;
    try {
      this.conduit.onItems = (batch) => this.#receive(batch);
    } catch (error) {
      this.#fail(1006, error as ConduitError); // there is another consumer
    }
  }

  /** Messages come in tasks of their own; what is not shown yet is not acknowledged. */
  async #receive(batch: Batch<Bytes>): Promise<void> {
    for (const item of batch) {
      if (this.#closed || this.#failure || this.#readyState === CLOSED) return;
      let message: Message;
      try {
        message = readItem(item);
      } catch (error) {
        return this.#fail(1002, error as ConduitError);
      }
      if (message.kind === "close") this.#handleClose(message.code, message.reason);
      else if (this.#readyState === OPEN) {
        this.#show(message.data);
        await nextTask();
      }
    }
  }

  #show(message: string | Bytes): void {
    let data: unknown = message;
    if (typeof message !== "string") {
      data = this.#binaryType === "blob" ? new Blob([message]) : message.buffer;
    }
    this.dispatchEvent(new MessageEvent("message", { data, origin: this.#origin }));
  }

  // ================================================================== closing

  /** The peer closes: what it has not got yet it would not show any more. */
  #handleClose(code: number | null, reason: string): void {
    this.#closed = { code, reason };
    if (this.#closeSent) return;
    this.#outbox.clear();
    this.#beginClose(code, "");
  }

  #beginClose(code: number | null, reason: string): void {
    this.#readyState = CLOSING;
    this.#closeSent = true;
    this.#stopCloseTimer = watchWait({ timeoutMs: this.#closeTimeoutMs }, () => {
      this.conduit.abort(`the close took longer than closeTimeoutMs (${this.#closeTimeoutMs})`);
    });
    try {
      this.#pushClose(code, reason);
    } catch (error) {
      return this.#failToSend(error);
    }
    this.#outbox.whenEmpty(() => {
      this.conduit.close({ timeoutMs: Number.POSITIVE_INFINITY }).catch(ignore);
    });
  }

  /** A peer whose maxFrameBytes does not admit the reason gets the code; one that has no room for that, either, a close. */
  #pushClose(code: number | null, reason: string): void {
    const forms = [closeItem(code, reason), closeItem(code, ""), closeItem(null, "")];
    const { maxItemBytes } = this.conduit.machine;
    this.#outbox.push(forms.find((item) => item.length <= maxItemBytes) ?? forms[2], 0);
  }

  #failToSend(error: unknown): void {
    const known = error instanceof ConduitError;
    if (known && error.code === "CONDUIT_CLOSED") return; // so #finish() comes
    const code = known && error.code === "CONDUIT_FRAME_TOO_LARGE" ? 1009 : 1006;
    const what = error instanceof Error ? error.message : String(error);
    this.#fail(code, known ? error : new ConduitError("CONDUIT_ENCODE", "local", what, { cause: error }));
  }

  #fail(code: number, error: ConduitError): void {
    if (this.#failure || this.#readyState === CLOSED) return;
    this.#failure = { code, error };
    this.#readyState = CLOSING;
    this.conduit.abort(error);
  }

  async #finish(close: Close<Uint8Array>): Promise<void> {
    this.#stopCloseTimer();
    this.#leftBytes = this.#outbox.bufferedBytes + (close.clean ? 0 : unsentBytes(close.undelivered));
    this.#outbox.clear();
    await nextTask();
    this.#readyState = CLOSED;
    const wasClean = this.#failure === null && (close.clean || this.#closed !== null);
    if (wasClean) {
      const { code, reason } = this.#closed ?? { code: null, reason: "" };
      this.#showClose(true, code ?? 1005, reason);
    } else {
      const error = this.#failure?.error ?? (close as { error: ConduitError }).error;
      this.dispatchEvent(Object.assign(new Event("error"), { error, message: error.message }));
      this.#showClose(false, this.#failure?.code ?? codeOf(error), "");
    }
  }

  #showClose(wasClean: boolean, code: number, reason: string): void {
    this.dispatchEvent(new CloseEvent("close", { wasClean, code, reason }));
  }
}

/** @throws ConduitError CONDUIT_OPTIONS */
export function maxBufferedBytesOf({ maxBufferedBytes = MAX_BUFFERED_BYTES }: ConduitSocketOptions): number {
  if (typeof maxBufferedBytes === "number" && maxBufferedBytes >= 0) return maxBufferedBytes;
  throw optionsError(`maxBufferedBytes must be a number of bytes, got ${maxBufferedBytes}`);
}

/** What a WebSocket would call the end of a session: 1006, unless somebody is to blame for it. */
function codeOf({ code }: ConduitError): number {
  if (code === "CONDUIT_UNAUTHORIZED") return 1008;
  if (code === "CONDUIT_PROTOCOL") return 1002;
  return 1006;
}

/** Of the messages that were never written to a link. */
function unsentBytes(undelivered: Iterable<Uint8Array> & { firstUnsent: number }): number {
  let bytes = 0;
  for (const item of [...undelivered].slice(undelivered.firstUnsent)) bytes += messageBytes(item);
  return bytes;
}

/** As the standard converts it: bytes, a Blob, or anything else as text. */
function asMessage(data: unknown): { message: Uint8Array | Blob; size: number } {
  if (isBlob(data)) return { message: data, size: data.size };
  let item: Uint8Array;
  if (tagOf(data) === "ArrayBuffer") {
    item = binaryItem(new Uint8Array(data as ArrayBuffer));
  } else if (ArrayBuffer.isView(data)) {
    item = binaryItem(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  } else {
    item = textItem(`${data}`); // for a Symbol that is a TypeError, as it should be
  }
  return { message: item, size: item.length - 1 };
}

/** By what it says of itself, not by its class: it may come from another frame. */
function isBlob(data: unknown): data is Blob {
  const tag = tagOf(data);
  return tag === "Blob" || tag === "File";
}

function tagOf(data: unknown): string {
  return Object.prototype.toString.call(data).slice("[object ".length, -1);
}

/** "" for what is no URL: a path, say. */
function originOf(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return "";
  }
}

/** WebIDL's [Clamp] unsigned short: halves go to the even number. */
export function clampedShort(value: number): number {
  const number = Math.min(Math.max(Number(value), 0), 65_535);
  if (Number.isNaN(number)) return 0;
  const even = 2 * Math.round(number / 2);
  return Math.abs(number - even) === 0.5 ? even : Math.round(number);
}
