// How a conduit comes to its first link: create, connect, the seed's names, and what goes wrong on the way.
import { describe, expect, test } from "vitest";
import {
  Attachment,
  type Bytes,
  connect,
  exhaustedSource,
  type Link,
  type LinkSource,
  pair,
  prepareAcceptorAttachment,
  recvClientHello,
  StableConduit,
  singleAttachmentSource,
  singleLinkSource,
  tcp,
} from "../../src/node.js";
import { encodeClientHello, payloadFor } from "../../src/proto/handshake.js";
import {
  accepted,
  bytes,
  type Conduit,
  cleanSlate,
  failure,
  gated,
  later,
  lost,
  PROFILES,
  portOf,
  RawPeer,
  service,
  session,
  sourceFor,
  take,
  text,
  thrown,
  track,
  turn,
  until,
} from "./helpers.js";

cleanSlate();

const never: LinkSource = { nextLink: () => new Promise(() => {}) };

async function dial(port: number): Promise<Link> {
  return (await tcp({ host: "127.0.0.1", port }).nextLink({ number: 0, error: null, signal: neverAborted }))
    .link;
}
const neverAborted = new AbortController().signal;

/** Inbound links without an acceptor. */
async function inbound(): Promise<{ port: number; next: () => Promise<Link> }> {
  const server = tcp.server({ host: "127.0.0.1", port: 0 });
  const links: Link[] = [];
  const address = await server.listen(
    (link) => {
      links.push(link);
      later(() => link.destroy());
    },
    () => {},
  );
  later(() => server.close());
  const next = async () => {
    await until(() => links.length > 0);
    return links.shift()!;
  };
  return { port: (address as { port: number }).port, next };
}

describe("create", () => {
  test("create() takes items before the first link is up, and sends them when it is", async () => {
    const acceptor = await service();
    const source = gated(sourceFor(portOf(acceptor)));
    const client = track(StableConduit.create(source));
    client.send(bytes("one"));
    await client.write(bytes("two"));
    expect(client.sendBatch(bytes("threefour"), Uint32Array.of(5, 4))).toBe(2);
    client.sendInto(
      9,
      (ring, at) => at + new TextEncoder().encodeInto("five", ring.subarray(at, at + 9)).written,
    );
    expect(client.status).toMatchObject({ state: "connecting", attempt: 0, retryAt: null, error: null });
    source.open();
    await client.opened;
    expect(await take(await accepted(acceptor), 5)).toEqual(["one", "two", "three", "four", "five"]);
  });

  test("until the peer's limits are known an item has at most 64 KiB", async () => {
    const acceptor = await service();
    const source = gated(sourceFor(portOf(acceptor)));
    const client = track(StableConduit.create(source));
    expect(thrown(() => client.send(new Uint8Array(65_537))).code).toBe("CONDUIT_FRAME_TOO_LARGE");
    client.send(new Uint8Array(65_536));
    source.open();
    await client.opened;
    client.send(new Uint8Array(65_537));
    const server = await accepted(acceptor);
    expect((await server.recv())?.length).toBe(65_536);
    expect((await server.recv())?.length).toBe(65_537);
  });

  test("an early item that is larger than the peer allows ends the session, and is among the undelivered", async () => {
    const acceptor = await service({ maxFrameBytes: 1_000 });
    const source = gated(sourceFor(portOf(acceptor)));
    const client = track(StableConduit.create(source));
    client.send(new Uint8Array(1_001));
    source.open();
    const { error, undelivered } = await lost(client);
    expect(error).toMatchObject({ code: "CONDUIT_FRAME_TOO_LARGE", blame: "local" });
    expect([undelivered.length, undelivered.firstUnsent]).toEqual([1, 0]);
  });

  test.each([
    [{ replayBytes: 1 }, /replayBytes/],
    [{ maxFrameBytes: 2 ** 24 }, /half of replayBytes/],
    [{ profile: "fast" as "base" }, /profile/],
    [{ allowHalfOpen: 1 as unknown as boolean }, /allowHalfOpen/],
    [{ connectTimeoutMs: -1 }, /connectTimeoutMs/],
    [{ retry: { baseMs: Number.NaN } }, /baseMs/],
    [{ probeMs: 1.5 }, /probeMs/],
  ])("create() throws, and connect() rejects with CONDUIT_OPTIONS for %o", async (options, message) => {
    const expected = { code: "CONDUIT_OPTIONS", blame: "local", message: expect.stringMatching(message) };
    expect(thrown(() => StableConduit.create(never, options))).toMatchObject(expected);
    expect(await failure(connect(never, options))).toMatchObject(expected);
  });
});

