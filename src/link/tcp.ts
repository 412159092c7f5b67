// TCP and TLS links, for both sides.
import net from "node:net";
import tls from "node:tls";
import { ConduitError, optionsError } from "../errors.js";
import { LIMITS } from "../limits.js";
import {
  byteStreamLink,
  connectLink,
  listening,
  type ServerKind,
  type SocketKind,
  SocketServer,
} from "./byte-stream.js";
import type { Link, LinkInfo, LinkServer } from "./link.js";
import type { LinkSource } from "./source.js";

interface Keepalive {
  /** Silence before the kernel probes the peer, milliseconds; default 15 000. Finds half-open links [base.idle]. */
  keepaliveInitialDelayMs?: number;
}

export interface TcpOptions
  extends Keepalive,
    Pick<
      net.TcpNetConnectOpts,
      | "autoSelectFamily"
      | "autoSelectFamilyAttemptTimeout"
      | "family"
      | "localAddress"
      | "localPort"
      | "lookup"
    > {
  /** A name, an IPv4 or an IPv6 address. Default "localhost". All addresses of a name are tried, unless autoSelectFamily is false. */
  host?: string;
  port: number;
  /** true: TLS with Node's defaults, the certificate checked against `host`. SNI is sent for names. */
  tls?: boolean | tls.ConnectionOptions;
}

export interface TcpServerOptions
  extends Keepalive,
    Pick<net.ListenOptions, "backlog" | "exclusive" | "ipv6Only"> {
  /** Default: all interfaces, IPv4 and IPv6, as with net.Server. Say "127.0.0.1" or "localhost" to stay on this machine. */
  host?: string;
  /** 0: any free port; listen() tells which. */
  port: number;
  /** Certificate and key. A handshake that takes longer than `handshakeTimeout` (default here 10 000 ms) is cut. */
  tls?: tls.TlsOptions;
}

interface Tcp {
  /**
   * Connects to a TCP server, one attempt per call of nextLink(). With `tls` the link comes when the handshake is done.
   * @throws ConduitError CONDUIT_OPTIONS for a port out of range or TLS options that cannot be used.
   * @returns a source whose nextLink() rejects with CONDUIT_LINK (not fatal, Node's error as the cause) or signal.reason.
   */
  (options: TcpOptions): LinkSource;
  /**
   * Accepts TCP or TLS links, from a server made here or from one of your own, which may listen already or will when you
   * call its listen(). close() closes it in both cases; links that exist go on. A failed TLS handshake costs its socket only.
   * listen() rejects with CONDUIT_LINK and Node's error (EADDRINUSE, EACCES) as the cause.
   * @throws ConduitError CONDUIT_OPTIONS for a port out of range or TLS options that cannot be used.
   */
  server(options: TcpServerOptions | net.Server | tls.Server): LinkServer;
  /**
   * A link over a socket of your own (TCP, TLS or unix) that is connected and on which something may have been said
   * before. What it has received and nobody has read is the link's; from now on the socket belongs to the link, and
   * nobody else may listen to its data (a listener for "readable" holds them up) or have called setEncoding().
   */
  link(socket: net.Socket): Link;
}

/** TCP and TLS, with TCP_NODELAY and keepalive. */
export const tcp: Tcp = /* @__PURE__ */ Object.assign(tcpSource, {
  server: tcpServer,
  link: (socket: net.Socket) => tcpLink(socket),
});

function tcpSource({ tls: secure, keepaliveInitialDelayMs, ...options }: TcpOptions): LinkSource {
  checkPort(options.port, 1);
  const target = { host: "localhost", autoSelectFamily: true, ...options };
  const where = `${target.host}:${target.port}`;
  const toLink = (socket: net.Socket) => tcpLink(socket, keepaliveInitialDelayMs);
  if (!secure) {
    const kind: SocketKind = { ready: "connect", toLink };
    return { nextLink: ({ signal }) => connectLink(kind, where, signal, () => net.connect(target)) };
  }
  const kind: SocketKind = { ready: "secureConnect", toLink };
  const given = secure === true ? {} : secure;
  // One context for all attempts: reading certificates costs more than a handshake, and a bad one is told at once.
  const secureContext = given.secureContext ?? usable(() => tls.createSecureContext(given));
  const servername = net.isIP(target.host) ? "" : target.host;
  const secureTarget = { servername, ...given, ...target, secureContext };
  return { nextLink: ({ signal }) => connectLink(kind, where, signal, () => tls.connect(secureTarget)) };
}

function tcpServer(options: TcpServerOptions | net.Server | tls.Server): LinkServer {
  if (options instanceof net.Server) {
    const where = "the given server";
    return serve(options, { where, bind: (server) => listening(server) });
  }
  const { tls: secure, keepaliveInitialDelayMs, ...address } = options;
  checkPort(address.port, 0);
  const server = secure ? usable(() => secureServer(secure)) : net.createServer();
  const where = `${address.host ?? "*"}:${address.port}`;
  return serve(server, { where, bind: () => listening(server, address) }, keepaliveInitialDelayMs);
}

function secureServer(options: tls.TlsOptions): tls.Server {
  return tls.createServer({ handshakeTimeout: LIMITS.handshakeTimeoutMs.default, ...options });
}

function serve(
  server: net.Server,
  how: Pick<ServerKind, "where" | "bind">,
  keepaliveMs?: number,
): LinkServer {
  const toLink = (socket: net.Socket) => tcpLink(socket, keepaliveMs);
  if (!(server instanceof tls.Server))
    return new SocketServer(server, { accepted: "connection", toLink, ...how });
  // After a handshake timeout Node leaves the socket to this listener.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return new SocketServer(server, { accepted: "secureConnection", toLink, ...how });
}

function tcpLink(socket: net.Socket, keepaliveMs: number = LIMITS.keepaliveMs.default): Link {
  // The session gathers small writes itself; Nagle's algorithm would only delay acks.
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepaliveMs);
  return byteStreamLink(socket, socketInfo(socket));
}

/** What a TCP or TLS socket knows of its peer. Read now: a closed socket has forgotten it. */
export function socketInfo(socket: net.Socket): LinkInfo {
  const { remoteAddress, remotePort } = socket;
  if (!isTls(socket))
    return !socket.destroyed && socket.remoteFamily === undefined
      ? { transport: "unix", encrypted: false }
      : { transport: "tcp", encrypted: false, remoteAddress, remotePort };
  const given = socket.getPeerCertificate?.();
  // A peer without a certificate is reported as an empty object.
  const peerCertificate = given && Object.keys(given).length > 0 ? given : undefined;
  return {
    transport: "tcp",
    encrypted: true,
    remoteAddress,
    remotePort,
    // Deno calls a client authorized that was not asked for a certificate.
    authorized: socket.authorized && peerCertificate !== undefined,
    peerCertificate,
  };
}

/** By what it says, not by its class: the socket of an upgrade in Bun is no TLSSocket, and has no getPeerCertificate(). */
function isTls(socket: net.Socket): socket is tls.TLSSocket {
  return (socket as Partial<tls.TLSSocket>).encrypted === true;
}

function checkPort(port: number, min: number): void {
  if (!Number.isInteger(port) || port < min || port > 65_535) {
    throw optionsError(`port must be a whole number from ${min} to 65535, got ${port}`);
  }
}

/** TLS options fail where they are given, not on every attempt. */
function usable<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new ConduitError("CONDUIT_OPTIONS", "local", `tls options: ${(cause as Error).message}`, {
      fatal: false,
      cause,
    });
  }
}
