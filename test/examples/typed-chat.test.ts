// The typed chat, as people with one version of it use it, and with another.
import { afterEach, expect, test } from "vitest";
import { startChaosProxy } from "../../examples/demo/chaos-proxy.js";
import { connect, listen, tcp } from "../../src/node.js";
import { enumOf, list, option, string, struct, u8, withDefault } from "../../src/schema.js";
import { Program } from "./program.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** With the port it has. */
async function startServer(port = "0"): Promise<{ server: Program; port: string }> {
  const server = new Program("typed-chat/server.js", [port]);
  return { server, port: await server.port() };
}

/** Joins, when all others are there already, and waits until they know. */
async function enter(name: string, port: string, ...others: Program[]): Promise<Program> {
  const client = new Program("typed-chat/client.js", [name, port]);
  await Promise.all(others.map((other) => other.until(new RegExp(`${name} is here`))));
  return client;
}

/** What somebody has read, without the times. */
const read = (client: Program) => client.stdout.replace(/^\d\d:\d\d /gm, "");

test("who comes to the typed chat reads what was said before, then what the others say, each line once over cut links", async () => {
  const { server, port } = await startServer();
  const proxy = await startChaosProxy({ target: { port: Number(port) } });
  cleanups.push(() => proxy.close());

  const ann = await enter("ann", port);
  await server.until(/ann has come/);
  ann.type("is anybody here?");
  const bob = await enter("bob", String(proxy.port), ann);
  for (let i = 0; i < 40; i++) {
    ann.type(`line ${i}`);
    if (i % 10 === 0) {
      await bob.until(new RegExp(`line ${i}\n`));
      proxy.cutAll();
    }
    bob.type(`answer ${i}`);
  }
  await Promise.all([bob.until(/line 39\n/), ann.until(/answer 39\n/)]);
  expect(proxy.cuts).toBeGreaterThanOrEqual(4);
  const eve = await enter("eve", port, ann, bob);
  await eve.until(/bob: answer 39\n/);

  const lines = Array.from({ length: 40 }, (_, i) => `ann: line ${i}\n`).join("");
  expect(read(bob)).toBe(`* ann is here\nann: is anybody here?\n${lines}* eve is here\n`);
  const answers = Array.from({ length: 40 }, (_, i) => `bob: answer ${i}\n`).join("");
  expect(read(ann)).toBe(`* bob is here\n${answers}* eve is here\n`);
  expect(read(eve).split("\n").sort()).toEqual(
    `* ann is here\n* bob is here\nann: is anybody here?\n${lines}${answers}`.split("\n").sort(),
  );

  bob.endInput();
  expect(await bob.ended).toBe(0);
  await Promise.all([ann.until(/bob has left/), eve.until(/bob has left/)]);
  ann.signal("SIGINT");
  expect(await ann.ended).toBe(0);
  await eve.until(/ann has left/);
  eve.endInput();
  expect(await eve.ended).toBe(0);
  server.signal("SIGTERM");
  expect(await server.ended).toBe(0);
  expect(server.stderr).toBe("");
});

test("the typed chat goes on after its server was killed: what nobody confirmed is said again", async () => {
  const { server, port } = await startServer();
  const ann = await enter("ann", port);
  await server.until(/ann has come/);
  await server.kill();
  await ann.until(/waiting for the server/);
  ann.type("in between");

  const { server: next } = await startServer(port);
  await next.until(/ann has come/);
  await ann.until(/the server has gone/);
  const bob = await enter("bob", port, ann);
  await bob.until(/ann: in between\n/);
  ann.endInput();
  expect(await ann.ended).toBe(0);
});

test("a client of a later version joins the typed chat", async () => {
  const { server, port } = await startServer();
  const ann = await enter("ann", port);
  await server.until(/ann has come/);
  const Said = struct("Event", {
    what: enumOf("What", { Left: null, Came: null, Said: string, Waved: { to: string } }),
    who: string,
    mood: withDefault(u8, 5),
  });
  const later = await connect(tcp({ host: "localhost", port: Number(port) }), {
    schema: {
      send: enumOf("ToServer", { Say: string, Enter: { name: string, avatar: option(string) } }),
      recv: enumOf("ToClient", { Happened: Said, History: list(Said) }),
    },
  });
  cleanups.push(() => later.abort());
  later.send({ type: "Enter", name: "zoe", avatar: "fox" });
  await ann.until(/zoe is here/);
  later.send({ type: "Say", value: "hello" });
  await ann.until(/zoe: hello/);
  ann.type("welcome");
  const told: unknown[] = [];
  for (;;) {
    const message = (await later.recv())!;
    if (message.type === "History") told.push(...message.value);
    else told.push(message.value);
    if (message.type === "Happened" && message.value.what.type === "Said") break;
  }
  expect(told).toEqual([
    { what: { type: "Came" }, who: "ann", mood: 5 },
    { what: { type: "Said", value: "welcome" }, who: "ann", mood: 5 },
  ]);
});

test("a client of the typed chat that the server cannot understand says so and ends", async () => {
  const acceptor = await listen(tcp.server({ host: "localhost", port: 0 }), {
    schema: { recv: enumOf("ToServer", { Enter: { name: string, password: string }, Say: string }) },
  });
  cleanups.push(() => acceptor.close());
  const { port } = acceptor.address as { port: number };
  const client = new Program("typed-chat/client.js", ["ann", String(port)]);
  expect(await client.ended).toBe(1);
  expect(client.stderr).toMatch(/ToServer\.Enter: required field "password" is missing/);
});

test("a typed chat client without a name says how it is used", async () => {
  const client = new Program("typed-chat/client.js");
  expect(await client.ended).toBe(2);
  expect(client.stderr).toMatch(/^usage: /);
});
