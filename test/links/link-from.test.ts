// Links from custom transports: over a MessagePort, over a socket, and over transports that misbehave.
import { once } from "node:events";
import net from "node:net";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { describe, expect, test, vi } from "vitest";
import { LINGER_MS } from "../../src/link/link.js";
import { linkFrom, type Transport, type TransportSink } from "../../src/link/link-from.js";
import { End, linkContract } from "./contract.js";

function portTransport(port: MessagePort): Transport {
  let ended = false;
  port.on("close", () => {
    ended = true;
  });
  return {
    framing: "message",
    info: { transport: "port" },
    start(sink) {
      port.on("message", (bytes) => sink.bytes(bytes));
      port.on("close", () => sink.closed());
      if (ended) setImmediate(() => sink.closed()); // in Bun before the messages that the port has kept
    },
    send: (bytes) => port.postMessage(bytes),
    close: () => port.close(),
  };
}

function socketTransport(socket: net.Socket): Transport {
  let error: Error | undefined;
  socket.pause();
  socket.on("error", (reason) => {
    error = reason;
  });
  return {
    framing: "stream",
    info: { transport: "socket", remoteAddress: socket.remoteAddress },
    start(sink) {
      socket.on("data", (bytes) => sink.bytes(bytes));
      socket.on("end", () => sink.closed());
      socket.on("close", () => sink.closed(error));
      if (socket.closed) sink.closed(error);
      socket.resume();
    },
    send: (bytes) =>
      new Promise((resolve, reject) =>
        socket.write(bytes, (reason) => (reason ? reject(reason) : resolve())),
      ),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    // What is pending is not wanted any more; otherwise unread bytes must not turn the end into a reset.
    close: () => (socket.writableLength > 0 ? socket.destroy() : socket.resume().end()),
  };
}

async function sockets(): Promise<{ near: net.Socket; far: net.Socket; server: net.Server }> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  const [[far]] = (await Promise.all([once(server, "connection"), once(near, "connect")])) as [
    [net.Socket],
    unknown,
  ];
  return { near, far, server };
}

linkContract(
  "custom (MessagePort)",
  { framing: "message", pausable: false, drains: false, info: { transport: "port", encrypted: false } },
  async () => {
    const { port1, port2 } = new MessageChannel();
    return { a: linkFrom(portTransport(port1)), b: linkFrom(portTransport(port2)) };
  },
);

linkContract(
  "custom (socket)",
  {
    framing: "stream",
    pausable: true,
    drains: false,
    info: { transport: "socket", encrypted: false, remoteAddress: "127.0.0.1" },
  },
  async () => {
    const { near, far, server } = await sockets();
    return {
      a: linkFrom(socketTransport(near)),
      b: linkFrom(socketTransport(far)),
      cleanup() {
        near.destroy();
        far.destroy();
        server.close();
      },
    };
  },
);

linkContract(
  "custom (socket, zero copy)",
  { framing: "stream", pausable: true, drains: false, info: { transport: "socket" } },
  async () => {
    const { near, far, server } = await sockets();
    return {
      a: linkFrom({ ...socketTransport(near), zeroCopy: true }),
      b: linkFrom({ ...socketTransport(far), zeroCopy: true }),
      cleanup: () => void server.close(),
    };
  },
);

