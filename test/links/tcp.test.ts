// TCP and TLS links.
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ConduitError } from "../../src/errors.js";
import type { Link, LinkServer } from "../../src/link/link.js";
import { type TcpOptions, type TcpServerOptions, tcp } from "../../src/link/tcp.js";
import { End, type Ends, linkContract } from "./contract.js";
import { type Address, cert, dial, failure, handles, key, Listener } from "./sockets.js";

async function connected(
  server: Omit<TcpServerOptions, "port">,
  client: Omit<TcpOptions, "port">,
): Promise<Ends> {
  const listener = new Listener(tcp.server({ host: "127.0.0.1", port: 0, ...server }));
  const { port } = (await listener.listen()) as Address;
  const [a, b] = await Promise.all([dial(tcp({ host: "127.0.0.1", port, ...client })), listener.accept()]);
  return { a, b, cleanup: () => listener.server.close() };
}

const info = { transport: "tcp", remoteAddress: "127.0.0.1", remotePort: expect.any(Number) };

linkContract(
  "TCP",
  { framing: "stream", pausable: true, drains: true, info: { ...info, encrypted: false } },
  () => connected({}, {}),
);
linkContract(
  "TLS",
  { framing: "stream", pausable: true, drains: true, info: { ...info, encrypted: true, authorized: true } },
  () => connected({ tls: { cert, key } }, { tls: { ca: cert } }),
);

/** No test here may leave a socket, whatever went wrong in it. */
const idle = handles();
const closeLater: (LinkServer | net.Server)[] = [];
const destroyLater: { destroy(): unknown }[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const link of destroyLater.splice(0)) link.destroy();
  for (const server of closeLater.splice(0)) await server.close();
  await vi.waitFor(() => expect(handles()).toEqual(idle));
});

async function listen(
  given: TcpServerOptions | net.Server,
): Promise<{ listener: Listener; port: number; host: string }> {
  const listener = new Listener(tcp.server(given));
  closeLater.push(listener.server);
  return { listener, ...((await listener.listen()) as Address) };
}

async function connect(options: TcpOptions): Promise<Link> {
  const link = await dial(tcp(options));
  destroyLater.push(link);
  return link;
}

/** A plain server of Node's: the other side where a test needs to misbehave. */
async function plainServer(
  onSocket: (socket: net.Socket) => void,
  options: net.ServerOpts = {},
): Promise<number> {
  const server = net.createServer(options, (socket) => {
    destroyLater.push(socket.on("error", () => undefined));
    onSocket(socket);
  });
  closeLater.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  return (server.address() as net.AddressInfo).port;
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const { listener, port } = await listen({ host: "127.0.0.1", port: 0 });
  await listener.server.close();
  return port;
}

/** As most systems answer for localhost. */
const bothFamilies: net.LookupFunction = (_host, _options, done) => {
  done(null, [
    { address: "::1", family: 6 },
    { address: "127.0.0.1", family: 4 },
  ]);
};

