// The conformance list in Chromium: its own WebSocket holds to every line, so the list is right; StableWebSocket over it
// does, too, with shared memory and without.
import { expect, test } from "vitest";
import { LINES } from "../facade/conformance-list.js";
import { conduitServer, realServer } from "../facade/echo-servers.js";
import { later, openPage, run, site } from "./harness.js";

test.each([
  { name: "the browser's own WebSocket", stable: false, isolated: false },
  { name: "StableWebSocket", stable: true, isolated: false },
  { name: "StableWebSocket in an isolated page", stable: true, isolated: true },
])("$name holds to every line of the conformance list", async ({ stable, isolated }) => {
  const server = await (stable ? conduitServer() : realServer());
  later(() => server.close());
  const { origin } = await site({ isolated });
  const page = await openPage(origin);
  const result = await run(page, "conformance", { stable, url: server.url, nobody: "ws://127.0.0.1:4/" });
  expect(result).toEqual({ lines: LINES.length, failed: [] });
});