describe("connect", () => {
  test("connect() and open() resolve when the first link is open, and status says so", async () => {
    const acceptor = await service();
    for (const open of [connect, StableConduit.open]) {
      const client = track(await open(sourceFor(portOf(acceptor))));
      expect(client.status).toEqual({ state: "open", profile: "extended", rttMs: null });
      const server = await accepted(acceptor);
      expect(server.id).toBe(client.id); // the acceptor's choice, told by its settings
      expect(acceptor.sessions.get(client.id)).toBe(server);
    }
  });

  test("connect() rejects when there is no link within connectTimeoutMs, with the last failure as the cause", async () => {
    const refused = await service();
    const port = portOf(refused);
    await refused.close();
    const error = await failure(
      connect(sourceFor(port), { connectTimeoutMs: 60, retry: { baseMs: 1, capMs: 5 } }),
    );
    expect(error).toMatchObject({ code: "CONDUIT_LINK", blame: "link" });
    expect(error.message).toContain("connectTimeoutMs");
    expect(error.cause).toMatchObject({ code: "CONDUIT_LINK", cause: { code: "ECONNREFUSED" } });
  });

  test("connect() rejects when there is no answer at all, and the pending attempt is aborted", async () => {
    let aborted = false;
    const source: LinkSource = {
      nextLink: ({ signal }) =>
        new Promise(() => {
          signal.addEventListener("abort", () => {
            aborted = true;
          });
        }),
    };
    expect(await failure(connect(source, { connectTimeoutMs: 20 }))).toMatchObject({ code: "CONDUIT_LINK" });
    expect(aborted).toBe(true);
  });

  test("a failed connect() that the caller handles prints no warning", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on("warning", note);
    later(() => process.off("warning", note));
    await failure(connect(never, { connectTimeoutMs: 5 }));
    await turn(5);
    expect(warnings).toEqual([]);
  });

  test("a signal ends the conduit before, during and after the first link", async () => {
    const reason = new Error("enough");
    let asked = 0;
    const counted: LinkSource = {
      nextLink: () => {
        asked++;
        return new Promise(() => {});
      },
    };
    const before = await failure(connect(counted, { signal: AbortSignal.abort(reason) }));
    expect(before).toMatchObject({ code: "CONDUIT_ABORTED", cause: reason });
    expect(asked).toBe(0);

    const during = new AbortController();
    const pending = failure(connect(counted, { signal: during.signal }));
    await until(() => asked === 1);
    during.abort(reason);
    expect(await pending).toMatchObject({ code: "CONDUIT_ABORTED", cause: reason });

    const after = new AbortController();
    const { client, server } = await session({ client: { signal: after.signal } });
    after.abort(reason);
    expect((await lost(client)).error).toMatchObject({
      code: "CONDUIT_ABORTED",
      blame: "local",
      cause: reason,
    });
    expect((await lost(server)).error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
  });
});

