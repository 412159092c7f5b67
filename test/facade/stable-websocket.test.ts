// What StableWebSocket adds to a WebSocket: it goes on when links die, and says how a session ended. Real servers, real
// links, and a proxy that cuts them.
import { once } from "node:events";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { WebSocket as WsWebSocket } from "ws";
import {
  type ChaosOptions,
  type ChaosProxy,
  randomFrom,
  startChaosProxy,
} from "../../examples/demo/chaos-proxy.js";
import { type Acceptor, type Bytes, connect, type ListenOptions, listen } from "../../src/node.js";
import {
  type ConduitSocket,
  StableWebSocket,
  type StableWebSocketOptions,
  webSocketOver,
} from "../../src/stable-websocket.js";
import { webSocketServer } from "../../src/ws.js";
import {
  accepted,
  cleanSlate,
  later,
  portOf,
  service,
  sourceFor,
  thrown,
  timeout,
  track,
  turn,
  until,
} from "../session/helpers.js";
import { seeds } from "../wasm/random.js";

cleanSlate();

const RETRY = { baseMs: 1, capMs: 20 };

interface Both {
  client: StableWebSocket;
  server: ConduitSocket;
  acceptor: Acceptor<Uint8Array, Bytes, unknown>;
  proxy: ChaosProxy;
}

/** Both ends of a session, open, with a chaos proxy between them. */
async function both(
  given: {
    client?: StableWebSocketOptions;
    server?: ListenOptions<Uint8Array, Bytes, unknown>;
    chaos?: Omit<ChaosOptions, "target">;
  } = {},
): Promise<Both> {
  const acceptor = await listen<Uint8Array, Bytes, unknown>(
    webSocketServer({ host: "127.0.0.1", port: 0 }),
    given.server,
  );
  later(() => acceptor.close({ timeoutMs: 1 }));
  const target = { host: "127.0.0.1", port: portOf(acceptor) };
  const proxy = await startChaosProxy({ target, ...given.chaos });
  later(() => proxy.close());
  const client = socketTo(proxy.port, given.client);
  const [server] = await Promise.all([accepted(acceptor), once(client, "open")]);
  return { client, server: webSocketOver(server), acceptor, proxy };
}

function socketTo(port: number, options: StableWebSocketOptions = {}): StableWebSocket {
  const socket = new StableWebSocket(`ws://127.0.0.1:${port}/`, [], {
    WebSocket: WsWebSocket,
    retry: RETRY,
    ...options,
  });
  socket.binaryType = "arraybuffer";
  later(() => socket.conduit.abort());
  return socket;
}

/** What the socket's messages are, as they come. */
function messages(socket: ConduitSocket): unknown[] {
  const seen: unknown[] = [];
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => seen.push(data);
  return seen;
}

async function ending(socket: ConduitSocket) {
  const errors: { code: string }[] = [];
  socket.addEventListener("error", (event) => errors.push((event as unknown as { error: never }).error));
  const [{ code, reason, wasClean }] = (await timeout(once(socket, "close"), 5_000, "close")) as [CloseEvent];
  return { code, reason, wasClean, errors: errors.map((error) => error.code) };
}

