// What can be seen of a conduit: status, events, stats, and whether it keeps the process alive.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type Bytes, StableConduit, type Status } from "../../src/node.js";
import {
  accepted,
  bytes,
  cleanSlate,
  gated,
  later,
  numbered,
  portOf,
  service,
  session,
  sourceFor,
  take,
  text,
  track,
  turn,
  until,
} from "./helpers.js";

cleanSlate();

describe("status", () => {
  test("status goes from connecting to open, reconnecting, open, closing and closed; each one is immutable and told", async () => {
    const acceptor = await service({ graceMs: 60_000 });
    const source = gated(sourceFor(portOf(acceptor)));
    const client = track(StableConduit.create<Uint8Array, Bytes>(source, { retry: { baseMs: 1, capMs: 1 } }));
    const seen: Status[] = [client.status];
    client.on("status", (status) => {
      expect(status).toBe(client.status);
      seen.push(status);
    });
    source.open();
    await client.opened;
    const server = await accepted(acceptor);
    client.reconnect();
    await until(() => client.stats().links === 2);
    server.onItems = () => {};
    await client.close();
    const states = seen.map(({ state }) => state);
    expect(states.filter((state, i) => state !== states[i - 1])).toEqual([
      "connecting",
      "open",
      "reconnecting",
      "open",
      "closing",
      "closed",
    ]);
  });

  test("while it is without a link, status says how often it failed, when it tries again, until when, and why", async () => {
    const { client, server, proxy } = await session({
      server: { graceMs: 60_000 },
      client: { retry: { baseMs: 200, capMs: 400 } },
    });
    const seen: Status[] = [];
    client.on("status", (status) => seen.push(status));
    proxy.setMode("refuse");
    const cutAt = Date.now();
    proxy.cutAll();
    type Waiting = Extract<Status, { attempt: number }>;
    const waiting = () => seen.filter((status): status is Waiting => status.state === "reconnecting");
    await until(() => waiting().some(({ attempt }) => attempt >= 2));
    const all = waiting();
    expect(all.map(({ attempt }) => attempt)).toEqual([...all.map(({ attempt }) => attempt)].sort());
    for (const { retryAt, expiresAt, error } of all) {
      if (retryAt !== null) {
        expect(retryAt).toBeGreaterThanOrEqual(cutAt);
        expect(retryAt).toBeLessThan(Date.now() + 401);
      }
      expect(expiresAt).toBeGreaterThan(cutAt + 59_000);
      expect(expiresAt).toBeLessThan(Date.now() + 60_001);
      expect(error).toMatchObject({ code: "CONDUIT_LINK", fatal: false });
    }
    // While an attempt is under way there is no time to wait for.
    expect(all.some(({ retryAt }) => retryAt === null)).toBe(true);
    await until(() => server.status.state === "reconnecting");
    expect(server.status).toMatchObject({ retryAt: null, error: { code: "CONDUIT_LINK" } });
    expect((server.status as { expiresAt: number }).expiresAt).toBeGreaterThan(cutAt + 59_000);
    proxy.setMode("forward");
    await until(() => client.status.state === "open");
  });

  test("before the first link there is nothing that could expire", async () => {
    const client = track(
      StableConduit.create(
        { nextLink: () => Promise.reject(new Error("no way")) },
        { retry: { baseMs: 100_000, capMs: 100_000 } },
      ),
    );
    await until(() => "error" in client.status && client.status.error);
    expect(client.status).toMatchObject({ state: "connecting", attempt: 1, expiresAt: null });
    expect((client.status as { error: Error }).error.message).toContain("no way");
  });

  test("rttMs comes with the first PING, and status tells [ext.ping]", async () => {
    const { client } = await session({ client: { keepaliveMs: 10 }, server: { keepaliveMs: 0 } });
    expect(client.stats().rttMs).toBeNull();
    await until(() => client.status.state === "open" && client.status.rttMs !== null);
    expect((client.status as { rttMs: number }).rttMs).toBeGreaterThanOrEqual(0);
    expect(client.stats().rttMs).toBe((client.status as { rttMs: number }).rttMs);
  });
});

