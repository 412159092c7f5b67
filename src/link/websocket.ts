// WebSocket links, connecting side: over any WebSocket that has the WHATWG interface, be it a browser's, a runtime's or a
// package's. ws-server.ts has the accepting side.
import { ConduitError, linkError, optionsError } from "../errors.js";
import { LIMITS } from "../limits.js";
import { plainView } from "./chunk.js";
import { Inbox } from "./inbox.js";
import { LINGER_MS, type LinkInfo } from "./link.js";
import { linkFrom, type Transport, type TransportSink } from "./link-from.js";
import { Attachment, type LinkSource } from "./source.js";

/** What this link uses of a WebSocket, besides its events. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  /** The subprotocol that the server chose; "" or absent = none. */
  readonly protocol?: string;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
  /** Closes without the handshake, which takes a peer that answers. `ws` has it; the others do it by themselves after a while. */
  terminate?(): void;
}

/** The constructor of a WebSocket. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface WebSocketOptions {
  /** Default: the global one, which browsers, Node from 22 on, Deno and Bun have. On Node 20: that of the package `ws` or `undici`. */
  WebSocket?: WebSocketConstructor;
  /** Offered in Sec-WebSocket-Protocol. Default none. */
  protocols?: string | readonly string[];
}

/** While more than this is queued in the socket nothing is given to it: enough to keep it busy, little enough that an ack gets through soon. */
const MAX_BUFFERED_BYTES = 524_288;
/** How often a fuller socket is looked at: no event tells when it has drained. Browsers make 4 of it. */
const POLL_MS = 1;

/** The same with its events, which no two libraries type alike. */
interface Socket extends WebSocketLike {
  addEventListener(type: "open" | "message" | "error" | "close", listener: (event: never) => void): void;
}

// Taken now, so that a test with a fake clock does not stop deliveries.
const { setTimeout, clearTimeout } = globalThis;

/**
 * For implementations with a third argument, such as `ws`; the others ignore it. No compression: batches leave at once, and a
 * message's size should be known before it is buffered. The session's own limit is not known here, so the bound is the largest.
 */
const HINTS = {
  perMessageDeflate: false,
  maxPayload: maxMessageBytes(LIMITS.maxFrameBytes.max),
  closeTimeout: LINGER_MS,
};

/**
 * Connects to a WebSocket server, one attempt per call of nextLink(). `ws:`, `wss:`, `http:` and `https:` URLs, in a page also
 * relative ones. Base profile: a message per item. Extended: many records per message [link.message].
 *
 * Sending is held back while 512 KiB are queued in the socket; no event tells when they have left, so a timer looks, only
 * then, every millisecond (in a hidden page each second, and whenever a message arrives). Receiving cannot be held back: in
 * the extended profile the window bounds it [ext.window], in the base profile nothing does. A text message is a violation and ends the session.
 *
 * A message larger than the session's maxFrameBytes + 15 bytes is one, too [link.max], whatever records it has. A browser or undici
 * tells a message's size when it is there, so such a peer costs its message's memory once; `ws` refuses above 256 MiB before that.
 *
 * How the peer's close code is told:
 *
 * | code             | error                                                                                     |
 * | ---------------- | ----------------------------------------------------------------------------------------- |
 * | 1000, 1001, 1005 | none: the peer has closed                                                                 |
 * | 1003             | CONDUIT_PROTOCOL, blame local, final: we are said to have sent text [link.message]        |
 * | 1009             | CONDUIT_PROTOCOL, blame local, final: our message was larger than it takes [link.max]     |
 * | 1008, 3000, 3003 | CONDUIT_UNAUTHORIZED, final unless retry.shouldRetry says otherwise                       |
 * | any other        | CONDUIT_LINK: the next attempt may do better (1006 is a link that was cut)                |
 *
 * @throws ConduitError CONDUIT_OPTIONS for a URL that is none, or where there is no WebSocket.
 * @returns a source whose nextLink() rejects with CONDUIT_LINK (not fatal; browsers do not say why), with CONDUIT_OPTIONS when
 * the constructor throws (mixed content, a protocol that is no token), or with signal.reason. No socket is left then.
 */
export function webSocket(url: string | URL, options: WebSocketOptions = {}): LinkSource {
  const target = targetOf(url);
  const WebSocket = options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  if (typeof WebSocket !== "function") {
    throw optionsError(
      "there is no WebSocket here: give the option WebSocket, from the package ws or undici",
    );
  }
  const protocols = [options.protocols ?? []].flat();
  return { nextLink: ({ signal }) => open(WebSocket, target, protocols, signal) };
}

/** The largest message that a session with this limit may send [link.max]; a control record may always have 1,024 bytes. */
export function maxMessageBytes(maxFrameBytes: number): number {
  return Math.max(maxFrameBytes + 15, 4 + 1_024);
}

