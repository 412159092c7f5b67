// The link contract in a page: for its WebSocket, for pairs, message ports and, where it is isolated, shared memory.
import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import type { LinkServer } from "../../../src/link/link.js";
import { messagePort } from "../../../src/link/message-port.js";
import { sharedMemory } from "../../../src/link/shared-memory.js";
import type { LinkSource } from "../../../src/link/source.js";
import { webSocket } from "../../../src/link/websocket.js";
import { type Ends, linkContract } from "../../links/contract.js";
import { dial, Listener } from "../../links/sockets.js";
import "../../links/pair.test.js";

async function handedOff(
  source: (port: MessagePort) => LinkSource,
  server: (port: MessagePort) => LinkServer,
): Promise<Required<Ends>> {
  const { port1, port2 } = new MessageChannel();
  const listener = new Listener(server(port2));
  await listener.listen();
  const [a, b] = await Promise.all([dial(source(port1)), listener.accept()]);
  return { a, b, cleanup: () => port1.close() };
}

const ports = {
  framing: "message",
  pausable: false,
  drains: false,
  info: { transport: "message-port", encrypted: false },
} as const;

linkContract("MessagePort", ports, async () => {
  const { port1, port2 } = new MessageChannel();
  return { a: messagePort.link(port1), b: messagePort.link(port2) };
});
linkContract("MessagePort (handed off)", ports, () => handedOff(messagePort, messagePort.server));

let webSockets = 0;
linkContract(
  "WebSocket",
  {
    framing: "message",
    pausable: false,
    drains: false,
    info: { transport: "websocket", encrypted: false },
  },
  async () => {
    const source = webSocket(`${inject("relay")}${webSockets++}`);
    const [a, b] = await Promise.all([dial(source), dial(source)]);
    return { a, b };
  },
);

test("the page is isolated when it is meant to be", () => {
  expect(crossOriginIsolated).toBe(inject("isolated"));
});

if (inject("isolated")) {
  const memory = {
    framing: "stream",
    pausable: true,
    drains: true,
    info: { transport: "shared-memory", encrypted: false },
  } as const;
  const connected = () => handedOff(sharedMemory, sharedMemory.server);
  linkContract("shared memory", memory, connected);

  describe("without Atomics.waitAsync", () => {
    beforeEach(() => {
      vi.stubGlobal("Atomics", Object.create(Atomics, { waitAsync: { value: undefined } }));
    });
    afterEach(() => {
      vi.unstubAllGlobals();
    });
    linkContract("shared memory", memory, connected);
  });
} else {
  test("a page that is not isolated learns with CONDUIT_OPTIONS that it has no shared memory", () => {
    const { port1 } = new MessageChannel();
    expect(() => sharedMemory(port1)).toThrow(expect.objectContaining({ code: "CONDUIT_OPTIONS" }));
  });
}
