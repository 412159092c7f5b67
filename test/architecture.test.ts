// The layers of the code: imports point downward only. From the top:
//
//   bin/                               commands: text in, text out
//   index  node  ws  schema  stable-websocket     public names only, no logic
//   facade/                            a conduit as something else: the WebSocket interface
//   session/                           async: clock, random, timers, promises, events
//     proto/                           pure: bytes, now, random in; bytes, events, one deadline out
//       wasm/                          the only place that knows linear memory
//     link/                            any transport
//   codec/                             typed messages; knows no session, and sessions know only its interface
//   memory-budget  errors  limits      leaves
//   assembly/                          pure functions over addresses; TypeScript reads its abi.ts only
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { describe, expect, it } from "vitest";

const LAYERS: Record<string, { mayImport: string[] }> = {
  bin: { mayImport: ["bin", "codec", "leaf"] },
  entry: { mayImport: ["entry", "facade", "session", "codec", "link", "leaf"] },
  facade: { mayImport: ["facade", "session", "link", "leaf"] },
  session: { mayImport: ["session", "proto", "wasm", "link", "leaf", "abi"] },
  proto: { mayImport: ["proto", "wasm", "link", "leaf", "abi"] },
  wasm: { mayImport: ["wasm", "link", "leaf", "abi"] },
  link: { mayImport: ["link", "leaf"] },
  codec: { mayImport: ["codec", "leaf"] },
  leaf: { mayImport: ["leaf"] },
};

/** The only files that know Node; everything else runs in a browser unchanged. */
const NODE_FILES = [
  "src/link/tcp.ts",
  "src/link/unix.ts",
  "src/link/ws-server.ts",
  "src/session/duplex.ts",
  "src/bin/stable-conduit-schema.ts",
  "src/bin/typescript-loader.ts",
];

/** Packages that only one file may import, with the entry of its own that reaches it. */
const PEERS: Record<string, string> = { ws: "src/link/ws-server.ts" };

/** What only session/ may do: the core gets time and randomness as arguments. */
const IMPURE =
  /\b(Date\.now|performance\.now|Math\.random|setTimeout|setInterval|queueMicrotask|crypto\.|process\.|await|Promise)\b/;

const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => posix.join("src", name.replaceAll("\\", "/")));

function layerOf(file: string): string {
  if (file === "assembly/abi.ts") return "abi";
  const [, folder, rest] = file.split("/");
  if (rest !== undefined) return folder;
  return ["index.ts", "node.ts", "schema.ts", "stable-websocket.ts", "ws.ts"].includes(folder)
    ? "entry"
    : "leaf";
}

interface Import {
  from: string;
  /** Resolved for relative ones. */
  to: string;
  typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  const found = text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)";/gm);
  return [...found].map(([, type, from]) => ({
    from,
    to: from.startsWith(".")
      ? posix.normalize(posix.join(dirname(file), from)).replace(/\.js$/, ".ts")
      : from,
    typeOnly: type !== undefined,
  }));
}

describe("layers", () => {
  it("finds the sources and their imports", () => {
    expect(sources.length).toBeGreaterThan(25);
    expect(sources.flatMap(importsOf).length).toBeGreaterThan(100);
  });

  it("imports point downward only", () => {
    const upward = sources.flatMap((file) => {
      const { mayImport } = LAYERS[layerOf(file)];
      return importsOf(file)
        .filter(({ from }) => !from.startsWith("node:") && PEERS[from] !== file)
        .filter(({ from, to }) => !mayImport.includes(from.startsWith(".") ? layerOf(to) : from))
        .map(({ from }) => `${file} imports ${from}`);
    });
    expect(upward).toEqual([]);
  });

  it("only Node's links import node: modules; types are free", () => {
    const offenders = sources.flatMap((file) =>
      importsOf(file)
        .filter(({ from, typeOnly }) => from.startsWith("node:") && !typeOnly && !NODE_FILES.includes(file))
        .map(({ from }) => `${file} imports ${from}`),
    );
    expect(offenders).toEqual([]);
  });

  it("the browser entries reach no file that knows Node", () => {
    const reached = new Set<string>();
    const visit = (file: string) => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const { to, from, typeOnly } of importsOf(file)) {
        if (from.startsWith(".") && !typeOnly && to.startsWith("src/") && !to.includes(".generated."))
          visit(to);
      }
    };
    for (const entry of ["index", "schema", "stable-websocket"]) visit(`src/${entry}.ts`);
    expect([...reached].filter((file) => NODE_FILES.includes(file))).toEqual([]);
  });

  it("public entry points contain no logic", () => {
    for (const file of sources.filter((name) => layerOf(name) === "entry")) {
      const code = readFileSync(file, "utf8")
        .replace(/^\/\/.*$/gm, "")
        .replace(/export\s+(type\s+)?(\*|\{[^}]*\})\s+from\s+"[^"]+";/g, "");
      expect(code.trim(), file).toBe("");
    }
  });

  it("the protocol core reads no clock, draws no random number and waits for nothing", () => {
    const impure = sources
      .filter((file) => ["proto", "wasm"].includes(layerOf(file)) && !file.includes(".generated."))
      .flatMap((file) => {
        const code = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
        const match = code.match(IMPURE);
        return match ? [`${file}: ${match[0]}`] : [];
      });
    expect(impure).toEqual([]);
  });

  it("only wasm/ makes WebAssembly memories and instances", () => {
    const makers = sources.filter((file) =>
      /\bWebAssembly\.(Memory|Instance|Module)\b|instantiateSync/.test(readFileSync(file, "utf8")),
    );
    expect(makers.every((file) => layerOf(file) === "wasm")).toBe(true);
  });

  it("the machine's state is assigned in one place", () => {
    const text = readFileSync(join("src", "proto", "machine.ts"), "utf8");
    expect(text.match(/this\.#state = /g)).toHaveLength(1);
  });
});

describe("assembly/", () => {
  it("imports nothing but itself, and nothing of src/", () => {
    for (const name of readdirSync("assembly").filter((file) => file.endsWith(".ts"))) {
      for (const { from } of importsOf(posix.join("assembly", name)))
        expect(from, name).toMatch(/^\.\/[a-z]+$/);
    }
  });
});