describe("over links that die", () => {
  test.each(seeds(2))(
    "texts, bytes and Blobs arrive once and in order, both ways, and nothing is told: seed %i [recv.order]",
    async (seed) => {
      const random = randomFrom(seed);
      const { client, server, proxy } = await both({
        client: { ackDelayMs: 1 },
        chaos: { seed, cutAfterBytes: () => 1_500 + Math.floor(random() * 20_000) },
      });
      let told = 0;
      for (const socket of [client, server]) {
        for (const type of ["open", "error", "close"]) socket.addEventListener(type, () => told++);
      }
      const [there, back] = [messages(server), messages(client)];
      const total = 1_000;
      const message = (n: number) => {
        const text = `${n} ${"x".repeat(n % 97)}`;
        return [text, new TextEncoder().encode(text), new Blob([text])][n % 3];
      };
      for (let n = 0; n < total; n++) {
        client.send(message(n));
        server.send(message(n));
        if (n % 50 === 0) await turn(1);
      }
      await until(() => there.length === total && back.length === total, 30_000);
      for (const seen of [there, back]) {
        seen.forEach((data, n) => {
          expect(typeof data).toBe(n % 3 === 0 ? "string" : "object");
          const text = typeof data === "string" ? data : new TextDecoder().decode(data as ArrayBuffer);
          expect(Number(text.split(" ")[0])).toBe(n);
        });
      }
      expect(proxy.cuts).toBeGreaterThan(5);
      expect([told, client.readyState, client.bufferedAmount]).toEqual([0, 1, 0]);
    },
  );

  test("without a link it stays OPEN and messages add up in bufferedAmount, which is 0 again when they are gone", async () => {
    const { client, server, proxy } = await both();
    const seen = messages(server);
    proxy.setMode("refuse");
    proxy.cutAll();
    await until(() => client.conduit.status.state === "reconnecting");
    for (let n = 0; n < 100; n++) client.send("0123456789");
    await turn(20);
    expect([client.readyState, client.bufferedAmount, seen.length]).toEqual([1, 1_000, 0]);
    proxy.setMode("forward");
    await until(() => seen.length === 100);
    await until(() => client.bufferedAmount === 0);
  });

  test("a close that is said without a link arrives behind everything else, when there is one", async () => {
    const { client, server, proxy } = await both();
    const seen = messages(server);
    proxy.setMode("refuse");
    proxy.cutAll();
    await until(() => client.conduit.status.state === "reconnecting");
    client.send("last");
    client.send(new Blob(["words"]));
    const ends = Promise.all([ending(client), ending(server)]);
    client.close(3000, "done");
    await turn(10);
    proxy.setMode("forward");
    const [near, far] = await ends;
    expect(far).toEqual({ code: 3000, reason: "done", wasClean: true, errors: [] });
    expect(near).toMatchObject({ code: 3000, wasClean: true });
    expect([seen[0], new TextDecoder().decode(seen[1] as ArrayBuffer)]).toEqual(["last", "words"]);
  });
});

describe("what does not fit", () => {
  test("a burst larger than the replay ring waits in memory and arrives", async () => {
    const { client, server } = await both({ client: { replayBytes: 1 << 16, maxFrameBytes: 1 << 14 } });
    const seen = messages(server);
    for (let n = 0; n < 3_000; n++) client.send(`${n} ${"x".repeat(100)}`);
    expect(client.bufferedAmount).toBeGreaterThan(300_000);
    await until(() => seen.length === 3_000);
    expect(seen.every((data, n) => Number((data as string).split(" ")[0]) === n)).toBe(true);
  });

  test("beyond maxBufferedBytes the socket is full: it fails with 1006 and says why", async () => {
    const limits = { replayBytes: 1 << 16, maxFrameBytes: 1 << 14, maxBufferedBytes: 10_000 };
    const { client } = await both({ client: limits });
    const ended = ending(client);
    let sent = 0;
    while (client.readyState === 1) {
      client.send("x".repeat(1_000));
      sent++;
    }
    expect(sent).toBeGreaterThan(60);
    expect(await ended).toEqual({ code: 1006, reason: "", wasClean: false, errors: ["CONDUIT_REPLAY_FULL"] });
    expect(client.bufferedAmount).toBeGreaterThanOrEqual(10_000);
  });

  test("a message above maxFrameBytes fails the connection with 1009", async () => {
    const { client, server } = await both({ client: { maxFrameBytes: 1_000 } });
    const seen = messages(server);
    const ended = ending(client);
    client.send("x".repeat(999)); // and its kind
    await until(() => seen.length === 1);
    client.send("x".repeat(1_000));
    expect(await ended).toMatchObject({ code: 1009, wasClean: false, errors: ["CONDUIT_FRAME_TOO_LARGE"] });
  });

  test("a Blob that cannot be read fails the connection", async () => {
    const { client } = await both();
    const broken = new Blob(["a"]);
    broken.arrayBuffer = () => Promise.reject(new Error("gone"));
    const ended = ending(client);
    client.send(broken);
    expect(await ended).toMatchObject({ code: 1006, errors: ["CONDUIT_ENCODE"] });
  });
});

