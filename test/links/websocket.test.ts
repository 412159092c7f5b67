// WebSocket links: `ws`, undici and, where there is one, the runtime's own WebSocket as clients of the server over `ws`.
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { WebSocket as UndiciWebSocket } from "undici";
import { afterEach, describe, expect, test, vi } from "vitest";
import { WebSocketServer, WebSocket as WsWebSocket } from "ws";
import { ConduitError } from "../../src/errors.js";
import type { Link } from "../../src/link/link.js";
import { type WebSocketConstructor, webSocket } from "../../src/link/websocket.js";
import { webSocketLink, webSocketServer } from "../../src/link/ws-server.js";
import { End, type Ends, linkContract } from "./contract.js";
import { type Address, cert, dial, failure, handles, key, Listener } from "./sockets.js";

const clients: [string, WebSocketConstructor][] = [
  ["ws", WsWebSocket],
  ["undici", UndiciWebSocket],
];
// Node 22 and later, Deno, Bun.
if (globalThis.WebSocket) clients.push(["the global one", globalThis.WebSocket as WebSocketConstructor]);

async function connected(WebSocket: WebSocketConstructor): Promise<Required<Ends>> {
  const listener = new Listener(webSocketServer({ host: "127.0.0.1", port: 0, path: "/links" }));
  const { port } = (await listener.listen()) as Address;
  const source = webSocket(`ws://127.0.0.1:${port}/links?a=1`, { WebSocket });
  const [a, b] = await Promise.all([dial(source), listener.accept()]);
  return { a, b, cleanup: () => listener.server.close() };
}

const connecting = { transport: "websocket", encrypted: false };
const accepting = {
  ...connecting,
  remoteAddress: "127.0.0.1",
  remotePort: expect.any(Number),
  url: "/links?a=1",
  headers: expect.objectContaining({ upgrade: "websocket" }),
};

for (const [name, WebSocket] of clients) {
  linkContract(
    `WebSocket (${name})`,
    {
      framing: "message",
      pausable: false,
      drains: false,
      info: connecting,
      accepting: { pausable: true, info: accepting },
    },
    () => connected(WebSocket),
  );
  linkContract(
    `WebSocket (${name}), from the server's side,`,
    {
      framing: "message",
      pausable: true,
      drains: false,
      info: accepting,
      accepting: { pausable: false, info: connecting },
    },
    async () => {
      const { a, b, cleanup } = await connected(WebSocket);
      return { a: b, b: a, cleanup };
    },
  );
}

// ------------------------------------------------------------------ what is particular

/** No test here may leave a socket, whatever went wrong in it. */
const idle = handles();
const closeLater: { close(): unknown }[] = [];
const destroyLater: { destroy(): unknown }[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const link of destroyLater.splice(0)) link.destroy();
  for (const server of closeLater.splice(0)) await server.close();
  await vi.waitFor(() => expect(handles()).toEqual(idle), 5_000);
});

type ServerOptions = Parameters<typeof webSocketServer>[0];

async function listen(
  given: Partial<ServerOptions> = {},
): Promise<{ listener: Listener; port: number; url: string }> {
  const listener = new Listener(webSocketServer({ host: "127.0.0.1", port: 0, ...given }));
  closeLater.push(listener.server);
  const { port } = (await listener.listen()) as Address;
  return { listener, port, url: `ws://127.0.0.1:${port}/` };
}

/** A server of `ws` as it is: the peer where a test needs to misbehave. */
async function plainServer(onSocket: (socket: WsWebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    destroyLater.push({ destroy: () => socket.terminate() });
    onSocket(socket);
  });
  closeLater.push(server);
  await once(server, "listening");
  return `ws://127.0.0.1:${(server.address() as net.AddressInfo).port}/`;
}

