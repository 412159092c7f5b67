// Links over message ports, within a thread and to other threads.
import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";
import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import type { MessageTarget } from "../../src/link/handoff.js";
import { type MessagePortLike, messagePort } from "../../src/link/message-port.js";
import { End, linkContract } from "./contract.js";
import { dial, failure, Listener } from "./sockets.js";

const expected = {
  framing: "message",
  pausable: false,
  drains: false,
  info: { transport: "message-port", encrypted: false },
} as const;

linkContract("MessagePort", expected, async () => {
  const { port1, port2 } = new MessageChannel();
  return { a: messagePort.link(port1), b: messagePort.link(port2) };
});

linkContract("MessagePort (handed off)", expected, async () => {
  const { port1, port2 } = new MessageChannel();
  const listener = new Listener(messagePort.server(port2));
  expect(await listener.listen()).toBe("message-port");
  const [a, b] = await Promise.all([dial(messagePort(port1)), listener.accept()]);
  return { a, b, cleanup: () => port1.close() };
});

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean();
});

function ports(): { port1: MessagePort; port2: MessagePort } {
  const channel = new globalThis.MessageChannel();
  cleanups.push(() => channel.port1.close());
  return channel;
}

function ends(): { a: End; b: End } {
  const { port1, port2 } = ports();
  return { a: new End(messagePort.link(port1)), b: new End(messagePort.link(port2)) };
}

const linkFailure = { code: "CONDUIT_LINK", blame: "link", fatal: false };