describe("how a session ends", () => {
  test("nobody there within connectTimeoutMs is 1006", async () => {
    const acceptor = await listen(webSocketServer({ host: "127.0.0.1", port: 0 }));
    const port = portOf(acceptor as never);
    await acceptor.close();
    const client = socketTo(port, { connectTimeoutMs: 100 });
    expect(await ending(client)).toEqual({
      code: 1006,
      reason: "",
      wasClean: false,
      errors: ["CONDUIT_LINK"],
    });
  });

  test("credentials that are refused are 1008", async () => {
    const acceptor = await listen<Uint8Array, Bytes, unknown>(
      webSocketServer({ host: "127.0.0.1", port: 0 }),
      {
        authorize: ({ credentials }) =>
          new TextDecoder().decode(credentials!) === "right" ? { data: null } : null,
      },
    );
    later(() => acceptor.close({ timeoutMs: 1 }));
    const right = socketTo(portOf(acceptor), { credentials: () => "right" });
    await once(right, "open");
    const wrong = socketTo(portOf(acceptor), { credentials: () => "wrong" });
    expect(await ending(wrong)).toMatchObject({ code: 1008, errors: ["CONDUIT_UNAUTHORIZED"] });
  });

  test("a session that has expired is 1006 on both sides, and the conduit has what was not delivered", async () => {
    const { client, server, proxy } = await both({ server: { graceMs: 50 } });
    proxy.setMode("refuse");
    proxy.cutAll();
    await until(() => client.conduit.status.state === "reconnecting");
    client.send("never");
    expect(await ending(server)).toMatchObject({ code: 1006, errors: ["CONDUIT_SESSION_LOST"] });
    proxy.setMode("forward");
    expect(await ending(client)).toMatchObject({ code: 1006, errors: ["CONDUIT_SESSION_LOST"] });
    const close = await client.conduit.closed;
    if (close.clean) throw new Error("it was clean");
    expect([...close.undelivered].map((item) => new TextDecoder().decode(item.subarray(1)))).toEqual([
      "never",
    ]);
    expect(client.bufferedAmount).toBe(5);
  });

  test("a close that no link has taken has no bytes in bufferedAmount", async () => {
    const { client, proxy } = await both({ client: { closeTimeoutMs: 20 } });
    proxy.setMode("refuse");
    proxy.cutAll();
    await until(() => client.conduit.status.state === "reconnecting");
    client.send("never");
    client.close(3000, "bye");
    expect(await ending(client)).toMatchObject({ code: 1006 });
    expect(client.bufferedAmount).toBe(5);
  });

  test("an end of the conduit without a close is 1005 and clean", async () => {
    const { client, server } = await both();
    const ends = Promise.all([ending(client), ending(server)]);
    client.conduit.close();
    expect((await ends).map(({ code, wasClean }) => [code, wasClean])).toEqual([
      [1005, true],
      [1005, true],
    ]);
  });

  test("an acceptor that goes away closes in good order; 1001 is the application's to say", async () => {
    const { client, server, acceptor } = await both();
    const ends = Promise.all([ending(client), ending(server)]);
    server.close(1001, "restart");
    await acceptor.close();
    expect(await ends).toEqual([
      { code: 1001, reason: "restart", wasClean: true, errors: [] },
      { code: 1001, reason: "", wasClean: true, errors: [] },
    ]);
  });

  test("both sides that close at once get each other's code", async () => {
    const { client, server } = await both();
    const ends = Promise.all([ending(client), ending(server)]);
    client.close(3001);
    server.close(3002);
    expect((await ends).map(({ code }) => code)).toEqual([3002, 3001]);
  });

  test("a close that nobody answers within closeTimeoutMs is 1006", async () => {
    const { client, proxy } = await both({ client: { closeTimeoutMs: 50 } });
    proxy.setMode("half-open");
    client.close(3000);
    expect(await ending(client)).toMatchObject({ code: 1006, wasClean: false, errors: ["CONDUIT_ABORTED"] });
  });

  test.each([
    ["no kind", []],
    ["an unknown kind", [3, 1]],
    ["text that is not UTF-8", [1, 0xff]],
    ["half a code", [8, 3]],
    ["a code that nobody may send", [8, 0x03, 0xed]],
    ["a reason that is too long", [8, 0x03, 0xe8, ...new Array<number>(124).fill(65)]],
  ])("an item that is no message ends the session with 1002: %s", async (_, item) => {
    const { client, server } = await both();
    const ended = ending(server);
    client.conduit.send(new Uint8Array(item));
    expect(await ended).toMatchObject({ code: 1002, errors: ["CONDUIT_PROTOCOL"] });
    expect((await ending(client)).wasClean).toBe(false);
  });
});