async function httpServer(): Promise<{ server: http.Server; origin: string }> {
  const server = http.createServer((_request, response) => response.end("page"));
  closeLater.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, origin: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}` };
}

async function connect(url: string, WebSocket: WebSocketConstructor = WsWebSocket): Promise<Link> {
  const link = await dial(webSocket(url, { WebSocket }));
  destroyLater.push(link);
  return link;
}

async function ends(given: Partial<ServerOptions> = {}, WebSocket?: WebSocketConstructor) {
  const { listener, url } = await listen(given);
  const [a, b] = await Promise.all([connect(url, WebSocket), listener.accept()]);
  destroyLater.push(b);
  return { a: new End(a), b: new End(b) };
}

const options = { code: "CONDUIT_OPTIONS", blame: "local" };
const linkFailure = { code: "CONDUIT_LINK", blame: "link", fatal: false };

describe("webSocket()", () => {
  test("refuses what is no URL of a WebSocket with CONDUIT_OPTIONS", () => {
    for (const url of ["", "/path", "tcp://host", "not a url"]) {
      expect(() => webSocket(url, { WebSocket: WsWebSocket })).toThrow(expect.objectContaining(options));
    }
  });

  test("says with CONDUIT_OPTIONS that there is no WebSocket", () => {
    vi.stubGlobal("WebSocket", undefined);
    expect(() => webSocket("ws://host/")).toThrow(expect.objectContaining(options));
    vi.unstubAllGlobals();
  });

  test("takes the global WebSocket, http: URLs, protocols, and drops a fragment", async () => {
    const { listener, url } = await listen();
    const offered: unknown[] = [];
    class Spy extends WsWebSocket {
      constructor(url: string, protocols: string[], hints: object) {
        offered.push(url, protocols);
        super(url, protocols, hints);
      }
    }
    vi.stubGlobal("WebSocket", Spy);
    const source = webSocket(new URL(`${url.replace("ws:", "http:")}a#b`), { protocols: "conduit" });
    vi.unstubAllGlobals();
    destroyLater.push(await dial(source), await listener.accept());
    expect(offered).toEqual([`${url}a`, ["conduit"]]);
  });

  test("a constructor that throws is a final CONDUIT_OPTIONS: no later attempt could do better", async () => {
    for (const [, WebSocket] of clients) {
      const source = webSocket("ws://127.0.0.1:1/", { WebSocket, protocols: ["no token"] });
      expect(await failure(dial(source))).toMatchObject({
        ...options,
        fatal: true,
        cause: expect.any(Error),
      });
    }
  });

  test.each(clients)("rejects with CONDUIT_LINK when the connection is refused: %s", async (_, WebSocket) => {
    const { listener, url } = await listen();
    await listener.server.close();
    const error = await failure(connect(url, WebSocket));
    expect(error).toBeInstanceOf(ConduitError);
    expect(error).toMatchObject(linkFailure);
    expect(error.message).toContain(new URL(url).host);
  });

  test("rejects with CONDUIT_LINK when an error is all that a failed connection tells, as in Node 22", async () => {
    class Terse extends UndiciWebSocket {
      override addEventListener(type: string, listener: never): void {
        if (type !== "close") super.addEventListener(type, listener);
      }
    }
    const { listener, url } = await listen();
    await listener.server.close();
    expect(await failure(connect(url, Terse as WebSocketConstructor))).toMatchObject(linkFailure);
  });

  test.each(clients)(
    "rejects with CONDUIT_LINK when the server answers with HTTP only: %s",
    async (_, WebSocket) => {
      const { origin } = await httpServer();
      expect(await failure(connect(origin, WebSocket))).toMatchObject(linkFailure);
    },
  );

  test.each(clients)(
    "rejects with signal.reason when it is aborted before, and opens no socket: %s",
    async (_, WebSocket) => {
      const reason = new Error("not any more");
      const source = webSocket("ws://127.0.0.1:1/", { WebSocket });
      expect(await failure(dial(source, AbortSignal.abort(reason)))).toBe(reason);
    },
  );

  test.each(clients)(
    "rejects with signal.reason when it is aborted meanwhile, and leaves no socket: %s",
    async (_, WebSocket) => {
      const silent = net.createServer((socket) => socket.on("error", () => undefined).resume());
      closeLater.push(silent.listen(0, "127.0.0.1"));
      await once(silent, "listening");
      const { port } = silent.address() as net.AddressInfo;
      const controller = new AbortController();
      const attempt = dial(webSocket(`ws://127.0.0.1:${port}/`, { WebSocket }), controller.signal);
      const [socket] = (await once(silent, "connection")) as [net.Socket];
      const closed = once(socket, "close");
      const reason = new Error("not any more");
      controller.abort(reason);
      expect(await failure(attempt)).toBe(reason);
      await closed;
    },
  );

  test.each(clients)(
    "an abort after the link is up does not touch it, and no listener is left: %s",
    async (_, WebSocket) => {
      const { listener, url } = await listen();
      const controller = new AbortController();
      const added = vi.spyOn(controller.signal, "addEventListener");
      const removed = vi.spyOn(controller.signal, "removeEventListener");
      const a = new End(await dial(webSocket(url, { WebSocket }), controller.signal)).start();
      expect(removed.mock.calls.length).toBe(added.mock.calls.length);
      controller.abort();
      const b = new End(await listener.accept()).start();
      a.write(Uint8Array.of(1));
      await b.until(() => b.received === 1);
      b.destroy();
      await a.closedOnce();
    },
  );

  test.each(clients)(
    "a text message ends the link with CONDUIT_PROTOCOL [link.message]: %s",
    async (_, WebSocket) => {
      const url = await plainServer((socket) => {
        socket.send(Uint8Array.of(1));
        socket.send("text");
        socket.send(Uint8Array.of(2));
      });
      const a = new End(await connect(url, WebSocket)).start();
      await a.closedOnce();
      expect([...a.all]).toEqual([1]);
      expect(a.closings).toMatchObject([{ code: "CONDUIT_PROTOCOL", blame: "peer", rule: "link.message" }]);
    },
  );

  const unauthorized = { code: "CONDUIT_UNAUTHORIZED", blame: "peer", fatal: true };
  const codes: [number | undefined, object | undefined][] = [
    [undefined, undefined],
    [1000, undefined],
    [1001, undefined],
    [1003, { code: "CONDUIT_PROTOCOL", blame: "local", fatal: true, rule: "link.message" }],
    [1009, { code: "CONDUIT_PROTOCOL", blame: "local", fatal: true, rule: "link.max" }],
    [1008, unauthorized],
    [3000, unauthorized],
    [3003, unauthorized],
    [1002, linkFailure],
    [1011, linkFailure],
    [1012, linkFailure],
    [4321, { ...linkFailure, message: expect.stringContaining("4321: why") }],
  ];
  test.each(clients)("tells the peer's close code as an error: %s", async (_, WebSocket) => {
    const left = codes.map(([code]) => code);
    const url = await plainServer((socket) => {
      const code = left.shift();
      if (code === undefined) socket.close();
      else socket.close(code, "why");
    });
    for (const [code, error] of codes) {
      const a = new End(await connect(url, WebSocket)).start();
      await a.closedOnce();
      if (error) expect(a.closings[0], `${code}`).toMatchObject(error);
      else expect(a.closings, `${code}`).toEqual([undefined]);
    }
  });

  test.each(clients)(
    "a cut is CONDUIT_LINK, also before start(), without an unhandled error: %s",
    async (_, WebSocket) => {
      const url = await plainServer((socket) => setImmediate(() => socket.terminate()));
      const a = new End(await connect(url, WebSocket));
      await new Promise((resolve) => setTimeout(resolve, 20));
      a.start();
      await a.closedOnce();
      expect(a.closings).toMatchObject([linkFailure]);
    },
  );

  test.each(clients)(
    "holds writes back while the socket is full, and reports them as it drains: %s",
    async (_, WebSocket) => {
      const sockets: { bufferedAmount: number }[] = [];
      const Spy = class extends (WebSocket as typeof WsWebSocket) {
        constructor(url: string, protocols: string[]) {
          super(url, protocols);
          sockets.push(this);
        }
      };
      const { a, b } = await ends({}, Spy);
      a.start();
      b.pause().start();
      const piece = new Uint8Array(256 << 10);
      for (let i = 0; i < 160; i++) a.write(piece);
      for (let before = -1; before !== a.reported; ) {
        before = a.reported;
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      expect(a.reported).toBeLessThan(160);
      expect(sockets[0].bufferedAmount).toBeGreaterThan(512 << 10);
      expect(sockets[0].bufferedAmount).toBeLessThan((512 << 10) + piece.length + 64);
      b.resume();
      await Promise.all([
        a.until(() => a.reported === 160),
        b.until(() => b.received === 160 * piece.length),
      ]);
    },
  );

  test.each(clients)(
    "leaves the ring's bytes as they are, shared or plain: %s masks a copy",
    async (_, WebSocket) => {
      const { a, b } = await ends({}, WebSocket);
      a.start();
      b.start();
      for (const memory of [new SharedArrayBuffer(200_000), new ArrayBuffer(200_000)]) {
        const ring = new Uint8Array(memory).map((_, i) => i * 7);
        const before = new Uint8Array(ring);
        const received = b.received;
        a.write(ring.subarray(3, 70)).write(ring.subarray(1_003, 190_000));
        await b.until(() => b.received === received + 67 + 188_997);
        await a.until(() => a.reported % 2 === 0);
        expect(Buffer.compare(ring, before)).toBe(0);
      }
      const [small, large] = [Uint8Array.from({ length: 200_000 }, (_, i) => i * 7)].flatMap((all) => [
        all.subarray(3, 70),
        all.subarray(1_003, 190_000),
      ]);
      expect(b.all.equals(Buffer.concat([small, large, small, large]))).toBe(true);
    },
  );

  test("never gives a view of shared memory to send(): browsers refuse it", async () => {
    const sent: Uint8Array[] = [];
    class Spy extends WsWebSocket {
      override send(data: Uint8Array): void {
        sent.push(data);
        super.send(data);
      }
    }
    const { a, b } = await ends({}, Spy);
    const plain = Uint8Array.of(1);
    a.start()
      .write(new Uint8Array(new SharedArrayBuffer(5_000)))
      .write(plain);
    b.start();
    await b.until(() => b.received === 5_001);
    expect(sent.map((data) => data.buffer)).toEqual([expect.any(ArrayBuffer), plain.buffer]);
  });

  test("offers no compression", async () => {
    const { b } = await ends();
    expect(b.link.info.headers).not.toHaveProperty("sec-websocket-extensions");
  });
});