describe("linkFrom()", () => {
  /** A transport under the test's thumb: send() settles when the test says so. */
  function puppet(overrides: Partial<Omit<Transport, "close">> = {}, onClose?: () => void) {
    const sends: { bytes: Uint8Array; resolve: () => void; reject: (error: unknown) => void }[] = [];
    let sink!: TransportSink;
    const transport = {
      framing: "message" as const,
      start: vi.fn((given: TransportSink) => {
        sink = given;
      }),
      send: vi.fn((bytes: Uint8Array): void | PromiseLike<void> => {
        return new Promise((resolve, reject) => sends.push({ bytes, resolve, reject }));
      }),
      close: vi.fn(onClose),
      ...overrides,
    };
    const end = new End(linkFrom(transport));
    return {
      end,
      sends,
      transport,
      get sink() {
        return sink;
      },
    };
  }
  const turn = () => new Promise(setImmediate);

  test("describes itself as custom and not encrypted, unless told otherwise", () => {
    expect(puppet().end.link.info).toEqual({ transport: "custom", encrypted: false });
    expect(puppet({ info: { encrypted: true } }).end.link.info).toEqual({
      transport: "custom",
      encrypted: true,
    });
  });

  test("gives send() a copy in plain memory, or the very view with zeroCopy", () => {
    const view = new Uint8Array(new SharedArrayBuffer(8), 2, 3).fill(1);
    const copying = puppet();
    copying.end.start().write(view);
    expect(copying.sends[0].bytes).toEqual(Uint8Array.of(1, 1, 1));
    expect(copying.sends[0].bytes.buffer).toBeInstanceOf(ArrayBuffer);
    const zeroCopy = puppet({ zeroCopy: true });
    zeroCopy.end.start().write(view);
    expect(zeroCopy.sends[0].bytes).toBe(view);
  });

  test("asks for one send() at a time, and reports each when it has settled", async () => {
    const { end, sends } = puppet();
    end.start().write(Uint8Array.of(1)).write(Uint8Array.of(2));
    await turn();
    expect([sends.length, end.reported]).toEqual([1, 0]);
    sends[0].resolve();
    await turn();
    expect([sends.length, end.reported]).toEqual([2, 1]);
    sends[1].resolve();
    await turn();
    expect(end.reported).toBe(2);
  });

  test("a rejected send() closes the link with that error, and drops the rest", async () => {
    const { end, sends, transport } = puppet();
    end.start().write(Uint8Array.of(1)).write(Uint8Array.of(2));
    const error = new Error("no carrier");
    sends[0].reject(error);
    await end.closedOnce();
    expect(end.closings).toEqual([error]);
    expect([sends.length, end.reported, transport.close.mock.calls.length]).toEqual([1, 0, 1]);
  });

  test("a send() that throws closes the link with that error, not from inside write()", async () => {
    const error = new Error("no carrier");
    const send = () => {
      throw error;
    };
    const { end } = puppet({ send });
    end.start().write(Uint8Array.of(1));
    expect(end.closings).toEqual([]);
    await end.closedOnce();
    expect([end.closings, end.faults]).toEqual([[error], []]);
  });

  test("what is thrown without being an Error is told as CONDUIT_LINK", async () => {
    const { end } = puppet({ send: () => Promise.reject("text") });
    end.start().write(Uint8Array.of(1));
    await end.closedOnce();
    expect(end.closings).toMatchObject([{ code: "CONDUIT_LINK", cause: "text" }]);
  });

  test("start(), pause() and resume() that throw close the link with that error", async () => {
    const error = new Error("broken");
    const broken = () => {
      throw error;
    };
    for (const overrides of [{ start: broken }, { pause: broken, resume: broken }]) {
      const { end, transport } = puppet(overrides);
      end.start().pause();
      await end.closedOnce();
      expect([end.closings, end.faults]).toEqual([[error], []]);
      expect(transport.close).toHaveBeenCalledTimes(1);
    }
  });

  test("a text message closes the link with CONDUIT_PROTOCOL [link.message]", async () => {
    const { end, sink, transport } = (() => {
      const made = puppet();
      made.end.start();
      return made;
    })();
    sink.bytes("text" as unknown as Uint8Array);
    sink.bytes(Uint8Array.of(1));
    await end.closedOnce();
    expect(end.closings).toMatchObject([
      { code: "CONDUIT_PROTOCOL", blame: "peer", rule: "link.message", fatal: true },
    ]);
    expect(end.received).toBe(0);
    expect(transport.close).toHaveBeenCalledTimes(1);
  });

  test("copies what the transport gives as a view of shared memory or of a part", async () => {
    const made = puppet();
    made.end.start();
    const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(1);
    const part = new Uint8Array(16).subarray(4, 8).fill(2);
    made.sink.bytes(shared);
    made.sink.bytes(part);
    shared.fill(9);
    part.fill(9);
    expect(made.end.chunks).toEqual([new Uint8Array(4).fill(1), new Uint8Array(4).fill(2)]);
    expect(made.end.chunks.every((chunk) => chunk.buffer instanceof ArrayBuffer)).toBe(true);
  });

  test("what the transport tells from inside a call comes later, in its order", async () => {
    let sink!: TransportSink;
    const { end } = puppet({
      start(given) {
        sink = given;
        sink.bytes(Uint8Array.of(1));
      },
      send() {
        sink.bytes(Uint8Array.of(2));
      },
      pause() {
        sink.bytes(Uint8Array.of(4));
        sink.closed(new Error("told inside"));
      },
      resume: () => undefined,
    });
    end.start().write(Uint8Array.of(0));
    sink.bytes(Uint8Array.of(3)); // not inside a call, but behind what was
    expect(end.events).toBe(0);
    await turn();
    end.pause();
    await end.closedOnce();
    expect([[...end.all], end.faults]).toEqual([[1, 2, 3, 4], []]);
    expect(end.closings).toMatchObject([{ message: "told inside" }]);
  });

  test("calls of the sink after close have no effect, and a close() that throws neither", async () => {
    const made = puppet({}, () => {
      made.sink.closed(new Error("inside close"));
      throw new Error("close failed");
    });
    const { end } = made;
    end.start();
    made.sink.closed();
    made.sink.bytes(Uint8Array.of(1));
    made.sink.closed(new Error("late"));
    await end.closedOnce();
    await turn();
    expect([end.closings, end.received, end.faults]).toEqual([[undefined], 0, []]);
  });

  test("end() waits for what is queued to settle before it closes", async () => {
    const { end, sends, transport } = puppet();
    end.start().write(Uint8Array.of(1)).write(Uint8Array.of(2)).end();
    sends[0].resolve();
    await turn();
    expect(transport.close).not.toHaveBeenCalled();
    sends[1].resolve();
    await end.closedOnce();
    expect(end.reported).toBe(2);
    expect(transport.close).toHaveBeenCalledTimes(1);
  });

  test("end() asks a transport that has an end() to close in good order, and still takes its bytes", async () => {
    const end = vi.fn();
    const made = puppet({ end });
    made.end.start().write(Uint8Array.of(1)).end();
    expect(end).not.toHaveBeenCalled();
    made.sends[0].resolve();
    await turn();
    expect([end.mock.calls.length, made.transport.close.mock.calls.length]).toEqual([1, 0]);
    made.sink.bytes(Uint8Array.of(2));
    made.sink.closed();
    await made.end.closedOnce();
    expect([[...made.end.all], made.end.closings]).toEqual([[2], [undefined]]);
    expect([end.mock.calls.length, made.transport.close.mock.calls.length]).toEqual([1, 1]);
  });

  test("a transport whose end() leads to nothing is closed after LINGER_MS", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const { end, transport } = puppet({ end: () => undefined });
      end.start().end();
      vi.advanceTimersByTime(LINGER_MS - 1);
      expect(transport.close).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(transport.close).toHaveBeenCalledTimes(1);
      await end.closedOnce();
    } finally {
      vi.useRealTimers();
    }
  });

  test("ref() and unref() are the transport's, where it has them", () => {
    const [ref, unref] = [vi.fn(), vi.fn()];
    const { end } = puppet({ ref, unref });
    end.link.unref();
    end.link.ref();
    end.destroy();
    end.link.unref();
    expect([ref.mock.calls.length, unref.mock.calls.length]).toEqual([1, 1]);
  });

  test("end() lifts a pause, and later ones have no effect", () => {
    const pause = vi.fn();
    const resume = vi.fn();
    const { end } = puppet({ pause, resume });
    end.start().pause().write(Uint8Array.of(1)).end().pause();
    expect([pause.mock.calls.length, resume.mock.calls.length]).toEqual([1, 1]);
  });

  test("end() closes after LINGER_MS when a send() never settles", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const { end, transport } = puppet();
      end.start().write(Uint8Array.of(1)).end();
      vi.advanceTimersByTime(LINGER_MS - 1);
      expect(transport.close).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(transport.close).toHaveBeenCalledTimes(1);
      await end.closedOnce();
    } finally {
      vi.useRealTimers();
    }
  });

  test("a link that is destroyed before start() never starts its transport", () => {
    const { end, transport } = puppet();
    end.destroy();
    end.start();
    expect(transport.start).not.toHaveBeenCalled();
    expect(transport.close).toHaveBeenCalledTimes(1);
  });
});
