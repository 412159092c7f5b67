// vox-core 0.4.0 in Rust, both ends: the StableConduit whose wire this package speaks. Its processes are driven by
// lines (test/interop/rust-peer). They check each item themselves; how many have come is asked every few milliseconds,
// and each time the receiver says something, because nothing else brings the acks that let the sender forget.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY = fileURLToPath(new URL("../../test/interop/rust-peer/target/release/peer", import.meta.url));
const ASK_MS = 5;

/** @type {import("../system.js").System} */
const system = {
  name: "vox-core",
  // It loses items at cuts and cannot always go on, and its replay buffer has no bound: see INTEROP.md.
  guarantees: { exactlyOnce: false, ordered: true, survivesCut: true, bounded: false, boundaries: true },
  external: true,
  available: () => existsSync(BINARY) || "its peer is not built: npm run test:interop does that, with cargo",

  async receive({ size, received }) {
    const rust = peer("acceptor", "tcp:127.0.0.1:0");
    const { address } = await rust.told("listening");
    let counted = 0;
    rust.on("report", ({ received: messages, lost, repeated, corrupt }) => {
      if (lost + repeated + corrupt > 0) throw new Error(`vox-core: ${lost} lost, ${repeated} repeated`);
      if (messages > counted) received(messages - counted, (messages - counted) * size, messages - counted);
      counted = messages;
    });
    /** @type {ReturnType<typeof setInterval> | undefined} */
    let asking;
    rust.on("open", () => {
      asking = setInterval(() => {
        rust.say("report");
        rust.say("send 1 0 1");
      }, ASK_MS);
    });
    const close = () => {
      clearInterval(asking);
      rust.kill();
    };
    return { address: { address: String(address) }, close };
  },

  async send({ address }, { size }) {
    const rust = peer("initiator", `tcp:${address}`);
    await rust.told("open");
    return {
      async push(_, times) {
        const sent = rust.told("sent");
        rust.say(`send ${times} ${size} 1`);
        await sent;
      },
      flushed: async () => {}, // vox-core has taken them all: "sent" says so
      close: rust.kill,
    };
  },
};

export default system;

/**
 * A process of the Rust peer.
 * @param {string[]} args
 */
export function peer(...args) {
  const child = spawn(BINARY, args, { stdio: ["pipe", "pipe", "inherit"] });
  process.once("exit", () => child.kill("SIGKILL"));
  /** @type {Map<string, (event: any) => void>} */
  const listeners = new Map();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = JSON.parse(line);
    listeners.get(event.event)?.(event);
  });
  /**
   * @param {string} kind
   * @param {(event: any) => void} listener
   */
  const on = (kind, listener) => void listeners.set(kind, listener);
  return {
    on,
    /**
     * The next event of a kind.
     * @param {string} kind
     * @returns {Promise<any>}
     */
    told: (kind) => new Promise((resolve) => on(kind, resolve)),
    /** @param {string} line */
    say: (line) => void child.stdin.write(`${line}\n`),
    kill: () => void child.kill("SIGKILL"),
  };
}
