// The types of the packed package, as TypeScript finds them for Node and for bundlers.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { folderWithPackage } from "./packed.js";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const OPTIONS = [
  "--noEmit",
  "--skipLibCheck",
  "--strict",
  "--target",
  "es2022",
  "--lib",
  "es2022,esnext.disposable,dom",
  "--types",
  "node",
];

/** Uses something of each entry; what must not compile shows that nothing of it is `any`. */
const PROGRAM = `
import { type ConduitError, connect, init, type StableConduit, webSocket } from "stable-conduit";
import { listen, tcp } from "stable-conduit/node";
import { type Infer, struct, u32 } from "stable-conduit/schema";
import { StableWebSocket, webSocketOver } from "stable-conduit/stable-websocket";
import { webSocketServer } from "stable-conduit/ws";

const Move = struct("Move", { x: u32, y: u32 });
const move: Infer<typeof Move> = { x: 1, y: 2 };

export async function program(): Promise<ConduitError | null> {
  await init();
  await listen(webSocketServer({ port: 0 }));
  const bytes: StableConduit = await connect(tcp({ port: 1 }));
  bytes.send(Uint8Array.of(1));
  // @ts-expect-error bytes are no text
  bytes.send("text");
  const moves = await connect(webSocket("/moves"), { schema: { send: Move, recv: Move } });
  moves.send(move);
  // @ts-expect-error y is missing
  moves.send({ x: 1 });
  const { y } = (await moves.recv())!;
  const sockets: WebSocket[] = [new StableWebSocket("/chat", "chat", { graceMs: 1 }), webSocketOver(bytes)];
  // @ts-expect-error a socket's conduit carries bytes
  sockets.push(webSocketOver(moves));
  const close = await moves.closed;
  return close.clean || y === 7 ? null : close.error;
}
`;

let folder: string;
beforeAll(() => {
  folder = folderWithPackage("types");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "program.ts"), PROGRAM);
});

test.each([
  ["node16", "node16"],
  ["esnext", "bundler"],
])("a program with every entry compiles with module %s and moduleResolution %s", (module, resolution) => {
  const args = [tsc, ...OPTIONS, "--module", module, "--moduleResolution", resolution, "program.ts"];
  const { stdout, status } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});