describe("tcp()", () => {
  test("rejects with CONDUIT_LINK and the cause when the connection is refused", async () => {
    const error = await failure(connect({ host: "127.0.0.1", port: await freePort() }));
    expect(error).toBeInstanceOf(ConduitError);
    expect(error).toMatchObject({
      code: "CONDUIT_LINK",
      blame: "link",
      fatal: false,
      cause: { code: "ECONNREFUSED" },
    });
  });

  test("says why when every address of a name refuses", async () => {
    const error = await failure(connect({ host: "both.test", port: await freePort(), lookup: bothFamilies }));
    expect(error).toMatchObject({ code: "CONDUIT_LINK", message: expect.stringContaining("ECONNREFUSED") });
  });

  test("rejects with CONDUIT_LINK for a name that does not exist", async () => {
    const lookup: net.LookupFunction = (host, _options, done) => {
      done(Object.assign(new Error(`no such name ${host}`), { code: "ENOTFOUND" }), "", 0);
    };
    const error = await failure(connect({ host: "nowhere.invalid", port: 1, lookup }));
    expect(error).toMatchObject({ code: "CONDUIT_LINK", cause: { code: "ENOTFOUND" } });
    expect(error.message).toContain("nowhere.invalid:1");
  });

  test("rejects with signal.reason when it is aborted before, and opens no socket", async () => {
    const opened = vi.spyOn(net, "connect");
    const reason = new Error("not any more");
    expect(await failure(dial(tcp({ port: 1 }), AbortSignal.abort(reason)))).toBe(reason);
    expect(opened).not.toHaveBeenCalled();
  });

  test("rejects with signal.reason when it is aborted meanwhile, and leaves no socket", async () => {
    // TLS that is never answered: connected, but not usable yet.
    let accept!: (socket: net.Socket) => void;
    const accepted = new Promise<net.Socket>((resolve) => {
      accept = resolve;
    });
    const port = await plainServer((socket) => accept(socket));
    const controller = new AbortController();
    const attempt = dial(tcp({ host: "127.0.0.1", port, tls: true }), controller.signal);
    const socket = await accepted;
    const closed = once(socket.resume(), "close");
    const reason = new Error("not any more");
    controller.abort(reason);
    expect(await failure(attempt)).toBe(reason);
    await closed;
  });

  test("rejects when its socket is closed without an error", async () => {
    const opened = vi.spyOn(net, "connect");
    const attempt = connect({ host: "127.0.0.1", port: 1 });
    opened.mock.results[0].value.destroy();
    expect(await failure(attempt)).toMatchObject({ code: "CONDUIT_LINK" });
  });

  test("an abort after the link is up does not touch it, and no listener is left on the signal", async () => {
    const { listener, port } = await listen({ host: "127.0.0.1", port: 0 });
    const controller = new AbortController();
    const added = vi.spyOn(controller.signal, "addEventListener");
    const removed = vi.spyOn(controller.signal, "removeEventListener");
    const a = new End(await dial(tcp({ host: "127.0.0.1", port }), controller.signal)).start();
    expect(removed.mock.calls.length).toBe(added.mock.calls.length);
    controller.abort();
    const b = new End(await listener.accept()).start();
    a.write(Uint8Array.of(1));
    await b.until(() => b.received === 1);
    b.destroy();
    await a.closedOnce();
  });

  test("reaches IPv4, IPv6 and the name localhost of a server on all interfaces", async () => {
    const { listener, port, host } = await listen({ port: 0 });
    expect(net.isIP(host)).toBeGreaterThan(0);
    for (const name of ["127.0.0.1", "::1", "localhost", undefined]) {
      const link = await connect({ host: name, port });
      expect(link.info.remoteAddress).toMatch(name && net.isIP(name) ? name : /^(127\.0\.0\.1|::1)$/);
      destroyLater.push(await listener.accept());
    }
  });

  test("tries all addresses of a name: an IPv4 server is found behind localhost's ::1", async () => {
    const { port } = await listen({ host: "127.0.0.1", port: 0 });
    const link = await connect({ host: "both.test", port, lookup: bothFamilies });
    expect(link.info.remoteAddress).toBe("127.0.0.1");
  });

  test("switches Nagle's algorithm off and keepalive on, on both sides", async () => {
    const noDelay = vi.spyOn(net.Socket.prototype, "setNoDelay");
    const keepAlive = vi.spyOn(net.Socket.prototype, "setKeepAlive");
    const { listener, port } = await listen({ host: "127.0.0.1", port: 0, keepaliveInitialDelayMs: 7_000 });
    await connect({ host: "127.0.0.1", port });
    destroyLater.push(await listener.accept());
    expect(noDelay.mock.calls).toEqual([[true], [true]]);
    expect(keepAlive.mock.calls.sort()).toEqual([
      [true, 15_000],
      [true, 7_000],
    ]);
  });

  test("reports a reset as the error of closed, and not what was pending as written", async () => {
    const port = await plainServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const a = new End(await connect({ host: "127.0.0.1", port })).start();
    for (let i = 0; i < 64; i++) a.write(new Uint8Array(1 << 20));
    await a.closedOnce();
    expect(a.closings).toMatchObject([{ code: expect.stringMatching(/ECONNRESET|EPIPE/) }]);
    expect(a.reported).toBeLessThan(64);
  });

  test("keeps an error from before start(), without an unhandled one", async () => {
    const port = await plainServer((socket) => socket.on("data", () => socket.resetAndDestroy()));
    const opened = vi.spyOn(net, "connect");
    const a = new End(await connect({ host: "127.0.0.1", port }));
    const socket: net.Socket = opened.mock.results[0].value;
    a.write(Uint8Array.of(1));
    await new Promise((resolve) => socket.once("close", resolve));
    a.start();
    await a.closedOnce();
    expect(a.closings).toMatchObject([{ code: "ECONNRESET" }]);
  });

  test("a peer that only ends its side closes the link, after its bytes, even while writes are stuck", async () => {
    const port = await plainServer((socket) => socket.end("last words"), {
      allowHalfOpen: true,
      pauseOnConnect: true,
    });
    const a = new End(await connect({ host: "127.0.0.1", port }));
    for (let i = 0; i < 16; i++) a.write(new Uint8Array(1 << 20));
    a.start();
    await a.closedOnce();
    expect(a.all.toString()).toBe("last words");
  });

  test("refuses a port that is none with CONDUIT_OPTIONS", () => {
    for (const port of [0, -1, 65_536, 1.5, Number.NaN]) {
      expect(() => tcp({ port })).toThrow(
        expect.objectContaining({ code: "CONDUIT_OPTIONS", blame: "local" }),
      );
    }
    expect(() => tcp.server({ port: 65_536 })).toThrow(expect.objectContaining({ code: "CONDUIT_OPTIONS" }));
  });
});