describe("the rest", () => {
  test("webSocketOver() makes sockets of both ends of any conduit, with the url and protocol that it is told", async () => {
    const acceptor = await service(); // over TCP
    const conduit = track(await connect(sourceFor(portOf(acceptor))));
    const client = webSocketOver(conduit, { url: "wss://example.test/a", protocol: "chat" });
    const server = webSocketOver(await accepted(acceptor));
    expect([client.url, client.protocol, client.readyState, server.url]).toEqual([
      "wss://example.test/a",
      "chat",
      1,
      "",
    ]);
    server.send("early"); // before anybody listens
    const [message] = (await once(client, "message")) as [MessageEvent];
    expect([message.data, message.origin]).toEqual(["early", "wss://example.test"]);
    expect(thrown(() => server.close(1005)).name).toBe("InvalidAccessError");
    server.close(1011);
    expect(await ending(client)).toMatchObject({ code: 1011, wasClean: true });
  });

  test("a url that is only a path is said, and its messages have no origin", async () => {
    const acceptor = await service();
    const client = webSocketOver(track(await connect(sourceFor(portOf(acceptor)))), { url: "/chat" });
    webSocketOver(await accepted(acceptor)).send("hello");
    const [message] = (await timeout(once(client, "message"), 5_000, "message")) as [MessageEvent];
    expect([client.url, message.data, message.origin]).toEqual(["/chat", "hello", ""]);
  });

  test("a closeTimeoutMs of Infinity waits for the peer's close, however late it is", async () => {
    const acceptor = await service();
    const conduit = track(await connect(sourceFor(portOf(acceptor))));
    const client = webSocketOver(conduit, { closeTimeoutMs: Number.POSITIVE_INFINITY });
    const ended = ending(client);
    client.close(3000);
    await turn(50);
    expect(client.readyState).toBe(2);
    webSocketOver(await accepted(acceptor));
    expect(await ended).toMatchObject({ code: 3000, wasClean: true });
  });

  test.each([
    [200, { code: 3000, reason: "a reason" }],
    [3, { code: 3000, reason: "" }],
    [2, { code: 1005, reason: "" }],
    [1, { code: 1005, reason: "" }],
  ])(
    "a close says what %i bytes of the peer's maxFrameBytes admit [link.max]",
    async (maxFrameBytes, said) => {
      const { client, server } = await both({ server: { maxFrameBytes } });
      const endings = [ending(client), ending(server)];
      client.close(3000, "a reason");
      const [near, far] = await Promise.all(endings);
      expect(far).toMatchObject({ ...said, wasClean: true });
      expect(near).toMatchObject({ code: said.code, wasClean: true });
    },
  );

  test("over a conduit that has a consumer already it fails, with CONDUIT_OPTIONS", async () => {
    const acceptor = await service();
    const conduit = track(await connect(sourceFor(portOf(acceptor))));
    const server = await accepted(acceptor);
    conduit.recv();
    expect(await ending(webSocketOver(conduit))).toMatchObject({ code: 1006, errors: ["CONDUIT_OPTIONS"] });
    expect(await server.closed).toMatchObject({ clean: false });
  });

  test("an ArrayBuffer of another realm, a frame's say, is sent as its bytes", async () => {
    const { client, server } = await both();
    const seen = messages(server);
    client.send(runInNewContext("new Uint8Array([1, 2]).buffer"));
    await until(() => seen.length === 1);
    expect([...new Uint8Array(seen[0] as ArrayBuffer)]).toEqual([1, 2]);
  });

  test("it is a WebSocket to the type checker", () => {
    const make = (): WebSocket => new StableWebSocket("ws://example.test/");
    const Implementation: new (url: string, protocols?: string | string[]) => WebSocket = StableWebSocket;
    expect([make, Implementation]).toHaveLength(2);
  });

  test.each<StableWebSocketOptions>([
    { maxBufferedBytes: Number.NaN },
    { maxBufferedBytes: -1 },
    { replayBytes: 1 },
    { closeTimeoutMs: -1 },
  ])("options that cannot be are refused, and nothing is left: %o", (options) => {
    const make = () => new StableWebSocket("ws://127.0.0.1:1/", [], { WebSocket: WsWebSocket, ...options });
    expect(thrown(make)).toMatchObject({ code: "CONDUIT_OPTIONS" });
  });

  test("where there is no WebSocket the constructor says so", () => {
    const given = globalThis.WebSocket;
    Reflect.deleteProperty(globalThis, "WebSocket");
    try {
      expect(thrown(() => new StableWebSocket("ws://127.0.0.1:1/"))).toMatchObject({
        code: "CONDUIT_OPTIONS",
      });
    } finally {
      if (given) globalThis.WebSocket = given;
    }
  });
});