describe("events", () => {
  test("linkDown and linkUp tell of each link, with what was replayed and how long there was none", async () => {
    const { client, server, proxy } = await session();
    const log: string[] = [];
    client.on("linkDown", ({ error }) => log.push(`down ${error.code}`));
    client.on("linkUp", ({ resumed, replayed, downMs }) => {
      expect(downMs).toBeGreaterThanOrEqual(0);
      expect(downMs).toBeLessThan(5_000);
      log.push(`up ${resumed} ${replayed}`);
    });
    for (let n = 0; n < 3; n++) client.send(numbered(n));
    await until(() => server.stats().receivedItems === 3);
    proxy.cutAll();
    await until(() => log.length === 2);
    expect(log).toEqual(["down CONDUIT_LINK", "up true 3"]);
    expect(client.stats()).toMatchObject({ links: 2, resumes: 1, replayedItems: 3 });
  });

  test("the acceptor tells of a takeover as of any other new link: linkDown, then linkUp with a short downMs [resume.takeover]", async () => {
    const { client, server, proxy } = await session();
    await turn(60);
    const log: (string | number)[] = [];
    server.on("linkDown", () => log.push("down"));
    server.on("linkUp", ({ resumed, downMs }) => log.push(`up ${resumed}`, downMs));
    proxy.setMode("half-open"); // the acceptor does not see the old link die
    const old = client.stats().links;
    proxy.setMode("forward");
    client.reconnect();
    await until(() => client.stats().links === old + 1 && log.length >= 3);
    expect(log.slice(0, 2)).toEqual(["down", "up true"]);
    expect(log[2]).toBeLessThan(60);
  });

  test("on() with once and with a signal, and the function it returns", async () => {
    const { client, server } = await session();
    const log: string[] = [];
    const controller = new AbortController();
    server.on("volatile", () => log.push("once"), { once: true });
    server.on("volatile", () => log.push("until aborted"), { signal: controller.signal });
    server.on("volatile", () => log.push("never"), { signal: AbortSignal.abort() });
    const off = server.on("volatile", () => log.push("until off"));
    const kept: string[] = [];
    server.on("volatile", (item) => kept.push(text(item)!));
    client.sendVolatile(bytes("1"));
    await until(() => kept.length === 1);
    expect(log).toEqual(["once", "until aborted", "until off"]);
    controller.abort();
    off();
    off();
    client.sendVolatile(bytes("2"));
    await until(() => kept.length === 2);
    expect(log.length).toBe(3);
    expect(kept).toEqual(["1", "2"]);
  });

  test("a listener that throws is an uncaught exception, and the conduit and the other listeners go on", async () => {
    const { client, server } = await session();
    const uncaught: unknown[] = [];
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => uncaught.push(error));
    later(() => {
      process.removeAllListeners("uncaughtException");
      for (const other of others) process.on("uncaughtException", other);
    });
    const reason = new Error("in a listener");
    const seen: string[] = [];
    server.on("volatile", () => {
      throw reason;
    });
    server.on("volatile", (item) => seen.push(text(item)!));
    client.sendVolatile(bytes("x"));
    await until(() => uncaught.length > 0);
    expect(uncaught).toEqual([reason]);
    expect(seen).toEqual(["x"]);
    client.send(bytes("on"));
    expect(await take(server, 1)).toEqual(["on"]);
  });

  test("close comes once, after status, with what closed says; end comes when everything before it was handed over", async () => {
    const { client, server } = await session();
    const log: string[] = [];
    server.on("end", () => log.push("end"));
    server.on("status", ({ state }) => log.push(state));
    server.on("close", (close) => log.push(`close ${close.clean}`));
    client.send(bytes("one"));
    client.end();
    await until(() => server.stats().receivedItems === 1);
    await turn(10);
    expect(log).toEqual([]);
    expect(await take(server, 1)).toEqual(["one"]);
    await server.closed;
    expect(log).toEqual(["end", "closed", "close true"]);
  });

  test("a listener of linkDown or of status may end the conduit", async () => {
    for (const type of ["linkDown", "status"] as const) {
      const { client, proxy } = await session();
      client.on(type, () => client.abort());
      proxy.cutAll();
      expect(await client.closed).toMatchObject({ clean: false, error: { code: "CONDUIT_ABORTED" } });
    }
    const { client, server, proxy } = await session();
    server.on("linkDown", () => server.abort()); // also by a takeover
    proxy.setMode("half-open");
    proxy.setMode("forward");
    client.reconnect();
    expect(await server.closed).toMatchObject({ clean: false, error: { code: "CONDUIT_ABORTED" } });
  });
});

