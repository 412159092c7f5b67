// The echo pair, as a newcomer starts it.
import { expect, test } from "vitest";
import { Program } from "./program.js";

test("the echo client prints what the server sends back, and the server ends on SIGTERM", async () => {
  const server = new Program("echo/server.js", ["0"]);
  const port = await server.port();

  const client = new Program("echo/client.js", [port, "one", "two", "three"]);
  expect(await client.ended).toBe(0);
  expect(client.stdout).toBe("one\ntwo\nthree\n");

  const byDefault = new Program("echo/client.js", [port]);
  expect(await byDefault.ended).toBe(0);
  expect(byDefault.stdout).toBe("hello\nworld\n");

  server.signal("SIGTERM");
  expect(await server.ended).toBe(0);
  expect(server.stderr).toBe("");
});

test("the echo server ends on SIGINT while a client waits for more", async () => {
  const server = new Program("echo/server.js", ["0"]);
  const client = new Program("echo/client.js", [await server.port(), "x".repeat(100_000)]);
  await client.until(/x/);
  server.signal("SIGINT");
  expect(await server.ended).toBe(0);
  expect(await client.ended).toBe(0);
});