/** What a close code of the peer means; undefined: nothing is wrong. The table is above. */
export function closeError(code: number, reason: string, cause?: unknown): Error | undefined {
  const said = `the peer closed with ${code}${reason && `: ${reason}`}`;
  switch (code) {
    case 1000:
    case 1001:
    case 1005:
      return undefined;
    case 1003:
      return new ConduitError("CONDUIT_PROTOCOL", "local", `${said} [link.message]`, {
        rule: "link.message",
        cause,
      });
    case 1009:
      return new ConduitError("CONDUIT_PROTOCOL", "local", `${said} [link.max]`, { rule: "link.max", cause });
    case 1008:
    case 3000:
    case 3003:
      return new ConduitError("CONDUIT_UNAUTHORIZED", "peer", said, { cause });
    case 1006:
      return linkError(`the WebSocket was cut${because(cause)}`, cause);
    default:
      return linkError(said, cause);
  }
}

function targetOf(url: string | URL): URL {
  let target: URL;
  try {
    target = new URL(url, globalThis.location?.href);
  } catch {
    throw optionsError(`not a URL: ${url}`);
  }
  target.protocol = target.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(target.protocol)) throw optionsError(`not a WebSocket's URL: ${url}`);
  target.hash = ""; // some constructors refuse it
  return target;
}

function open(
  WebSocket: WebSocketConstructor,
  target: URL,
  protocols: string[],
  signal: AbortSignal,
): Promise<Attachment> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const info: LinkInfo = {
      transport: "websocket",
      encrypted: target.protocol === "wss:",
      // Read when the socket is open and becomes a link.
      get protocol() {
        return socket.protocol || undefined;
      },
    };
    const transport = new WebSocketTransport(construct(WebSocket, target.href, protocols), info);
    const { socket } = transport;
    const aborted = () => {
      reject(signal.reason);
      transport.close();
    };
    signal.addEventListener("abort", aborted, { once: true });
    socket.addEventListener("open", () => {
      signal.removeEventListener("abort", aborted);
      if (signal.aborted) transport.close();
      else resolve(Attachment.initiator(linkFrom(transport)));
    });
    const failed = () => {
      signal.removeEventListener("abort", aborted);
      // Has no effect on a link that was open.
      reject(linkError(`cannot connect to ${target.origin}${because(transport.error)}`, transport.error));
    };
    // Either may be all that comes: Node 22 sends no close event when it could not connect.
    socket.addEventListener("error", failed);
    socket.addEventListener("close", failed);
  });
}

function construct(WebSocket: WebSocketConstructor, url: string, protocols: string[]): Socket {
  const Hinted = WebSocket as unknown as new (url: string, protocols: string[], hints: object) => Socket;
  try {
    return new Hinted(url, protocols, HINTS);
  } catch (cause) {
    throw new ConduitError("CONDUIT_OPTIONS", "local", `the WebSocket was refused${because(cause)}`, {
      cause,
    });
  }
}

class WebSocketTransport implements Transport {
  readonly framing = "message";
  readonly zeroCopy = true; // send() has read the bytes when it returns
  readonly info: LinkInfo;
  readonly socket: Socket;
  /** What the socket's error event told: in a browser nothing. */
  error: unknown;

  readonly #inbox = new Inbox();
  /** The send that waits until the socket has drained. */
  #drained: (() => void) | null = null;
  #poll: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Socket, info: LinkInfo) {
    this.socket = socket;
    this.info = info;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }: MessageEvent) => {
      this.#checkDrained();
      // Anything but bytes ends the link [link.message].
      this.#inbox.bytes(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
    });
    socket.addEventListener("error", (event: ErrorEvent) => {
      this.error ??= event.error ?? (event.message ? new Error(event.message) : undefined);
    });
    socket.addEventListener("close", ({ code, reason }: CloseEvent) => {
      clearTimeout(this.#poll);
      this.#inbox.closed(closeError(code, reason, this.error));
    });
  }

  start(sink: TransportSink): void {
    this.#inbox.start(sink);
  }

  send(bytes: Uint8Array): void | Promise<void> {
    this.socket.send(plainView(bytes));
    if (this.socket.bufferedAmount <= MAX_BUFFERED_BYTES) return;
    return new Promise((resolve) => {
      this.#drained = resolve;
      this.#checkLater();
    });
  }

  end(): void {
    this.socket.close(1000);
  }

  close(): void {
    clearTimeout(this.#poll);
    if (this.socket.terminate) this.socket.terminate();
    else this.socket.close(1000);
  }

  #checkLater(): void {
    this.#poll = setTimeout(() => {
      if (!this.#checkDrained()) this.#checkLater();
    }, POLL_MS);
  }

  #checkDrained(): boolean {
    if (this.#drained === null) return true;
    if (this.socket.bufferedAmount > MAX_BUFFERED_BYTES) return false;
    clearTimeout(this.#poll);
    this.#drained();
    this.#drained = null;
    return true;
  }
}

function because(cause: unknown): string {
  return cause instanceof Error ? `: ${cause.message || (cause as { code?: string }).code}` : "";
}