describe("the seed's names", () => {
  test.each(PROFILES)(
    "withFirstLink() on both sides, with later links from the sources: %s",
    async (profile) => {
      const { port, next } = await inbound();
      const first = await dial(port);
      const opening = StableConduit.withFirstLink(first, undefined, sourceFor(port), {
        profile,
        retry: { baseMs: 1, capMs: 5 },
      });
      const inboundLink = await next();
      const hello = await recvClientHello(inboundLink, { timeoutMs: 1_000 });
      expect(hello).toEqual({ resumeKey: null, lastReceived: null, extended: profile === "extended" });
      const links: Link[] = [inboundLink];
      const acceptorSource: LinkSource = {
        async nextLink() {
          const link = await next();
          links.push(link);
          return prepareAcceptorAttachment(link, { timeoutMs: 1_000 });
        },
      };
      const accepting = StableConduit.withFirstLink(inboundLink, hello, acceptorSource, {
        profile,
        retry: { baseMs: 1, capMs: 5 },
      });
      const [client, server] = await Promise.all([opening, accepting]);
      track(client);
      track(server);
      client.send(bytes("there"));
      server.send(bytes("back"));
      expect(await take(server as Conduit, 1)).toEqual(["there"]);
      expect(await take(client as Conduit, 1)).toEqual(["back"]);

      client.reconnect();
      client.send(bytes("again"));
      server.send(bytes("and again"));
      expect(await take(server as Conduit, 1)).toEqual(["again"]);
      expect(await take(client as Conduit, 1)).toEqual(["and again"]);
      expect(links.length).toBe(2);
      expect([client.stats().links, server.stats().resumes]).toEqual([2, 1]);
    },
  );

  test("an attachment without a ClientHello is a failed attempt of an accepting conduit, and its link is destroyed", async () => {
    const [a, b] = pair();
    const opening = StableConduit.withFirstLink(a, undefined, exhaustedSource());
    const [ours, theirs] = pair();
    let closed = false;
    theirs.start({
      bytes: () => {},
      written: () => {},
      closed: () => {
        closed = true;
      },
    });
    const errors: unknown[] = [];
    const source: LinkSource = {
      nextLink({ error }) {
        errors.push(error?.message);
        return errors.length === 1
          ? Promise.resolve(Attachment.initiator(ours))
          : exhaustedSource().nextLink(null as never);
      },
    };
    const server = await StableConduit.withFirstLink(b, await recvClientHello(b), source, {
      retry: { baseMs: 1 },
    });
    track(await opening);
    a.destroy();
    expect((await lost(server as Conduit)).error).toMatchObject({ reason: "source-ended" });
    expect(errors).toEqual(["the peer closed the link", expect.stringContaining("without a ClientHello")]);
    await until(() => closed);
  });

  test.each(["singleLinkSource", "singleAttachmentSource", "exhaustedSource"] as const)(
    "%s() gives one link; when that dies the session ends with source-ended and its undelivered items",
    async (kind) => {
      const { port, next } = await inbound();
      const link = await dial(port);
      const opening =
        kind === "exhaustedSource"
          ? StableConduit.withFirstLink(link, undefined, exhaustedSource())
          : connect(
              kind === "singleLinkSource"
                ? singleLinkSource(link)
                : singleAttachmentSource(Attachment.initiator(link)),
            );
      const accepting = await next();
      const server = track(
        await StableConduit.withFirstLink(accepting, await recvClientHello(accepting), exhaustedSource()),
      );
      const client = await opening;
      accepting.destroy();
      client.send(bytes("one"));
      client.send(bytes("two"));
      const { error, undelivered } = await lost(client as Conduit);
      expect(error).toMatchObject({ code: "CONDUIT_SESSION_LOST", reason: "source-ended" });
      expect([...undelivered].map(text)).toEqual(["one", "two"]);
      server.abort();
    },
  );

  test("recvClientHello() gives up in time, with the signal's reason, or when the link dies, and destroys the link", async () => {
    const { port, next } = await inbound();
    const stalled = await RawPeer.dial(port);
    expect(await failure(recvClientHello(await next(), { timeoutMs: 10 }))).toMatchObject({
      code: "CONDUIT_HANDSHAKE_TIMEOUT",
      blame: "peer",
    });
    await until(() => stalled.closed);

    const waiting = await RawPeer.dial(port);
    const controller = new AbortController();
    const pending = failure(recvClientHello(await next(), { signal: controller.signal }));
    const reason = new Error("no more");
    controller.abort(reason);
    expect(await pending).toBe(reason);
    await until(() => waiting.closed);

    const aborted = await RawPeer.dial(port);
    expect(await failure(recvClientHello(await next(), { signal: AbortSignal.abort(reason) }))).toBe(reason);
    await until(() => aborted.closed);

    const gone = await RawPeer.dial(port);
    const dying = failure(prepareAcceptorAttachment(await next()));
    gone.socket.destroy();
    expect(await dying).toMatchObject({ code: "CONDUIT_LINK" });
  });

  test("recvClientHello() rejects a link that begins with anything else [hello.bad]", async () => {
    const { port, next } = await inbound();
    for (const junk of [
      bytes("GET / HTTP/1.1\r\n\r\n"),
      new Uint8Array(29),
      bytes("\x19\0\0\0VOSH_____________________"),
    ]) {
      const peer = (await RawPeer.dial(port)).write(junk);
      expect((await failure(recvClientHello(await next()))).message).toContain("[hello.bad]");
      await until(() => peer.closed);
    }
  });

  test("what follows the ClientHello in the same chunk is not lost", async () => {
    const { port, next } = await inbound();
    const peer = await RawPeer.dial(port);
    const hello = payloadFor(
      "stream",
      encodeClientHello({ resumeKey: null, lastReceived: null, extended: false }),
    );
    const frame = payloadFor("stream", Uint8Array.of(0, 0, 2, 0, 0, 0, 0x68, 0x69) as Bytes);
    peer.write(hello, frame, frame.subarray(0, 3));
    const link = await next();
    const attachment = await prepareAcceptorAttachment(link);
    await turn(5); // nobody listens meanwhile
    const server = track(
      await StableConduit.withFirstLink(link, attachment.clientHello ?? undefined, exhaustedSource()),
    );
    expect(server.status).toMatchObject({ state: "open", profile: "base" });
    expect(text(await server.recv())).toBe("hi");
    server.abort();
  });

  test("split() gives the two directions; a prepared item may change after prepareSend()", async () => {
    const { client, server } = await session();
    const { tx } = client.split();
    const { rx } = server.split();
    const item = bytes("first");
    const prepared = tx.prepareSend(item);
    item.fill(0);
    await tx.sendPrepared(tx.prepareSend(bytes("zeroth")));
    await tx.sendPrepared(prepared);
    expect(text(await rx.recv())).toBe("zeroth");
    expect(text(await rx.recv())).toBe("first");
    await tx.close();
    expect(await rx.recv()).toBeUndefined();
    expect(await client.closed).toEqual({ clean: true });
  });

  test("prepareSend() throws CONDUIT_ENCODE for what is no bytes", async () => {
    const { client } = await session();
    expect(thrown(() => client.split().tx.prepareSend("text" as never)).code).toBe("CONDUIT_ENCODE");
  });

  test("withMessagePlan() decodes what is received, and comes too late after the first item", async () => {
    const { client, server } = await session();
    const plan = {
      decode: (chunk: Uint8Array, start: number, end: number) =>
        JSON.parse(text(chunk.subarray(start, end))!) as { n: number },
    };
    const decoding = server.withMessagePlan(plan);
    client.send(bytes('{"n":1}'));
    client.send(bytes('{"n":2}'));
    expect(await decoding.recv()).toEqual({ n: 1 });
    expect(thrown(() => server.withMessagePlan(plan)).code).toBe("CONDUIT_OPTIONS");
    for await (const value of decoding) {
      expect(value).toEqual({ n: 2 });
      break;
    }
  });

  test("an item that cannot be decoded ends the session with CONDUIT_DECODE and is not acknowledged [ack.cumulative]", async () => {
    const { client, server } = await session();
    const decoding = server.withMessagePlan({
      decode: (chunk, start, end) => JSON.parse(text(chunk.subarray(start, end))!) as unknown,
    });
    client.send(bytes("1"));
    client.send(bytes("{"));
    expect(await decoding.recv()).toBe(1);
    expect(await failure(decoding.recv())).toMatchObject({ code: "CONDUIT_DECODE" });
    expect((await lost(server)).error).toMatchObject({
      code: "CONDUIT_DECODE",
      cause: expect.any(SyntaxError),
    });
    const { error, undelivered } = await lost(client);
    expect(error).toMatchObject({ code: "CONDUIT_ABORTED", blame: "peer" });
    expect([...undelivered].map(text)).toContain("{");
  });
});