describe("messagePort()", () => {
  test("asks for a fresh port on each attempt", async () => {
    const channels: MessageChannel[] = [];
    const source = messagePort(async () => {
      const channel = new MessageChannel();
      channels.push(channel);
      cleanups.push(() => channel.port1.close());
      return channel.port1;
    });
    for (let attempt = 1; attempt <= 2; attempt++) {
      const a = new End(await dial(source)).start();
      const b = new End(messagePort.link(channels[attempt - 1].port2)).start();
      a.write(Uint8Array.of(attempt));
      await b.until(() => b.received === 1);
      expect(channels).toHaveLength(attempt);
    }
  });

  test("rejects with CONDUIT_LINK when there is no port, and with signal.reason when it is aborted", async () => {
    const cause = new Error("no worker");
    const broken = () => {
      throw cause;
    };
    expect(await failure(dial(messagePort(broken)))).toMatchObject({ ...linkFailure, cause });
    const reason = new Error("not any more");
    expect(await failure(dial(messagePort(broken), AbortSignal.abort(reason)))).toBe(reason);
  });

  test("closes a port that comes after the attempt was aborted", async () => {
    const { port1, port2 } = new MessageChannel();
    const controller = new AbortController();
    let bring!: (port: typeof port1) => void;
    const attempt = dial(
      messagePort(() => new Promise<typeof port1>((resolve) => (bring = resolve))),
      controller.signal,
    );
    const reason = new Error("not any more");
    controller.abort(reason);
    const closed = once(port2, "close");
    bring(port1);
    expect(await failure(attempt)).toBe(reason);
    await closed;
  });

  test("leaves other messages of the target alone", async () => {
    const { port1, port2 } = ports();
    const others: unknown[] = [];
    const listener = new Listener(messagePort.server(port2));
    await listener.listen();
    port2.addEventListener("message", (event) => others.push(event.data));
    for (const message of ["text", null, 7, { port: 1 }]) port1.postMessage(message);
    const a = new End(await dial(messagePort(port1))).start();
    const b = new End(await listener.accept()).start();
    a.write(Uint8Array.of(1));
    await b.until(() => b.received === 1);
    expect(others.slice(0, 4)).toEqual(["text", null, 7, { port: 1 }]);
    expect([listener.errors, listener.links]).toEqual([[], []]);
    a.end();
    await b.closedOnce();
  });

  test("a handoff without a port costs nobody anything", async () => {
    const { port1, port2 } = ports();
    const listener = new Listener(messagePort.server(port2));
    await listener.listen();
    port1.postMessage({ "stable-conduit": "message-port" });
    const a = new End(await dial(messagePort(port1))).start();
    new End(await listener.accept()).destroy();
    await a.closedOnce();
    expect(listener.errors).toMatchObject([linkFailure]);
  });

  test("takes no more links after close()", async () => {
    const { port1, port2 } = ports();
    const listener = new Listener(messagePort.server(port2));
    await listener.listen();
    await listener.server.close();
    const a = new End(await dial(messagePort(port1))).start();
    const seen = once(port2, "message");
    port1.postMessage("behind it");
    await seen;
    expect(listener.links).toEqual([]);
    a.destroy();
  });

  test("in a SharedWorker each port that connects is a link", async () => {
    const scope = Object.assign(new EventTarget(), { onconnect: null });
    const listener = new Listener(messagePort.server(scope));
    await listener.listen();
    const { port1, port2 } = ports();
    scope.dispatchEvent(Object.assign(new Event("connect"), { ports: [port2] }));
    const b = new End(await listener.accept()).start();
    const a = new End(await dial(messagePort(() => port1))).start();
    a.write(Uint8Array.of(1));
    await b.until(() => b.received === 1);
    await listener.server.close();
    scope.dispatchEvent(Object.assign(new Event("connect"), { ports: [port2] }));
    expect(listener.links).toEqual([]);
  });

  test("transfers the one copy that it makes", async () => {
    const { port1, port2 } = ports();
    const posted: unknown[][] = [];
    const postMessage = port1.postMessage.bind(port1);
    port1.postMessage = (...given: unknown[]) => {
      posted.push([...given]);
      postMessage(...(given as [unknown]));
    };
    const a = new End(messagePort.link(port1)).start();
    const b = new End(messagePort.link(port2)).start();
    const ring = new Uint8Array(new SharedArrayBuffer(100_000)).fill(3);
    a.write(ring.subarray(5, 90_005));
    await b.until(() => b.received === 90_000);
    const [buffer, transfer] = posted[0] as [ArrayBuffer, ArrayBuffer[]];
    expect(buffer).toBeInstanceOf(ArrayBuffer);
    expect([transfer[0], buffer.byteLength]).toEqual([buffer, 0]); // detached: it has moved
    expect(ring.every((byte) => byte === 3)).toBe(true);
  });

  test("anything but bytes ends the link with CONDUIT_PROTOCOL [link.message]", async () => {
    for (const message of ["text", 1, { bytes: 1 }, [1]]) {
      const { port1, port2 } = ports();
      const a = new End(messagePort.link(port1)).start();
      port2.postMessage(message);
      await a.closedOnce();
      expect(a.closings).toMatchObject([{ code: "CONDUIT_PROTOCOL", blame: "peer", rule: "link.message" }]);
    }
  });

  test("a port that is closed without a word is CONDUIT_LINK, one that was ended is not", async () => {
    const { port1, port2 } = ports();
    const a = new End(messagePort.link(port1)).start();
    port2.close();
    await a.closedOnce();
    expect(a.closings).toMatchObject([linkFailure]);
    const { a: c, b: d } = ends();
    c.start();
    d.start().end();
    await c.closedOnce();
    expect(c.closings).toEqual([undefined]);
  });

  test("a message that cannot be read here is CONDUIT_LINK", async () => {
    const { port1 } = ports();
    const a = new End(messagePort.link(port1)).start();
    port1.dispatchEvent(Object.assign(new Event("messageerror"), { data: new Error("no such class") }));
    await a.closedOnce();
    expect(a.closings).toMatchObject([
      { ...linkFailure, message: expect.stringContaining("could not be read") },
    ]);
  });

  test("a worker that is terminated closes its links", async () => {
    // It keeps the ports and does nothing with them.
    const code = `const { parentPort } = require("node:worker_threads");
    parentPort.on("message", (message) => {
      globalThis.kept = message;
      parentPort.postMessage("kept");
    });`;
    const worker = new Worker(code, { eval: true });
    cleanups.push(() => worker.terminate());
    const a = new End(await dial(messagePort(worker))).start();
    await once(worker, "message");
    a.write(Uint8Array.of(1));
    await a.until(() => a.reported === 1);
    await worker.terminate();
    await a.closedOnce();
    expect(a.closings).toMatchObject([linkFailure]);
  });

  test("unref() lets the process end, before start() and after", async () => {
    const portCount = () => process.getActiveResourcesInfo().filter((kind) => kind === "MessagePort").length;
    const idle = portCount();
    const { a, b } = ends();
    a.link.unref();
    a.start();
    expect(portCount()).toBe(idle);
    b.start();
    expect(portCount()).toBe(idle + 1);
    b.link.unref();
    expect(portCount()).toBe(idle);
    a.link.ref();
    expect(portCount()).toBe(idle + 1);
    a.destroy();
    await b.closedOnce();
  });
});

test("each kind of target has a type that fits", () => {
  expectTypeOf<Worker | globalThis.Worker | MessagePort>().toExtend<MessageTarget>();
  expectTypeOf<MessagePort>().toExtend<MessagePortLike>();
});
