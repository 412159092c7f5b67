// Links over message ports: between a page and its workers, between the threads of Node, and over any MessageChannel.
import { ConduitError, linkError } from "../errors.js";
import { HandoffServer, handOff, listenTo, type MessageTarget } from "./handoff.js";
import { Inbox } from "./inbox.js";
import type { Link, LinkInfo, LinkServer } from "./link.js";
import { linkFrom, type Transport, type TransportSink } from "./link-from.js";
import { Attachment, type LinkSource } from "./source.js";

/** A MessagePort of a browser or of node:worker_threads. */
export interface MessagePortLike extends MessageTarget {
  close(): void;
}

interface MessagePorts {
  /**
   * Connects to a thread, one attempt per call of nextLink(), each with a fresh port.
   * Given a Worker (or `self`, `parentPort`, a port), it makes a MessageChannel and posts one end to it, where
   * `messagePort.server()` waits. Given a function, that brings the port: a new one for each call, whose far end an acceptor
   * gets in your own way; `() => new SharedWorker(url).port` is one.
   *
   * A message is copied once, out of the ring, and then transferred. Ports have no backpressure: what is under way is
   * bounded by the peer's receiveWindow [ext.window] and the own replayBytes. That the other thread has closed or
   * ended is told by Node and newer browsers; elsewhere, and for a thread that hangs, keepalive finds out [ext.ping].
   * @returns a source whose nextLink() rejects with CONDUIT_LINK (not fatal) when the function fails or the worker takes no messages, or with signal.reason.
   */
  (target: MessageTarget | (() => MessagePortLike | PromiseLike<MessagePortLike>)): LinkSource;
  /**
   * Accepts the links that messagePort() makes, in the thread that they are posted to: `self` in a worker, `parentPort` in one of Node,
   * or the Worker itself where the worker connects. In a SharedWorker, with `self`, each port that connects is a link.
   */
  server(scope: object): LinkServer;
  /** A port as a link, for `acceptor.accept()`. The link owns the port: it starts and closes it. */
  link(port: MessagePortLike): Link;
}

/** Message ports. */
export const messagePort: MessagePorts = /* @__PURE__ */ Object.assign(portSource, {
  server: portServer,
  link: portLink,
});

const KIND = "message-port";

const info: LinkInfo = Object.freeze({ transport: KIND, encrypted: false });

// Taken now, so that a test with a fake clock does not stop deliveries.
const { setTimeout } = globalThis;

/** The last message of a side that ends: not every port tells when the other one closes. */
const END = null;

function portSource(
  target: MessageTarget | (() => MessagePortLike | PromiseLike<MessagePortLike>),
): LinkSource {
  const nextPort = typeof target === "function" ? target : () => dial(target);
  return {
    async nextLink({ signal }) {
      signal.throwIfAborted();
      let port: MessagePortLike;
      try {
        port = await nextPort();
      } catch (cause) {
        if (cause instanceof ConduitError) throw cause;
        throw linkError(`no port: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
      }
      if (signal.aborted) {
        port.close();
        throw signal.reason;
      }
      return Attachment.initiator(portLink(port));
    },
  };
}

function dial(target: MessageTarget): MessagePortLike {
  const { port1, port2 } = new MessageChannel();
  handOff(target, KIND, { port: port2 }, [port2]);
  return port1;
}

function portServer(scope: object): LinkServer {
  if ("onconnect" in scope) return new ConnectServer(scope as unknown as EventTarget);
  return new HandoffServer<{ port: MessagePortLike }>(scope, KIND, ({ port }) => portLink(port));
}

function portLink(port: MessagePortLike): Link {
  return linkFrom(new PortTransport(port));
}

/** The global scope of a SharedWorker: its clients come with a port each. */
class ConnectServer implements LinkServer {
  readonly #scope: EventTarget;
  readonly #stop = new AbortController();

  constructor(scope: EventTarget) {
    this.#scope = scope;
  }

  async listen(onLink: (link: Link) => void): Promise<string> {
    const { signal } = this.#stop;
    this.#scope.addEventListener("connect", (event) => onLink(portLink((event as MessageEvent).ports[0])), {
      signal,
    });
    return KIND;
  }

  async close(): Promise<void> {
    this.#stop.abort();
  }

  ref(): void {
    // A browser decides by itself how long a SharedWorker lives.
  }

  unref(): void {
    // As ref().
  }
}

class PortTransport implements Transport {
  readonly framing = "message";
  readonly info = info;

  readonly #port: MessagePortLike & { start?(): void; ref?(): void; unref?(): void };
  readonly #inbox = new Inbox();
  #unref = false;
  #started = false;
  /** The port was closed before it was started. */
  #closedEarly = false;

  constructor(port: MessagePortLike) {
    this.#port = port;
    // A port keeps its messages until it is started, but not that it was closed.
    listenTo(port, "close", () => {
      if (this.#started) this.#gone();
      else this.#closedEarly = true;
    });
    listenTo(port, "messageerror", (cause) => {
      this.#inbox.closed(linkError("a message could not be read here", cause));
    });
  }

  start(sink: TransportSink): void {
    this.#inbox.start(sink);
    listenTo(this.#port, "message", (message) => {
      if (message === END) this.#inbox.closed();
      // Anything but bytes ends the link [link.message].
      else
        this.#inbox.bytes(message instanceof ArrayBuffer ? new Uint8Array(message) : (message as Uint8Array));
    });
    this.#started = true;
    this.#port.start?.();
    // Where a close overtakes the messages that the port keeps, as in Bun, they come with the next task.
    if (this.#closedEarly) setTimeout(() => this.#gone());
    if (this.#unref) this.#port.unref?.(); // a listener has made it count
  }

  #gone(): void {
    this.#inbox.closed(linkError("the other side of the port is gone"));
  }

  /** The bytes are a copy of our own. */
  send(bytes: Uint8Array): void {
    const { buffer } = bytes as Uint8Array<ArrayBuffer>;
    this.#port.postMessage(buffer, [buffer] as never[]);
  }

  close(): void {
    this.#port.postMessage(END, []);
    this.#port.close();
  }

  ref(): void {
    this.#unref = false;
    this.#port.ref?.();
  }

  unref(): void {
    this.#unref = true;
    this.#port.unref?.();
  }
}
