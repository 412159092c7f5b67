// The service with TLS and tokens: who gets in, and how it ends.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeEach, expect, test } from "vitest";
import { startChaosProxy } from "../../examples/demo/chaos-proxy.js";
import { connect, tcp } from "../../src/node.js";
import { Program } from "./program.js";

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
const ca = fixture("cert.pem");

let server: Program;
let port: string;

beforeEach(async () => {
  server = new Program(
    "secure-service/server.js",
    ["--cert", ca, "--key", fixture("key.pem"), "--port", "0"],
    { TOKENS: JSON.stringify({ "first secret": "acme", "second secret": "globex" }) },
  );
  port = await server.port();
});

function ask(token: string, ...texts: string[]): Program {
  return new Program("secure-service/client.js", ["--ca", ca, "--port", port, ...texts], { TOKEN: token });
}

test("the service answers who has a token, over TLS, and knows the tenant", async () => {
  const client = ask("first secret", "one two three", "", "four");
  expect(await client.ended).toBe(0);
  expect(client.stdout).toBe("3 words\n0 words\n1 words\n");
  const other = ask("second secret", "a b");
  expect(await other.ended).toBe(0);
  await server.until(/a session of acme[\s\S]*a session of globex/);
});

test("the service answers each line of stdin", async () => {
  const client = ask("first secret");
  client.type("one two");
  await client.until(/2 words\n/);
  client.type("three");
  await client.until(/1 words\n/);
  client.endInput();
  expect(await client.ended).toBe(0);
});

test("the service refuses a wrong token and none, and the client says why", async () => {
  for (const token of ["wrong", ""]) {
    const client = ask(token, "a text");
    expect(await client.ended).toBe(1);
    expect(client.stdout).toBe("");
    expect(client.stderr).toMatch(/^CONDUIT_UNAUTHORIZED: /);
  }
  await server.until(/refused: .*[\s\S]*refused: /);
});

test("the service goes on with a session of the same tenant after a cut, and refuses it to another", async () => {
  const proxy = await startChaosProxy({ target: { host: "127.0.0.1", port: Number(port) } });
  let token = "first secret";
  const conduit = await connect(tcp({ host: "127.0.0.1", port: proxy.port, tls: { ca: readFileSync(ca) } }), {
    credentials: () => token,
    retry: { baseMs: 1 },
  });
  const ask = async () => {
    conduit.send(Buffer.from("some words"));
    return String(Buffer.from((await conduit.recv())!));
  };
  expect(await ask()).toBe("2 words");
  proxy.cutAll();
  expect(await ask()).toBe("2 words");
  expect(conduit.stats().resumes).toBe(1);

  token = "second secret";
  proxy.cutAll();
  const close = await conduit.closed;
  expect(close).toMatchObject({ clean: false, error: { code: "CONDUIT_UNAUTHORIZED" } });
  await proxy.close();
});

test("the service ends in order on SIGTERM: what was asked is answered, the client is told, the exit code is 0", async () => {
  const conduit = await connect(
    tcp({ host: "127.0.0.1", port: Number(port), tls: { ca: readFileSync(ca) } }),
    { credentials: () => "first secret" },
  );
  const answers: string[] = [];
  for (let i = 0; i < 1000; i++) conduit.send(Buffer.from("word ".repeat(i)));
  await server.until(/a session of acme/);
  await conduit.delivered();
  server.signal("SIGTERM");
  for await (const answer of conduit) answers.push(String(Buffer.from(answer)));
  expect(answers).toEqual(Array.from({ length: 1000 }, (_, i) => `${i} words`));
  expect(await conduit.closed).toEqual({ clean: true });
  expect(await server.ended).toBe(0);
  expect(server.stdout).toMatch(/closed\n$/);
  expect(server.stderr).toBe("");
});
