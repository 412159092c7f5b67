// WebSocket links, accepting side: over the package `ws`, on a path of an HTTP server. websocket.ts has the connecting side.
import http from "node:http";
import https from "node:https";
import type { AddressInfo, ListenOptions } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext } from "node:tls";
import { WebSocketServer } from "ws";
import { linkError, optionsError, violation } from "../errors.js";
import { LIMITS } from "../limits.js";
import { listening } from "./byte-stream.js";
import { Inbox } from "./inbox.js";
import { LINGER_MS, type Link, type LinkInfo, type LinkServer } from "./link.js";
import { linkFrom, type Transport, type TransportSink } from "./link-from.js";
import { socketInfo } from "./tcp.js";
import { closeError, maxMessageBytes } from "./websocket.js";

interface Common {
  /** Only requests for this path, compared without the query, become links. Default: all. */
  path?: string;
  /**
   * The sessions' limit, or the largest of them: a message that could not fit is refused with 1009 before it is buffered
   * [link.max]. Bytes, default 8 388 608.
   */
  maxFrameBytes?: number;
}

/** A server of its own. */
export interface WebSocketListenOptions
  extends Common,
    Pick<ListenOptions, "backlog" | "exclusive" | "ipv6Only"> {
  /** Default: all interfaces. Say "127.0.0.1" or "localhost" to stay on this machine. */
  host?: string;
  /** 0: any free port; listen() tells which. */
  port: number;
  /** Certificate and key, for `wss:`. */
  tls?: https.ServerOptions;
}

/** An HTTP server that serves other things, too. */
export interface WebSocketAttachOptions extends Common {
  /** It may listen already, or will when you call its listen(). It stays yours: close() leaves it open. */
  server: http.Server | https.Server;
}

/** What this link uses of a WebSocket of the package `ws`. */
export interface WsSocket {
  binaryType: string;
  /** The subprotocol that was chosen; "" or absent = none. */
  readonly protocol?: string;
  send(data: Uint8Array, done: (error?: Error | null) => void): void;
  close(code?: number): void;
  terminate(): void;
  pause(): void;
  resume(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
}

/**
 * Accepts WebSocket links with the package `ws` (a peer dependency), from a server made here or on a path of one of your own.
 * On a server of your own, requests for other paths are left to its other `upgrade` listeners, and answered with 404 when
 * there are none, or only such as this; of two for one path the first one takes the link. Links that exist when close() is called go on. Text ends a link with 1003, a message that is too large with
 * 1009, and with the link its session, if it belongs to one. Ring bytes go to the socket without a copy; websocket.ts tells how the peer's close code is told.
 *
 * A page of any origin can connect, and its browser adds the cookies that it has for your host: let `authorize` compare
 * `link.origin`, or take nothing but `credentials` as a proof. Behind a proxy `remoteAddress` is the proxy's; `link.headers` has the rest.
 *
 * listen() rejects with CONDUIT_LINK and Node's error (EADDRINUSE, EACCES) as the cause.
 * @throws ConduitError CONDUIT_OPTIONS for a path that does not begin with "/", or a limit out of range.
 */
export function webSocketServer(options: WebSocketListenOptions | WebSocketAttachOptions): LinkServer {
  return new UpgradeServer(options);
}

/**
 * A WebSocket that `ws` has accepted elsewhere, as a link for `acceptor.accept()`. The link owns it from now on. Call it from
 * the `connection` listener; make the WebSocketServer without perMessageDeflate and with a maxPayload of maxFrameBytes + 15.
 * @param request its upgrade request, for `authorize`
 */
export function webSocketLink(socket: WsSocket, request: http.IncomingMessage): Link {
  return linkFrom(new WsTransport(socket, request));
}

/** Whose listeners they are: several may share an HTTP server. */
const upgradeServers = new WeakMap<object, UpgradeServer>();

class UpgradeServer implements LinkServer {
  readonly #server: http.Server;
  /** null: the server is not ours. */
  readonly #address: ListenOptions | null;
  readonly #path: string | undefined;
  readonly #upgrades: WebSocketServer;
  #onLink: ((link: Link) => void) | null = null;
  #giveUp: (() => void) | undefined;

  constructor(options: WebSocketListenOptions | WebSocketAttachOptions) {
    const { path, maxFrameBytes = LIMITS.maxFrameBytes.default } = options;
    const { min, max } = LIMITS.maxFrameBytes;
    if (path !== undefined && !path.startsWith("/"))
      throw optionsError(`path must begin with "/", got ${path}`);
    if (!Number.isInteger(maxFrameBytes) || maxFrameBytes < min || maxFrameBytes > max) {
      throw optionsError(
        `maxFrameBytes must be a whole number of bytes from ${min} to ${max}, got ${maxFrameBytes}`,
      );
    }
    this.#path = path;
    const upgrades = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: maxMessageBytes(maxFrameBytes),
      closeTimeout: LINGER_MS, // not in its types yet
    };
    this.#upgrades = new WebSocketServer(upgrades);
    if ("server" in options) {
      this.#server = options.server;
      this.#address = null;
    } else {
      const { tls, path: _path, maxFrameBytes: _max, ...address } = options;
      this.#server = ownServer(tls);
      this.#address = address;
    }
  }

