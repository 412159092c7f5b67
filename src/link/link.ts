// A link is one attempt at transport. It carries bytes until it dies and promises nothing beyond that;
// everything that survives it is the conduit's business. test/links/contract.ts holds each kind to this text.

export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * `stream`: chunks may be split and joined anywhere (TCP, unix sockets).
 * `message`: each write arrives as one chunk, or not at all (WebSocket, ports).
 */
export type Framing = "stream" | "message";

/** What is known of the other end; `authorize` sees it. */
export interface LinkInfo {
  /** "tcp", "unix", "websocket", "message-port", "shared-memory", "pair", or what a custom transport calls itself. */
  readonly transport: string;
  /** The transport encrypts (TLS). */
  readonly encrypted: boolean;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  /** TLS: the peer's certificate was verified. */
  readonly authorized?: boolean;
  /** TLS: the peer's certificate as node:tls reports it. */
  readonly peerCertificate?: unknown;
  /**
   * WebSocket, accepting side: the page's origin, as every browser tells it. Other programs say what they like, or nothing.
   * A page of any site can open a WebSocket, and the browser adds your cookies: `authorize` has to compare.
   */
  readonly origin?: string;
  /** WebSocket: the subprotocol that both sides agreed on. */
  readonly protocol?: string;
  /** WebSocket, accepting side: path and query of the request. */
  readonly url?: string;
  /** WebSocket, accepting side: the request's headers (cookies, x-forwarded-for), names in lower case. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Receives a link's events, never from inside a call to one of the link's methods. */
export interface LinkSink {
  /** The chunk belongs to the sink from now on, which may detach it, and never is a view of shared memory. */
  bytes(chunk: Bytes): void;
  /**
   * The oldest write() that has not been reported is done: its memory will not be read again.
   * Writes that are pending when the link closes are not reported; their memory is free from then on too.
   */
  written(): void;
  /** The last event of a link that ended by itself: an error, or the peer closed. */
  closed(error?: Error): void;
}

export interface Link {
  readonly framing: Framing;
  /** write() may be given views of the replay ring; false: the caller copies first. */
  readonly zeroCopy: boolean;
  /** pause() holds the peer back. Where it is false, pause() and resume() do nothing. */
  readonly pausable: boolean;
  readonly info: LinkInfo;
  /** Called once. No event before it; events that happened earlier are kept for it. */
  start(sink: LinkSink): void;
  /**
   * Queues bytes, at once and in order. They must not change until the matching `written`.
   * After end() and when the link has closed it does nothing.
   */
  write(bytes: Uint8Array): void;
  /** What is on its way may still arrive, a bounded number of bytes. `written` is not held; the peer's end waits behind its bytes. */
  pause(): void;
  resume(): void;
  /**
   * Sends what is queued, then closes; released at the latest after LINGER_MS, with or without the peer. `closed` still comes.
   * Until then bytes of the peer do too, and pause() holds them no more: unread bytes could cost the peer our last ones.
   */
  end(): void;
  /** Closes now and drops what is queued. When it returns, no memory of write() is read any more and no event follows. */
  destroy(): void;
  /** Whether the link keeps the process alive (it does until unref). */
  ref(): void;
  unref(): void;
}

/** How long end() waits for the peer to take what was queued, milliseconds. */
export const LINGER_MS = 2_000;

/** Where links come from on the accepting side: a TCP server, a unix socket. */
export interface LinkServer {
  /** Called once. Resolves when links can arrive; rejects when the address cannot be had. */
  listen(
    onLink: (link: Link) => void,
    onError: (error: Error) => void,
  ): Promise<{ host: string; port: number } | string>;
  /** Stops accepting. Links that exist go on. */
  close(): Promise<void>;
  ref(): void;
  unref(): void;
}
