// The conformance list, against StableWebSocket over the links of two implementations, and against a real WebSocket: a line
// that a real one does not hold to is no line.
import { WebSocket as UndiciWebSocket } from "undici";
import { afterAll, describe, expect, test } from "vitest";
import { WebSocket as WsWebSocket } from "ws";
import type { WebSocketConstructor } from "../../src/index.js";
import { StableWebSocket } from "../../src/stable-websocket.js";
import { type Env, LINES } from "./conformance-list.js";
import { conduitServer, realServer } from "./echo-servers.js";

/** With the option that Node 20 needs, as a program that wants the constructor would make it. */
function stableOver(WebSocket: WebSocketConstructor): Env["WebSocket"] {
  return class extends StableWebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols, { WebSocket, connectTimeoutMs: 2_000, retry: { shouldRetry: () => false } });
    }
  };
}

/** What undici 7 does in its own way. test/browser/conformance.test.ts shows that a browser holds to them. */
const NOT_UNDICI = [
  "close() before open is CLOSING at once, then error and close with 1006 come, and no open", // as if it were sync
  "text goes there and back, whatever is in it", // a BOM is lost
  "another binaryType is ignored", // it becomes "blob"
  "a message event says its origin, and is of its class", // its own MessageEvent
  "each message comes in a task of its own: whoever awaits the first is back before the second",
  "send() after close() is silent, and counted for ever", // not counted
  "a handler is called with the socket as this, in the place of its first setting", // in that of its last
];

const subjects = [
  {
    name: "StableWebSocket over ws",
    WebSocket: stableOver(WsWebSocket),
    serve: conduitServer,
    except: [] as string[],
  },
  {
    name: "StableWebSocket over undici",
    WebSocket: stableOver(UndiciWebSocket),
    serve: conduitServer,
    except: [] as string[],
  },
  {
    name: "undici, a real WebSocket,",
    WebSocket: UndiciWebSocket as unknown as Env["WebSocket"],
    serve: realServer,
    except: NOT_UNDICI,
  },
];

describe.each(subjects)("$name", async ({ WebSocket, serve, except }) => {
  const server = await serve();
  afterAll(() => server.close());
  const env = { WebSocket, url: server.url, nobody: "ws://127.0.0.1:1/" };
  for (const { title, run } of LINES) {
    if (!except.includes(title)) test(title, () => run(env) as Promise<void>, 10_000);
  }
});

test("every line that is left out for undici is in the list", () => {
  expect(LINES.map(({ title }) => title)).toEqual(expect.arrayContaining(NOT_UNDICI));
});