  async listen(
    onLink: (link: Link) => void,
    onError: (error: Error) => void,
  ): Promise<{ host: string; port: number } | string> {
    const server = this.#server;
    this.#onLink = onLink;
    upgradeServers.set(this.#onUpgrade, this);
    server.on("upgrade", this.#onUpgrade);
    const closed = new Promise<never>((_, reject) => {
      this.#giveUp = () => reject(new Error("the server was closed"));
    });
    try {
      await Promise.race([listening(server, this.#address ?? undefined), closed]);
    } catch (cause) {
      await this.close(); // or it would take the links of whoever tries again with a server of yours
      throw linkError(`cannot listen: ${(cause as Error).message}`, cause);
    }
    if (this.#address) server.on("error", onError);
    const address = server.address() as AddressInfo | string | null;
    if (address === null) throw linkError("closed before it listened");
    return typeof address === "string" ? address : { host: address.address, port: address.port };
  }

  async close(): Promise<void> {
    this.#giveUp?.();
    this.#onLink = null;
    this.#server.off("upgrade", this.#onUpgrade);
    this.#upgrades.close();
    if (this.#address) this.#server.close();
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }

  takes(request: http.IncomingMessage): boolean {
    return this.#path === undefined || request.url?.split("?")[0] === this.#path;
  }

  readonly #onUpgrade = (request: http.IncomingMessage, socket: Duplex, head: Buffer): void => {
    const listeners = this.#server.listeners("upgrade");
    const taker = listeners.find((each) => upgradeServers.get(each)?.takes(request));
    if (taker === this.#onUpgrade) {
      this.#upgrades.handleUpgrade(request, socket, head, (accepted) => {
        this.#onLink?.(webSocketLink(accepted, request));
      });
    } else if (
      !taker &&
      listeners[0] === this.#onUpgrade &&
      listeners.every((each) => upgradeServers.has(each))
    ) {
      // Nobody else is there to answer.
      socket.on("error", () => socket.destroy());
      socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
  };
}

function ownServer(tls: https.ServerOptions | undefined): http.Server {
  const patience = LIMITS.handshakeTimeoutMs.default;
  const timeouts = {
    headersTimeout: patience,
    requestTimeout: patience,
    connectionsCheckingInterval: patience / 4,
  };
  const answer: http.RequestListener = (_request, response) => {
    response.writeHead(426, { connection: "Upgrade", upgrade: "websocket" }).end();
  };
  if (!tls) return http.createServer(timeouts, answer);
  try {
    createSecureContext(tls); // https does so, too, but in Bun with the first handshake only
    return https.createServer({ handshakeTimeout: patience, ...timeouts, ...tls }, answer);
  } catch (cause) {
    throw optionsError(`tls options: ${(cause as Error).message}`);
  }
}

/** What ends the link as a text message. */
const TEXT = "" as unknown as Uint8Array;

class WsTransport implements Transport {
  readonly framing = "message";
  readonly zeroCopy = true;
  readonly info: LinkInfo;

  readonly #socket: WsSocket;
  readonly #request: http.IncomingMessage;
  readonly #inbox = new Inbox();
  #paused = false;
  #sending = false;
  #gotText = false;
  #error: Error | undefined;

  constructor(socket: WsSocket, request: http.IncomingMessage) {
    const { headers, url } = request;
    const known = socketInfo(request.socket);
    const protocol = socket.protocol || undefined;
    this.info = { ...known, transport: "websocket", origin: headers.origin, url, headers, protocol };
    this.#socket = socket;
    this.#request = request;
    request.socket.setKeepAlive(true, LIMITS.keepaliveMs.default); // finds half-open links [base.idle]
    socket.binaryType = "nodebuffer";
    socket.on("message", (data: Uint8Array, isBinary: boolean) => {
      this.#gotText ||= !isBinary;
      this.#inbox.bytes(isBinary ? data : TEXT);
      // Not before: a paused socket would not tell that it was closed.
      if (this.#inbox.full) socket.pause();
    });
    socket.on("error", (error: Error & { code?: string }) => {
      const tooLarge = error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
      this.#error ??= tooLarge
        ? violation("link.max", "a message is larger than maxFrameBytes allows")
        : error;
    });
    socket.on("close", (code: number, reason: Buffer) => {
      this.#inbox.closed(this.#error ?? closeError(code, reason.toString()));
    });
  }

  start(sink: TransportSink): void {
    this.#inbox.start(sink);
    if (!this.#paused) this.#socket.resume();
  }

  send(bytes: Uint8Array): Promise<void> {
    this.#sending = true;
    return new Promise((resolve) => {
      this.#socket.send(bytes, (error) => {
        if (error) return; // the close event tells why
        this.#sending = false;
        resolve();
      });
    });
  }

  pause(): void {
    this.#paused = true;
    this.#inbox.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#inbox.resume();
    this.#socket.resume();
  }

  end(): void {
    this.#socket.close(1000);
  }

  close(): void {
    // With the handshake only where it tells something and nothing reads the ring any more.
    if (this.#gotText && !this.#sending) this.#socket.close(1003);
    else this.#socket.terminate();
  }

  ref(): void {
    this.#request.socket.ref();
  }

  unref(): void {
    this.#request.socket.unref();
  }
}
