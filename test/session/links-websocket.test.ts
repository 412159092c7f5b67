// Conduits over WebSocket: what is sent arrives once and in order while the links are cut; who may connect; what ends a session.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket as UndiciWebSocket } from "undici";
import { describe, expect, test } from "vitest";
import { WebSocketServer, WebSocket as WsWebSocket } from "ws";
import { type ChaosOptions, randomFrom, startChaosProxy } from "../../examples/demo/chaos-proxy.js";
import type { AuthorizeRequest } from "../../src/index.js";
import {
  type Bytes,
  type ConnectOptions,
  connect,
  type ListenOptions,
  listen,
  type WebSocketConstructor,
  type WebSocketLike,
  webSocket,
} from "../../src/node.js";
import { webSocketLink, webSocketServer } from "../../src/ws.js";
import { seeds } from "../wasm/random.js";
import {
  accepted,
  bytes,
  type Conduit,
  Counter,
  cleanSlate,
  failure,
  later,
  lost,
  numbered,
  PROFILES,
  portOf,
  type Service,
  sendNumbered,
  take,
  timeout,
  track,
  until,
} from "./helpers.js";

cleanSlate();

const CLIENTS: [string, WebSocketConstructor][] = [
  ["ws", WsWebSocket],
  ["undici", UndiciWebSocket],
];
const RETRY = { baseMs: 1, capMs: 20 };

async function service(options: ListenOptions<Uint8Array, Bytes, unknown> = {}): Promise<Service> {
  const acceptor = await listen<Uint8Array, Bytes, unknown>(
    webSocketServer({ host: "127.0.0.1", port: 0 }),
    options,
  );
  later(() => acceptor.close({ timeoutMs: 1 }));
  return acceptor;
}

function client(
  port: number,
  WebSocket: WebSocketConstructor,
  options: ConnectOptions = {},
): Promise<Conduit> {
  const source = webSocket(`ws://127.0.0.1:${port}/`, { WebSocket });
  return connect<Uint8Array, Bytes>(source, { retry: RETRY, ...options }).then(track);
}

/** Both ends of a session, with a chaos proxy between them. */
async function session(
  WebSocket: WebSocketConstructor,
  both: ConnectOptions & ListenOptions<Uint8Array, Bytes, unknown> = {},
  chaos: Omit<ChaosOptions, "target"> = {},
) {
  const acceptor = await service(both);
  const proxy = await startChaosProxy({ target: { host: "127.0.0.1", port: portOf(acceptor) }, ...chaos });
  later(() => proxy.close());
  const conduit = await client(proxy.port, WebSocket, both);
  return { client: conduit, server: await accepted(acceptor), acceptor, proxy };
}