describe("webSocketServer()", () => {
  test("shares an HTTP server: its path becomes links, the rest is answered by others or with 404", async () => {
    const { server, origin } = await httpServer();
    const { listener } = await listen({ server, path: "/conduit" });
    const upgrade = (path: string) => connect(`${origin}${path}`);
    await upgrade("/conduit?token=1");
    const link = await listener.accept();
    destroyLater.push(link);
    expect(link.info.url).toBe("/conduit?token=1");
    expect(await (await fetch(`${origin}/conduit`)).text()).toBe("page");
    for (const path of ["/", "/conduit/", "/conduits"]) {
      expect(await failure(upgrade(path))).toMatchObject({ message: expect.stringContaining("404") });
    }
    const other = new WebSocketServer({ noServer: true });
    server.on("upgrade", (request, socket, head) => {
      if (request.url === "/other")
        other.handleUpgrade(request, socket, head, (socket) => socket.close(4000));
    });
    const a = new End(await upgrade("/other")).start();
    await a.closedOnce();
    expect(listener.links).toEqual([]);
  });

  test("several share an HTTP server: each has its path, the first one a path of both, nobody's is answered with 404", async () => {
    const { server, origin } = await httpServer();
    const listeners = [];
    for (const path of ["/a", "/b", "/a"]) listeners.push((await listen({ server, path })).listener);
    for (const [i, path] of ["/a", "/b"].entries()) {
      await connect(`${origin}${path}`);
      destroyLater.push(await listeners[i].accept());
    }
    expect(listeners[2].links).toEqual([]);
    expect(await failure(connect(`${origin}/c`))).toMatchObject({ message: expect.stringContaining("404") });
  });

  test("close() leaves an HTTP server of yours open, and gives its path back", async () => {
    const { server, origin } = await httpServer();
    const { listener } = await listen({ server, path: "/conduit" });
    const a = new End(await connect(`${origin}/conduit`)).start();
    const b = new End(await listener.accept()).start();
    await listener.server.close();
    expect(await failure(connect(`${origin}/conduit`))).toMatchObject(linkFailure);
    expect(await (await fetch(origin)).text()).toBe("page");
    expect(server.listenerCount("upgrade")).toBe(0);
    a.write(Uint8Array.of(1));
    await b.until(() => b.received === 1);
    b.destroy();
    await a.closedOnce();
  });

  test("takes an HTTP server that will listen later", async () => {
    const server = http.createServer();
    const listening = listen({ server });
    server.listen(0, "127.0.0.1");
    closeLater.push(server);
    const { listener, url } = await listening;
    await connect(url);
    destroyLater.push(await listener.accept());
  });

  test("its own server answers a request that is no upgrade with 426", async () => {
    const { port } = await listen();
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect([response.status, response.headers.get("upgrade")]).toEqual([426, "websocket"]);
  });

  test("close() frees its own port at once, and links that exist go on", async () => {
    const { listener, port, url } = await listen();
    const a = new End(await connect(url)).start();
    const b = new End(await listener.accept()).start();
    await listener.server.close();
    await listen({ port });
    a.write(Uint8Array.of(1));
    await b.until(() => b.received === 1);
    b.destroy();
    await a.closedOnce();
  });

  test("rejects with CONDUIT_LINK and EADDRINUSE when the port is taken", async () => {
    const { port } = await listen();
    expect(await failure(listen({ port }))).toMatchObject({ ...linkFailure, cause: { code: "EADDRINUSE" } });
  });

  test("takes nothing from the next one on an HTTP server of yours that could not listen at first", async () => {
    const { port } = await listen();
    const server = http.createServer();
    closeLater.push(server);
    const first = failure(listen({ server }));
    server.listen(port, "127.0.0.1");
    expect(await first).toMatchObject({ ...linkFailure, cause: { code: "EADDRINUSE" } });
    const again = listen({ server });
    server.listen(0, "127.0.0.1");
    const { listener, url } = await again;
    await connect(url);
    destroyLater.push(await listener.accept());
  });

  test("close() before it listens rejects listen()", async () => {
    const server = webSocketServer({ server: http.createServer() });
    const listening = failure(new Listener(server).listen());
    await server.close();
    expect(await listening).toMatchObject(linkFailure);
  });

  test("speaks TLS, with a server of its own", async () => {
    const { listener, port } = await listen({ tls: { cert, key } });
    class Trusting extends WsWebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { ca: cert });
      }
    }
    const a = await connect(`wss://127.0.0.1:${port}/`, Trusting);
    const b = await listener.accept();
    destroyLater.push(b);
    expect([a.info.encrypted, b.info.encrypted]).toEqual([true, true]);
    expect(b.info).toMatchObject({ transport: "websocket", authorized: false });
  });

  test("tells authorize the origin and the headers, whatever the page says of them", async () => {
    class Page extends WsWebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { origin: "https://elsewhere.test", headers: { cookie: "session=1" } });
      }
    }
    const { b } = await ends({}, Page);
    expect(b.link.info).toMatchObject({
      origin: "https://elsewhere.test",
      headers: { cookie: "session=1", origin: "https://elsewhere.test" },
      remoteAddress: "127.0.0.1",
    });
  });

  test.each(clients)(
    "a text message ends the link with CONDUIT_PROTOCOL, and the peer sees 1003 [link.message]: %s",
    async (_, WebSocket) => {
      const { listener, url } = await listen();
      const socket = new WebSocket(url, []) as unknown as EventTarget & { send(text: string): void };
      await once(socket, "open");
      const b = new End(await listener.accept()).start();
      const closed = once(socket, "close");
      socket.send("text");
      await b.closedOnce();
      expect(b.closings).toMatchObject([{ code: "CONDUIT_PROTOCOL", blame: "peer", rule: "link.message" }]);
      expect(b.received).toBe(0);
      const [event] = await closed;
      expect(event.code ?? event).toBe(1003);
    },
  );

  test.each(clients)(
    "a message that is too large is refused before it is buffered, and the peer knows why [link.max]: %s",
    async (_, WebSocket) => {
      const { a, b } = await ends({ maxFrameBytes: 10_000 }, WebSocket);
      a.start();
      b.start();
      a.write(new Uint8Array(10_015));
      await b.until(() => b.received === 10_015);
      const before = process.memoryUsage().arrayBuffers;
      a.write(new Uint8Array(10_016));
      await Promise.all([a.closedOnce(), b.closedOnce()]);
      expect(b.received).toBe(10_015);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
      expect(b.closings).toMatchObject([{ code: "CONDUIT_PROTOCOL", blame: "peer", rule: "link.max" }]);
      expect(a.closings).toMatchObject([{ code: "CONDUIT_PROTOCOL", blame: "local", rule: "link.max" }]);
    },
  );

  test("gives views of the ring to the socket without a copy", async () => {
    const { listener, url } = await listen();
    const send = vi.spyOn(WsWebSocket.prototype, "send");
    const a = new End(await connect(url)).start();
    const b = new End(await listener.accept()).start();
    const view = new Uint8Array(new SharedArrayBuffer(100_000), 5, 80_000);
    b.write(view);
    await a.until(() => a.received === view.length);
    expect(send.mock.calls.map(([data]) => data)).toEqual([view]);
    expect(send.mock.calls[0][0]).toBe(view);
  });

  test("webSocketLink() makes a link of a WebSocket that was accepted elsewhere", async () => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    closeLater.push(server);
    await once(server, "listening");
    const links: End[] = [];
    server.on("connection", (socket, request) => links.push(new End(webSocketLink(socket, request)).start()));
    const a = new End(
      await connect(`ws://127.0.0.1:${(server.address() as net.AddressInfo).port}/x`),
    ).start();
    a.write(Uint8Array.of(1));
    await vi.waitFor(() => expect(links).toHaveLength(1));
    await links[0].until(() => links[0].received === 1);
    expect(links[0].link.info).toMatchObject({ transport: "websocket", url: "/x" });
    links[0].end();
    await a.closedOnce();
  });

  test("refuses a path that is none and a limit out of range with CONDUIT_OPTIONS", () => {
    for (const given of [{ path: "conduit" }, { maxFrameBytes: 0 }, { maxFrameBytes: 1.5 }]) {
      expect(() => webSocketServer({ port: 0, ...given })).toThrow(expect.objectContaining(options));
    }
    expect(() => webSocketServer({ port: 0, tls: { cert: "none", key: "none" } })).toThrow(
      expect.objectContaining(options),
    );
  });

  test("unref() of its links and itself lets the process end", async () => {
    const { listener, url } = await listen();
    const [client] = [new WsWebSocket(url)];
    await once(client, "open");
    const b = await listener.accept();
    destroyLater.push(b);
    const before = handles();
    b.unref();
    listener.server.unref();
    expect(before).toMatchObject({ TCPSocketWrap: 2, TCPServerWrap: 1 });
    expect(handles()).toEqual({ ...idle, TCPSocketWrap: 1 });
    b.ref();
    expect(handles()).toMatchObject({ TCPSocketWrap: 2 });
  });

  test("300 connects and disconnects leave nothing behind", async () => {
    for (const [, WebSocket] of clients) {
      const { listener, url } = await listen();
      const source = webSocket(url, { WebSocket });
      for (let how = 0; how < 150; how++) {
        const a = new End(await dial(source)).start();
        const b = new End(await listener.accept()).start();
        if (how % 3 === 0) a.destroy();
        else if (how % 3 === 1) a.write(new Uint8Array(1000)).end();
        else b.end();
        await (how % 3 === 2 ? a : b).closedOnce();
        a.destroy();
        b.destroy();
      }
      await listener.server.close();
    }
    await vi.waitFor(() => expect(handles()).toEqual(idle), 5_000);
  });
});
