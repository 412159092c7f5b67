// Unix socket links.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { LinkServer } from "../../src/link/link.js";
import { unix } from "../../src/link/unix.js";
import { End, linkContract } from "./contract.js";
import { dial, failure, handles, Listener } from "./sockets.js";

/** No test here may leave a socket, whatever went wrong in it. */
const idle = handles();
let directory: string;
let path: string;
const closeLater: LinkServer[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "conduit-"));
  path = join(directory, "s");
});

afterEach(async () => {
  for (const server of closeLater.splice(0)) await server.close();
  rmSync(directory, { recursive: true });
  await vi.waitFor(() => expect(handles()).toEqual(idle));
});

async function listen(options?: { mode?: number }): Promise<Listener> {
  const listener = new Listener(unix.server(path, options));
  closeLater.push(listener.server);
  expect(await listener.listen()).toBe(path);
  return listener;
}

/** A socket file that nobody listens on any more: what a killed process leaves. */
async function leaveStaleFile(): Promise<void> {
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  const child = spawn(process.execPath, ["-e", script], { stdio: "inherit" });
  await once(child, "exit");
  expect(existsSync(path)).toBe(true);
}

linkContract(
  "unix socket",
  { framing: "stream", pausable: true, drains: true, info: { transport: "unix", encrypted: false } },
  async () => {
    const listener = await listen();
    const [a, b] = await Promise.all([dial(unix(path)), listener.accept()]);
    return { a, b };
  },
);

describe("unix()", () => {
  test("rejects with CONDUIT_LINK when nobody listens", async () => {
    expect(await failure(dial(unix(path)))).toMatchObject({
      code: "CONDUIT_LINK",
      fatal: false,
      cause: { code: "ENOENT" },
    });
  });

  test("rejects with signal.reason when it is aborted", async () => {
    const reason = new Error("not any more");
    expect(await failure(dial(unix(path), AbortSignal.abort(reason)))).toBe(reason);
  });

  test("refuses a path that is empty or too long for the system with CONDUIT_OPTIONS", () => {
    const long = join(directory, "x".repeat(108));
    for (const make of [() => unix(""), () => unix(long), () => unix.server(long)]) {
      expect(make).toThrow(expect.objectContaining({ code: "CONDUIT_OPTIONS", blame: "local" }));
    }
  });

  test.runIf(process.platform === "linux")("takes the longest path that the system has", async () => {
    path = join(directory, "x".repeat(107 - directory.length - 1));
    const listener = await listen();
    (await dial(unix(path))).destroy();
    (await listener.accept()).destroy();
  });
});

describe("unix.server()", () => {
  test("removes its file on close, and links that exist go on", async () => {
    const listener = await listen();
    const a = new End(await dial(unix(path))).start();
    const b = new End(await listener.accept()).start();
    await listener.server.close();
    expect(existsSync(path)).toBe(false);
    a.write(Uint8Array.of(1));
    await b.until(() => b.received === 1);
    b.destroy();
    await a.closedOnce();
  });

  test("replaces a file that a killed process has left", async () => {
    await leaveStaleFile();
    const listener = await listen();
    (await dial(unix(path))).destroy();
    (await listener.accept()).destroy();
  });

  test("leaves a server alone that is in use: EADDRINUSE", async () => {
    const first = await listen();
    expect(await failure(listen())).toMatchObject({ code: "CONDUIT_LINK", cause: { code: "EADDRINUSE" } });
    (await first.accept()).destroy(); // the probe
    (await dial(unix(path))).destroy();
    (await first.accept()).destroy();
  });

  test("leaves a file alone that is no socket: EADDRINUSE", async () => {
    writeFileSync(path, "precious");
    expect(await failure(listen())).toMatchObject({ code: "CONDUIT_LINK", cause: { code: "EADDRINUSE" } });
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("rejects with the cause when the directory does not exist", async () => {
    path = join(directory, "missing", "s");
    // Node says EACCES for it, Bun and Deno say ENOENT.
    const code = expect.stringMatching(/^(EACCES|ENOENT)$/);
    expect(await failure(listen())).toMatchObject({ code: "CONDUIT_LINK", cause: { code } });
  });

  test("sets the mode of its file, of a replaced one too", async () => {
    await leaveStaleFile();
    chmodSync(path, 0o777);
    await listen({ mode: 0o600 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test.runIf(process.platform === "linux")("listens on an abstract name, which has no file", async () => {
    path = `\0conduit-${process.pid}`;
    const listener = await listen({ mode: 0o600 });
    (await dial(unix(path))).destroy();
    (await listener.accept()).destroy();
    expect(await failure(listen())).toMatchObject({ cause: { code: "EADDRINUSE" } });
  });

  test("500 connects and disconnects leave nothing behind", async () => {
    const listener = await listen();
    const source = unix(path);
    const one = async () => {
      const a = new End(await dial(source)).start();
      const b = new End(await listener.accept()).start();
      a.end();
      await b.closedOnce();
      a.destroy();
    };
    for (let i = 0; i < 500; i++) await one();
    await listener.server.close();
    await vi.waitFor(() => expect(handles()).toEqual(idle));
  });
});