describe("a conduit over WebSocket", () => {
  const cases = CLIENTS.flatMap(([name, WebSocket]) =>
    PROFILES.flatMap((profile) => seeds(1).map((seed) => [name, profile, seed, WebSocket] as const)),
  );

  test.each(cases)(
    "thousands of items both ways over links that are cut at random bytes: %s, %s, seed %i [recv.order] [link.cut]",
    async (_, profile, seed, WebSocket) => {
      const random = randomFrom(seed);
      const total = 5_000;
      const { client, server, proxy } = await session(
        WebSocket,
        { profile, replayBytes: 1 << 18, ackBytes: 4_096, ackDelayMs: 1, probeMs: 30 },
        // A WebSocket's handshake alone takes 400 bytes.
        { seed, maxChunk: 3_000, cutAfterBytes: () => 1_000 + Math.floor(random() * 60_000) },
      );
      const [there, back] = [new Counter().attach(server), new Counter().attach(client)];
      const size = () => 4 + Math.floor(random() * 200);
      const run = async (conduit: Conduit) => {
        for (let n = 0; n < total; n++) await conduit.write(numbered(n, size()));
      };
      await timeout(Promise.all([run(client), run(server)]), 25_000, "writing");
      await until(() => there.next === total && back.next === total, 15_000);
      expect(proxy.cuts).toBeGreaterThanOrEqual(15);
      expect(client.stats().links).toBeGreaterThan(10);
    },
  );

  test.each(CLIENTS)("the end is clean in the extended profile: %s", async (_, WebSocket) => {
    const { client, server } = await session(WebSocket);
    client.send(bytes("last"));
    const [items] = await Promise.all([take(server, 1), client.end()]);
    expect(items).toEqual(["last"]);
    expect(await server.recv()).toBeUndefined();
    expect(await Promise.all([client.closed, server.closed])).toEqual([{ clean: true }, { clean: true }]);
  });

  test.each(CLIENTS)(
    "many records share a message in the extended profile, an item has one of its own in the base profile: %s [link.message]",
    async (_, WebSocket) => {
      const counts: Record<string, number> = {};
      for (const profile of PROFILES) {
        let messages = 0;
        const Spy = class extends (WebSocket as typeof WsWebSocket) {
          constructor(url: string, protocols: string[]) {
            super(url, protocols);
            const count = () => messages++;
            this.addEventListener("message", count);
          }
        };
        const acceptor = await service({ profile });
        const conduit = await client(portOf(acceptor), Spy, { profile });
        const counter = new Counter().attach(conduit);
        const server = await accepted(acceptor);
        for (let n = 0; n < 2_000; n++) server.send(numbered(n, 64));
        await until(() => counter.next === 2_000);
        counts[profile] = messages;
      }
      expect(counts.base).toBe(2_000 + 1); // the ServerHello
      expect(counts.extended).toBeLessThan(100);
    },
  );

  test("messages begin small on each link, so that a bad one brings some, and grow with each ack [link.cut]", async () => {
    const sizes: number[] = [];
    class Spy extends WsWebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        this.addEventListener("message", ({ data }) => sizes.push((data as ArrayBuffer).byteLength));
      }
    }
    const acceptor = await service();
    const conduit = await client(portOf(acceptor), Spy);
    const server = await accepted(acceptor);
    const counter = new Counter().attach(conduit);
    for (const total of [20_000, 40_000]) {
      sizes.length = 0;
      for (let n = total - 20_000; n < total; n++) {
        if (n % 4_000 === 0) await server.delivered();
        server.send(numbered(n, 100));
      }
      await until(() => counter.next === total);
      const batches = sizes.filter((size) => size > 1_000);
      expect(batches[0]).toBeLessThanOrEqual(16_384);
      expect(batches[0]).toBeGreaterThan(16_000);
      expect(Math.max(...batches)).toBeGreaterThan(65_536);
      expect(Math.max(...batches)).toBeLessThanOrEqual(131_072);
      const { links } = conduit.stats();
      conduit.reconnect();
      await until(() => conduit.stats().links > links && server.status.state === "open");
    }
  });

  test.each(CLIENTS)(
    "a consumer that is slow bounds what a socket that cannot be paused brings: %s [ext.window]",
    async (_, WebSocket) => {
      const receiveWindow = 100_000;
      const { client, server } = await session(WebSocket, { receiveWindow });
      let release!: () => void;
      const stuck = new Promise<void>((resolve) => {
        release = resolve;
      });
      let most = 0;
      const counter = new Counter();
      client.onItems = async (batch) => {
        most = Math.max(most, client.stats().unhandedBytes);
        await stuck;
        for (const item of batch) counter.take(item);
      };
      const sending = sendNumbered(server, 0, 2_000, 1_000);
      await until(() => client.stats().unhandedBytes > receiveWindow / 2);
      await until(() => server.stats().unsentBytes > 1_000_000);
      most = Math.max(most, client.stats().unhandedBytes);
      expect(most).toBeLessThanOrEqual(receiveWindow);
      release();
      await sending;
      await until(() => counter.next === 2_000);
    },
  );

  test("authorize sees the origin of the page and its cookies, and refuses pages of others", async () => {
    const seen: unknown[] = [];
    const acceptor = await service({
      authorize({ link }: AuthorizeRequest<Uint8Array, Bytes, unknown>) {
        seen.push([link.origin, link.headers?.cookie, link.url]);
        return link.origin === "https://mine.test" ? { data: null } : null;
      },
    });
    const page = (origin: string) =>
      class extends WsWebSocket {
        constructor(url: string, protocols: string[]) {
          super(url, protocols, { origin, headers: { cookie: "a=1" } });
        }
      };
    await client(portOf(acceptor), page("https://mine.test"));
    const error = await failure(client(portOf(acceptor), page("https://other.test")));
    expect(error.code).toBe("CONDUIT_UNAUTHORIZED");
    expect(seen).toEqual([
      ["https://mine.test", "a=1", "/"],
      ["https://other.test", "a=1", "/"],
    ]);
  });

  test.each(CLIENTS)(
    "a peer that sends text ends the session at once, not after a reconnect loop: %s [error.fatal] [link.message]",
    async (_, WebSocket) => {
      const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
      later(() => server.close());
      await once(server, "listening");
      let links = 0;
      server.on("connection", (socket) => {
        links++;
        socket.send("welcome");
        later(() => socket.terminate());
      });
      const error = await failure(client((server.address() as AddressInfo).port, WebSocket));
      expect(error).toMatchObject({ code: "CONDUIT_PROTOCOL", blame: "peer", rule: "link.message" });
      expect(links).toBe(1);
    },
  );

  /** A session over one link, with the raw WebSockets of both ends: for what no conduit would send. */
  async function rawSession(WebSocket: WebSocketConstructor, options: ConnectOptions = {}) {
    const sockets = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    later(() => sockets.close());
    await once(sockets, "listening");
    const acceptor = await service({ maxFrameBytes: options.maxFrameBytes });
    let far: WsWebSocket | undefined;
    sockets.on("connection", (socket, request) => {
      far = socket;
      acceptor.accept(webSocketLink(socket, request));
    });
    let near: WebSocketLike | undefined;
    const Captured = class extends (WebSocket as typeof WsWebSocket) {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        near = this as WebSocketLike;
      }
    };
    const { port } = sockets.address() as AddressInfo;
    const conduit = await client(port, Captured, options);
    const server = await accepted(acceptor);
    return { client: conduit, server, acceptor, near: near!, far: far!, port };
  }

  test.each(CLIENTS)(
    "an initiator that sends text, or more than a message may be, ends the session on both sides at once: %s [error.fatal] [link.message] [link.max]",
    async (_, WebSocket) => {
      for (const [bad, rule] of [
        ["hello", "link.message"],
        [new Uint8Array(5_000), "link.max"],
      ] as const) {
        const { client, server, acceptor, near } = await rawSession(WebSocket, { maxFrameBytes: 1_000 });
        near.send(bad as Bytes);
        const { error } = await lost(server);
        expect(error).toMatchObject({ code: "CONDUIT_PROTOCOL", blame: "peer", rule });
        expect((await lost(client)).error).toMatchObject({ code: "CONDUIT_PROTOCOL", blame: "local" });
        expect(acceptor.sessions.size).toBe(0);
        expect(client.stats().links).toBe(1);
      }
    },
  );

  test("text on a link that belongs to no session yet ends that link only [link.message] [hello.bad]", async () => {
    const { client, server, port } = await rawSession(WsWebSocket);
    const stranger = new WsWebSocket(`ws://127.0.0.1:${port}/`);
    await once(stranger, "open");
    stranger.send("hello");
    const [code] = await once(stranger, "close");
    expect(code).toBe(1003);
    client.send(bytes("still there"));
    expect(await take(server, 1)).toEqual(["still there"]);
    expect(client.stats().links).toBe(1);
  });

  test.each(CLIENTS)(
    "a socket that cannot bound its messages brings one that is too large: the session ends, for any number of records in it: %s [link.max]",
    async (_, WebSocket) => {
      // A header that claims more, and whole records that are one message: PONGs, 13 bytes each, which a client takes.
      const pongs = new Uint8Array(13 * 400);
      for (let at = 0; at < pongs.length; at += 13) pongs.set([9, 0, 0, 0x80, 4], at);
      for (const message of [new Uint8Array(5_000), pongs]) {
        const { client, far } = await rawSession(WebSocket, { maxFrameBytes: 1_000 });
        far.send(message);
        expect((await lost(client)).error).toMatchObject({
          code: "CONDUIT_PROTOCOL",
          blame: "peer",
          rule: "link.max",
        });
      }
    },
  );

  test("a server whose messages are bounded more tightly than its sessions ends them with link.max, not with a loop [link.max]", async () => {
    const acceptor = await listen<Uint8Array, Bytes, unknown>(
      webSocketServer({ host: "127.0.0.1", port: 0, maxFrameBytes: 1_000 }),
    );
    later(() => acceptor.close({ timeoutMs: 1 }));
    const conduit = await client(portOf(acceptor), WsWebSocket);
    conduit.send(new Uint8Array(5_000));
    expect((await lost(conduit)).error).toMatchObject({
      code: "CONDUIT_PROTOCOL",
      blame: "local",
      rule: "link.max",
    });
    expect(conduit.stats().links).toBe(1);
  });

  test.each(CLIENTS)(
    "a server that is not there is tried until it is, without an unhandled error: %s",
    async (_, WebSocket) => {
      const first = await service();
      const port = portOf(first);
      await first.close({ timeoutMs: 1 });
      const attempt = client(port, WebSocket);
      const acceptor = await listen<Uint8Array, Bytes, unknown>(webSocketServer({ host: "127.0.0.1", port }));
      later(() => acceptor.close({ timeoutMs: 1 }));
      const conduit = await attempt;
      conduit.send(bytes("hello"));
      expect(await take(await accepted(acceptor), 1)).toEqual(["hello"]);
    },
  );
});