describe("stats()", () => {
  test("stats() counts items and bytes, and keeps the counters after the end", async () => {
    const { client, server } = await session({ both: { ackDelayMs: 1 } });
    for (let n = 0; n < 100; n++) client.send(numbered(n, 100));
    expect(client.stats()).toMatchObject({ sentItems: 100, unackedItems: 100, links: 1, resumes: 0 });
    expect(client.stats().unsentBytes).toBeGreaterThan(10_000);
    await until(() => server.stats().receivedItems === 100);
    expect(server.stats()).toMatchObject({ handedItems: 0 });
    expect(server.stats().unhandedBytes).toBeGreaterThan(10_000);
    await until(() => client.stats().unsentBytes === 0);
    expect(client.stats().ringBytes).toBeGreaterThan(10_000);
    expect(client.stats().ringCapacityBytes).toBeGreaterThanOrEqual(client.stats().ringBytes);
    server.onItems = () => {};
    await client.delivered();
    expect(server.stats()).toMatchObject({ receivedItems: 100, handedItems: 100, unhandedBytes: 0 });
    expect(client.stats()).toMatchObject({ ringBytes: 0, unackedItems: 0 });
    await client.close();
    expect(client.stats()).toMatchObject({ sentItems: 100, links: 1, ringBytes: 0, ringCapacityBytes: 0 });
    expect(server.stats()).toMatchObject({ receivedItems: 100, handedItems: 100 });
  });

  test("an idle conduit gives its ring back", async () => {
    const { client, server } = await session({ both: { ackDelayMs: 1 } });
    server.onItems = () => {};
    for (let n = 0; n < 1_000; n++) client.send(numbered(n, 100));
    await client.delivered();
    await until(() => client.stats().ringCapacityBytes === 0, 5_000);
    client.send(bytes("again"));
    await client.delivered();
  });
});

describe("ref() and unref()", () => {
  /** Runs a module that may or may not exit by itself. */
  function run(body: string, port: number) {
    const directory = mkdtempSync(join(tmpdir(), "conduit-"));
    later(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "program.mjs");
    const imports = `import { connect, StableConduit, tcp } from ${JSON.stringify(built)};`;
    writeFileSync(path, `${imports}\nconst port = ${port};\n${body}`);
    const child = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "inherit"] });
    later(() => child.kill("SIGKILL"));
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    return { child, exit: once(child, "exit"), output: () => output };
  }
  // What users import; `npm test` builds it first.
  const built = new URL("../../dist/node.js", import.meta.url).href;

  test("unref() lets the process exit: open, reconnecting, connecting, and with a handshake under way", async () => {
    const acceptor = await service();
    const port = portOf(acceptor);
    const silent = await service({ authorize: () => new Promise(() => {}) });
    const runs = [
      run('const c = await connect(tcp({ host: "127.0.0.1", port })); c.unref(); console.log("open");', port),
      run(
        'const c = await connect(tcp({ host: "127.0.0.1", port })); c.send(new Uint8Array(9)); c.unref(); c.reconnect(); console.log("reconnecting");',
        port,
      ),
      run(
        'const c = StableConduit.create({ nextLink: () => Promise.reject(new Error("no")) }, { retry: { baseMs: 1e6, capMs: 1e6 } }).unref(); console.log("connecting", c.status.state);',
        port,
      ),
      run(
        'StableConduit.create({ nextLink: () => new Promise(() => {}) }).unref(); console.log("pending");',
        port,
      ),
      run(
        'const c = StableConduit.create(tcp({ host: "127.0.0.1", port })); c.unref(); console.log("greeting");',
        portOf(silent),
      ),
    ];
    for (const { exit, output } of runs) {
      expect(await exit, output()).toEqual([0, null]);
      expect(output()).toMatch(/open|reconnecting|connecting|pending|greeting/);
    }
  }, 30_000);

  test("without unref(), and after ref(), the process stays", async () => {
    const acceptor = await service();
    const port = portOf(acceptor);
    const { child, exit, output } = run(
      'const c = await connect(tcp({ host: "127.0.0.1", port })); c.unref().ref(); c.send(new Uint8Array(1)); setTimeout(() => console.log("alive"), 100).unref();',
      port,
    );
    const server = await accepted(acceptor);
    expect((await server.recv())?.length).toBe(1);
    await until(() => output().includes("alive"));
    expect(child.exitCode).toBeNull();
    server.abort(); // the session ends, and with it the reason to stay
    expect(await exit).toEqual([0, null]);
    expect(fileURLToPath(built)).toContain("dist");
  });
});
