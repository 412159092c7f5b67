// The types of the packed package in the projects of its users: with Node's types, a page's or both, and with the declarations
// of the package itself checked (no skipLibCheck).
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { folderWithPackage } from "./packed.js";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");

/** Uses something of each entry that pages have; what must not compile shows that nothing of it is `any`. */
const PAGE = `
import { type ConduitError, connect, init, StableConduit, webSocket } from "stable-conduit";
import { type Infer, struct, u32 } from "stable-conduit/schema";
import { StableWebSocket, webSocketOver } from "stable-conduit/stable-websocket";

const Move = struct("Move", { x: u32, y: u32 });
const move: Infer<typeof Move> = { x: 1, y: 2 };

export async function page(): Promise<ConduitError | null> {
  await init();
  await using bytes: StableConduit = await connect(webSocket("/bytes"));
  bytes.send(Uint8Array.of(1));
  // @ts-expect-error bytes are no text
  bytes.send("text");
  const moves = await connect(webSocket("/moves"), { schema: { send: Move, recv: Move } });
  moves.send(move);
  // @ts-expect-error y is missing
  moves.send({ x: 1 });
  const { y } = (await moves.recv())!;
  const through: ReadableStream<Uint8Array> = new ReadableStream<Uint8Array>().pipeThrough(bytes);
  const sockets: WebSocket[] = [new StableWebSocket("/chat", "chat", { graceMs: 1 }), webSocketOver(bytes)];
  // @ts-expect-error a socket's conduit carries bytes
  sockets.push(webSocketOver(moves));
  const socket = new StableWebSocket("/chat");
  socket.addEventListener("message", ({ data }) => data);
  socket.addEventListener("close", ({ code, reason }) => code.toFixed() + reason.trim(), { once: true });
  // @ts-expect-error only the event close has a code
  socket.addEventListener("open", ({ code }) => code);
  socket.binaryType = "arraybuffer";
  // @ts-expect-error conduits come from connect() and the like
  new StableConduit();
  // @ts-expect-error what only this package uses of a conduit is not in its types
  bytes.machine;
  const close = await moves.closed;
  return close.clean || y === 7 || through.locked ? null : close.error;
}
`;

/** The entries that only Node has. */
const SERVER = `
import { connect, duplex, listen, tcp } from "stable-conduit/node";
import { webSocketServer } from "stable-conduit/ws";
import { pipeline } from "node:stream/promises";

export async function server(): Promise<number> {
  await using acceptor = await listen(webSocketServer({ port: 0 }));
  // @ts-expect-error a port is a number
  tcp({ port: "1" });
  const conduit = await connect(tcp({ port: 1 }));
  await pipeline(duplex(conduit), process.stdout);
  return acceptor.stats().sessions;
}
`;

let folder: string;
beforeAll(() => {
  folder = folderWithPackage("types");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "page.ts"), PAGE);
  writeFileSync(join(folder, "server.ts"), SERVER);
});

test.each([
  { lib: ["ES2022"], types: ["node"], module: "node16", resolution: "node16" },
  { lib: ["ES2022"], types: ["node"], module: "nodenext", resolution: "nodenext" },
  { lib: ["ES2022"], types: ["node"], module: "esnext", resolution: "bundler" },
  { lib: ["ES2022", "DOM"], types: ["node"], module: "esnext", resolution: "bundler" },
  { lib: ["ES2022", "DOM"], types: [], module: "nodenext", resolution: "nodenext" },
  { lib: ["ES2022", "DOM"], types: [], module: "esnext", resolution: "bundler" },
  { lib: ["ES2022", "WebWorker"], types: [], module: "esnext", resolution: "bundler" },
])(
  "a program compiles with lib $lib, types $types and moduleResolution $resolution",
  ({ lib, types, module, resolution }) => {
    const compilerOptions = {
      noEmit: true,
      strict: true,
      target: "es2022",
      lib,
      types,
      module,
      moduleResolution: resolution,
    };
    const files = types.includes("node") ? ["page.ts", "server.ts"] : ["page.ts"];
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
    const { stdout, status } = spawnSync(process.execPath, [tsc], { cwd: folder, encoding: "utf8" });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  },
);
