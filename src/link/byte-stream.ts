// What TCP, TLS and unix sockets have in common: one of Node's stream sockets as a Link, the attempt to connect one,
// and the server that accepts them. tcp.ts and unix.ts bring the sockets; no module of Node's is loaded here.
import type { ListenOptions, Server, Socket } from "node:net";
import { linkError } from "../errors.js";
import { ownedChunk } from "./chunk.js";
import { type Linger, linger } from "./linger.js";
import type { Link, LinkInfo, LinkServer, LinkSink } from "./link.js";
import { Attachment } from "./source.js";

/** A connected socket as a link. The link owns the socket: nobody else may read, write or close it. */
export function byteStreamLink(socket: Socket, info: LinkInfo): Link {
  return new ByteStreamLink(socket, info);
}

class ByteStreamLink implements Link {
  readonly framing = "stream";
  // Node hands the memory to the kernel (or to the cipher) and reports when that is done, shared memory included.
  readonly zeroCopy = true;
  readonly pausable = true;
  readonly info: LinkInfo;

  readonly #socket: Socket;
  #sink: LinkSink | null = null;
  #paused = false;
  #ending = false;
  /** The socket is closed: `closed` is due. */
  #over: boolean;
  #error: Error | undefined;
  /** No event follows. */
  #done = false;
  /** Writes done before start(). */
  #written = 0;
  #linger: Linger | undefined;

  constructor(socket: Socket, info: LinkInfo) {
    this.#socket = socket;
    this.info = info;
    this.#over = socket.closed; // one that was given to us late says nothing more
    // These stay for good: an error of a socket that nobody uses any more must not end the process.
    socket.on("error", (error) => {
      this.#error ??= error;
    });
    // A link is not used half-open: when the peer ends it is closed, unless we still send what end() promised.
    socket.on("end", () => {
      if (!this.#ending) socket.destroy();
    });
    socket.on("close", () => {
      this.#over = true;
      this.#report();
    });
  }

  start(sink: LinkSink): void {
    if (this.#done) return;
    this.#sink = sink;
    this.#socket.on("data", this.#onData);
    if (!this.#paused) this.#socket.resume();
    if (this.#written > 0 || this.#over) queueMicrotask(() => this.#report());
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes, this.#onWritten);
  }

  pause(): void {
    if (this.#ending) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    // A socket that flows before there is a listener would lose bytes.
    if (this.#sink !== null) this.#socket.resume();
  }

  end(): void {
    if (this.#ending || this.#done) return;
    this.#ending = true;
    this.#paused = false;
    this.#socket.end();
    // Closing with unread bytes makes the kernel send a reset, which can cost the peer our last bytes: go on reading.
    this.#socket.resume();
    if (!this.#over) this.#linger = linger(() => this.#socket.destroy());
  }

  destroy(): void {
    if (this.#done) return;
    this.#finish();
    this.#socket.destroy();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#sink?.bytes(ownedChunk(chunk));
  };

  /** One function for all writes; Node calls it in their order, never from inside write(). */
  readonly #onWritten = (error?: Error | null): void => {
    if (error || this.#done) return;
    if (this.#sink === null) this.#written++;
    else this.#sink.written();
  };

  #report(): void {
    const sink = this.#sink;
    if (sink === null) return;
    for (; this.#written > 0; this.#written--) this.#sink?.written();
    if (!this.#over || this.#done) return;
    this.#finish();
    sink.closed(this.#error);
  }

  #finish(): void {
    this.#done = true;
    this.#sink = null;
    clearTimeout(this.#linger);
  }
}

/** What a kind of socket adds to the common part. */
export interface SocketKind {
  /** The socket's event that says it can be used. */
  readonly ready: "connect" | "secureConnect";
  toLink(socket: Socket): Link;
}

/**
 * One attempt to connect: `open` makes the connecting socket.
 * @returns rejects with CONDUIT_LINK (not fatal, Node's error as the cause) or with `signal.reason`; no socket is left then.
 */
export function connectLink(
  kind: SocketKind,
  where: string,
  signal: AbortSignal,
  open: () => Socket,
): Promise<Attachment> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const failed = (cause?: Error) => reject(linkError(`cannot connect to ${where}${because(cause)}`, cause));
    let socket: Socket;
    try {
      socket = open();
    } catch (cause) {
      return failed(cause as Error);
    }
    const aborted = () => {
      reject(signal.reason);
      socket.destroy();
    };
    const closed = () => failed();
    const ready = () => {
      signal.removeEventListener("abort", aborted);
      socket.off("close", closed);
      // Made before this event is over: from here on the link keeps what happens.
      resolve(Attachment.initiator(kind.toLink(socket)));
    };
    signal.addEventListener("abort", aborted, { once: true });
    socket.on("error", failed); // stays: late errors of an abandoned attempt have no effect
    socket.once("close", closed);
    socket.once("close", () => signal.removeEventListener("abort", aborted));
    socket.once(kind.ready, ready);
  });
}

/** What a kind of server adds to the common part. */
export interface ServerKind {
  /** The server's event that brings a socket. */
  readonly accepted: "connection" | "secureConnection";
  toLink(socket: Socket): Link;
  /** Makes the server listen, or waits until it does; rejects with Node's error. */
  bind(server: Server): Promise<void>;
  /** For messages. */
  readonly where: string;
}

/** Links from one of Node's servers. */
export class SocketServer implements LinkServer {
  readonly #server: Server;
  readonly #kind: ServerKind;
  #closed = false;

  constructor(server: Server, kind: ServerKind) {
    this.#server = server;
    this.#kind = kind;
  }

  async listen(
    onLink: (link: Link) => void,
    onError: (error: Error) => void,
  ): Promise<{ host: string; port: number } | string> {
    const server = this.#server;
    server.on(this.#kind.accepted, (socket: Socket) => {
      // A TLS handshake can complete after close().
      if (this.#closed) socket.destroy();
      else onLink(this.#kind.toLink(socket));
    });
    try {
      await this.#kind.bind(server);
    } catch (cause) {
      throw linkError(`cannot listen on ${this.#kind.where}${because(cause)}`, cause);
    }
    server.on("error", onError);
    const address = server.address();
    if (address === null || this.#closed) throw linkError(`closed before it listened on ${this.#kind.where}`);
    return typeof address === "string" ? address : { host: address.address, port: address.port };
  }

  /** Node's close event would wait for the connections too; the listening handle itself is closed at once. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#server.close();
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }
}

/** Resolves when `server` listens. Without `options` its owner calls listen(). Rejects with Node's error, or when it is closed first. */
export function listening(server: Server, options?: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    if (server.listening) return resolve();
    const settle = (error?: Error) => {
      server.off("listening", settle).off("error", settle).off("close", closed);
      if (error) reject(error);
      else resolve();
    };
    const closed = () => settle(new Error("the server was closed"));
    server.on("listening", settle).on("error", settle).on("close", closed);
    if (options) server.listen(options);
  });
}

function because(cause: unknown): string {
  if (!(cause instanceof Error)) return "";
  // The failure of several addresses is one error with a code and no message.
  return `: ${cause.message || (cause as NodeJS.ErrnoException).code}`;
}