describe("tcp() with TLS", () => {
  test("shows each side's certificate to the other, when both are asked for", async () => {
    const { listener, port } = await listen({
      host: "127.0.0.1",
      port: 0,
      tls: { cert, key, ca: cert, requestCert: true, rejectUnauthorized: true },
    });
    const a = await connect({ host: "localhost", port, tls: { ca: cert, cert, key } });
    const b = await listener.accept();
    destroyLater.push(b);
    for (const { info } of [a, b]) {
      expect(info).toMatchObject({
        authorized: true,
        encrypted: true,
        peerCertificate: { subject: { CN: "localhost" } },
      });
    }
  });

  test("a client without a certificate is not authorized", async () => {
    const { listener, port } = await listen({ host: "127.0.0.1", port: 0, tls: { cert, key } });
    await connect({ host: "127.0.0.1", port, tls: { ca: cert } });
    const b = await listener.accept();
    destroyLater.push(b);
    expect(b.info).toMatchObject({ authorized: false, peerCertificate: undefined });
  });

  test("sends the name as SNI, and none for an address", async () => {
    const names: unknown[] = [];
    const server = tls.createServer({ cert, key }, (socket) => names.push(socket.servername || false)); // Deno: null
    const { listener, port } = await listen(server.listen(0));
    for (const host of ["localhost", "127.0.0.1"]) {
      await connect({ host, port, tls: { ca: cert } });
      destroyLater.push(await listener.accept());
    }
    expect(names).toEqual(["localhost", false]);
  });

  test("rejects with CONDUIT_LINK when the certificate is not trusted; the server goes on", async () => {
    const { listener, port } = await listen({ host: "127.0.0.1", port: 0, tls: { cert, key } });
    const error = await failure(connect({ host: "127.0.0.1", port, tls: true }));
    expect(error).toMatchObject({
      code: "CONDUIT_LINK",
      fatal: false,
      cause: { code: "DEPTH_ZERO_SELF_SIGNED_CERT" },
    });
    await connect({ host: "127.0.0.1", port, tls: { ca: cert } });
    expect(listener.errors).toEqual([]);
  });

  test("rejects with CONDUIT_LINK when the certificate is for another name", async () => {
    const { port } = await listen({ port: 0, tls: { cert, key } });
    const error = await failure(
      connect({ host: "127.0.0.1", port, tls: { ca: cert, servername: "elsewhere.test" } }),
    );
    expect(error).toMatchObject({ code: "CONDUIT_LINK", cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" } });
  });

  test("rejects with CONDUIT_LINK when the server closes in the handshake, or speaks something else", async () => {
    for (const answer of ["", "HTTP/1.1 400 Bad Request\r\n\r\n"]) {
      const port = await plainServer((socket) => socket.end(answer));
      expect(await failure(connect({ host: "127.0.0.1", port, tls: true }))).toMatchObject({
        code: "CONDUIT_LINK",
      });
    }
  });

  test("refuses options that cannot be used with CONDUIT_OPTIONS, where they are given", () => {
    const broken = "no certificate";
    for (const make of [
      () => tcp({ port: 1, tls: { cert: broken, key: broken } }),
      () => tcp.server({ port: 0, tls: { cert: broken, key: broken } }),
    ]) {
      expect(make).toThrow(expect.objectContaining({ code: "CONDUIT_OPTIONS", cause: expect.any(Error) }));
    }
  });

  test("a client that stalls in the handshake, or breaks it, costs its socket only", async () => {
    const { listener, port } = await listen({
      host: "127.0.0.1",
      port: 0,
      tls: { cert, key, handshakeTimeout: 50 },
    });
    const silent = net
      .connect(port, "127.0.0.1")
      .on("error", () => undefined)
      .resume();
    const garbage = net
      .connect(port, "127.0.0.1")
      .on("error", () => undefined)
      .resume();
    garbage.write("this is no ClientHello".repeat(10));
    await Promise.all([once(silent, "close"), once(garbage, "close")]);
    expect([listener.links, listener.errors]).toEqual([[], []]);
    await connect({ host: "127.0.0.1", port, tls: { ca: cert } });
    destroyLater.push(await listener.accept());
  });
});

describe("tcp.link()", () => {
  test("tells at once that a socket had been closed before it was given", async () => {
    const server = net.createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    closeLater.push(server);
    await once(server, "listening");
    const socket = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
    socket.on("error", () => {}).resume();
    await once(socket, "close");
    const closed = vi.fn();
    tcp.link(socket).start({ bytes() {}, written() {}, closed });
    expect(closed).not.toHaveBeenCalled();
    await Promise.resolve();
    expect(closed).toHaveBeenCalledOnce();
  });
});

describe("tcp.server()", () => {
  test("gives a TLS handshake 10 seconds, where Node's default is 120", () => {
    const made = vi.spyOn(tls, "createServer");
    tcp.server({ port: 0, tls: { cert, key } });
    expect(made.mock.calls[0][0]).toMatchObject({ handshakeTimeout: 10_000 });
  });

  test("takes a server that listens already, and one that will", async () => {
    const early = net.createServer().listen(0, "127.0.0.1");
    await once(early, "listening");
    const late = net.createServer();
    const promises = [listen(early), listen(late)];
    late.listen(0, "127.0.0.1");
    for (const { listener, host, port } of await Promise.all(promises)) {
      expect(host).toBe("127.0.0.1");
      await connect({ host, port });
      destroyLater.push(await listener.accept());
    }
  });

  test("takes a TLS server", async () => {
    const { listener, port } = await listen(tls.createServer({ cert, key }).listen(0, "127.0.0.1"));
    await connect({ host: "127.0.0.1", port, tls: { ca: cert } });
    const link = await listener.accept();
    destroyLater.push(link);
    expect(link.info.encrypted).toBe(true);
  });

  test("rejects with CONDUIT_LINK and EADDRINUSE when the port is taken, and can be closed then", async () => {
    const { port } = await listen({ host: "127.0.0.1", port: 0 });
    const error = await failure(listen({ host: "127.0.0.1", port }));
    expect(error).toMatchObject({ code: "CONDUIT_LINK", cause: { code: "EADDRINUSE" } });
  });

  test("close() frees the port at once, and links that exist go on", async () => {
    const { listener, port } = await listen({ host: "127.0.0.1", port: 0 });
    const a = new End(await connect({ host: "127.0.0.1", port })).start();
    const b = new End(await listener.accept()).start();
    await listener.server.close();
    expect(await failure(connect({ host: "127.0.0.1", port }))).toMatchObject({
      cause: { code: "ECONNREFUSED" },
    });
    await listen({ host: "127.0.0.1", port });
    a.write(Uint8Array.of(1));
    await b.until(() => b.received === 1);
    b.destroy();
    await a.closedOnce();
  });

  test("close() before it listens rejects listen()", async () => {
    const server = tcp.server(net.createServer());
    const listening = failure(new Listener(server).listen());
    await server.close();
    expect(await listening).toMatchObject({ code: "CONDUIT_LINK" });
  });

  test("a TLS handshake that completes after close() brings no link", async () => {
    const server = tls.createServer({ cert, key }).listen(0, "127.0.0.1");
    const { listener, port } = await listen(server);
    const raw = net.connect(port, "127.0.0.1");
    await once(server, "connection");
    const socket = tls
      .connect({ socket: raw, ca: cert })
      .on("error", () => undefined)
      .resume();
    await listener.server.close();
    await once(socket, "close");
    expect(listener.links).toEqual([]);
  });

  test("500 connects and disconnects leave nothing behind", async () => {
    for (const secure of [false, true]) {
      const { listener, port } = await listen({
        host: "127.0.0.1",
        port: 0,
        tls: secure ? { cert, key } : undefined,
      });
      const source = tcp({ host: "127.0.0.1", port, tls: secure ? { ca: cert } : undefined });
      const one = async (how: number) => {
        const a = new End(await dial(source)).start();
        const b = new End(await listener.accept()).start();
        if (how % 3 === 0) a.destroy();
        else if (how % 3 === 1) a.write(new Uint8Array(1000)).end();
        else b.end();
        await (how % 3 === 2 ? a : b).closedOnce();
        a.destroy();
        b.destroy();
      };
      for (let i = 0; i < 250; i++) await one(i);
      await listener.server.close();
    }
    await vi.waitFor(() => expect(handles()).toEqual(idle));
  });

  test("unref() of links and server lets the process end", async () => {
    const { listener, port } = await listen({ host: "127.0.0.1", port: 0 });
    const a = await connect({ host: "127.0.0.1", port });
    const b = await listener.accept();
    destroyLater.push(b);
    expect(handles()).toMatchObject({ TCPSocketWrap: 2, TCPServerWrap: 1 });
    for (const what of [a, b, listener.server]) what.unref();
    expect(handles()).toEqual(idle);
    a.ref();
    expect(handles()).toMatchObject({ TCPSocketWrap: 1 });
  });
});
