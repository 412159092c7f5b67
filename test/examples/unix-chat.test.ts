// The chat, as three people use it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listen, unix } from "../../src/node.js";
import { Program } from "./program.js";

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "conduit-"));
  path = join(directory, "chat");
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

async function startServer(): Promise<Program> {
  const server = new Program("unix-chat/server.js", [path]);
  await server.until(/the chat is at/);
  return server;
}

/** Joins, when all others are there already, and waits until they know. */
async function enter(name: string, ...others: Program[]): Promise<Program> {
  const client = new Program("unix-chat/client.js", [name, path]);
  await Promise.all(others.map((other) => other.until(new RegExp(`${name} is here`))));
  return client;
}

test("what one says in the chat all others read, in order, and not the one who said it", async () => {
  const server = await startServer();
  const ann = await enter("ann");
  await server.until(/has come/);
  const bob = await enter("bob", ann);
  const eve = await enter("eve", ann, bob);

  for (let i = 0; i < 100; i++) ann.type(`line ${i}`);
  await Promise.all([bob.until(/line 99\n/), eve.until(/line 99\n/)]);
  bob.type("thanks");
  await Promise.all([ann.until(/bob: thanks\n/), eve.until(/bob: thanks\n/)]);

  const said = Array.from({ length: 100 }, (_, i) => `ann: line ${i}\n`).join("");
  expect(bob.stdout).toBe(`* eve is here\n${said}`);
  expect(eve.stdout).toBe(`${said}bob: thanks\n`);
  expect(ann.stdout).toBe("* bob is here\n* eve is here\nbob: thanks\n");

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

test.for(["SIGKILL", "SIGTERM"] as const)(
  "the chat goes on after the server was ended with %s and started again",
  async (signal) => {
    let server = await startServer();
    const ann = await enter("ann");
    await server.until(/has come/);
    const bob = await enter("bob", ann);
    bob.type("before");
    await ann.until(/bob: before/);

    server.signal(signal);
    await server.ended;
    await Promise.all([ann.until(/waiting for the server/), bob.until(/waiting for the server/)]);

    server = await startServer();
    // Who comes back first is heard by nobody yet: so bob answers until ann hears him.
    await server.until(/has come[\s\S]*has come/);
    bob.type("after");
    await ann.until(/bob: after/);

    ann.endInput();
    bob.endInput();
    expect(await Promise.all([ann.ended, bob.ended])).toEqual([0, 0]);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
  },
);

test("what is said in the chat while there is no server, the next one hears", async () => {
  const server = await startServer();
  const ann = await enter("ann");
  await server.until(/has come/);
  await server.kill();
  await ann.until(/waiting for the server/);
  ann.type("in between");
  ann.type("and more");

  const acceptor = await listen(unix.server(path));
  const { value: conduit } = await acceptor[Symbol.asyncIterator]().next();
  const heard: string[] = [];
  while (heard.at(-1) !== "ann: and more") heard.push(String(Buffer.from((await conduit!.recv())!)));
  expect(heard.slice(-2)).toEqual(["ann: in between", "ann: and more"]);
  ann.endInput();
  expect(String(Buffer.from((await conduit!.recv())!))).toBe("* ann has left");
  expect(await conduit!.recv()).toBeUndefined();
  expect(await ann.ended).toBe(0);
  await acceptor.close();
});

test("a chat client without a name says how it is used", async () => {
  const client = new Program("unix-chat/client.js");
  expect(await client.ended).toBe(2);
  expect(client.stderr).toMatch(/^usage: /);
});

test("a chat client that leaves while there is no server gives up and says so", async () => {
  const client = new Program("unix-chat/client.js", ["ann", path]);
  await client.until(/waiting for the server/);
  client.endInput();
  expect(await client.ended).toBe(0);
  expect(client.stderr).toMatch(/has not ended/);
});
