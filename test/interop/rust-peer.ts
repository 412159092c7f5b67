// The reference as a process: vox-core's StableConduit, driven by lines (rust-peer/src/bin/peer.rs says which).
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const BINARY = fileURLToPath(new URL("./rust-peer/target/release/peer", import.meta.url));
const PATIENCE_MS = 60_000;

export interface Report {
  received: number;
  lost: number;
  repeated: number;
  corrupt: number;
  sent: number;
  links: number;
  rssKiB: number;
  /** Why its session ended; null = it lives. */
  ended: string | null;
}

type Event =
  | { event: "listening"; address: string }
  | { event: "open" }
  | { event: "greeted" | "fresh"; link: number }
  | { event: "sent"; sent: number }
  | { event: "received"; received: number }
  | { event: "ended"; error: string }
  | ({ event: "report" } & Report);

/** tcp:HOST:PORT or unix:PATH. Port 0: any; `address` tells which. */
export type Address = `tcp:${string}` | `unix:${string}`;

export class RustPeer {
  /** Where an acceptor listens. */
  address = "";
  /** Why its session ended; null = it lives. */
  ended: string | null = null;
  /** Our hello has arrived on its n-th link. */
  ongreeted: ((link: number) => void) | null = null;
  /** The n-th link carries what no earlier one did: its replay is over. */
  onfresh: ((link: number) => void) | null = null;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #waiting: { kind: Event["event"]; resolve(event: Event): void; reject(error: Error): void }[] = [];
  #onopen!: () => void;
  #onend!: (error: string) => void;
  #gone = false;
  #rest = "";

  private constructor(args: string[]) {
    this.#process = spawn(BINARY, args);
    this.#process.stdout.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    this.#process.stderr
      .setEncoding("utf8")
      .on("data", (text: string) => console.error(`rust peer: ${text}`));
    this.#process.on("close", () => {
      this.#gone = true;
      for (const { kind, reject } of this.#waiting.splice(0))
        reject(new Error(`the Rust peer ended; ${kind} was expected`));
    });
    this.#process.stdin.on("error", () => {}); // it ended: "close" tells
  }

  /** Listens at the address. */
  static async acceptor(address: Address, ...flags: ("--echo" | "--prologue")[]): Promise<RustPeer> {
    const peer = new RustPeer(["acceptor", address, ...flags]);
    const { address: bound } = await peer.next("listening");
    peer.address = bound;
    return peer;
  }

  /** Dials the address, again and again, at each link that it needs. */
  static initiator(address: Address, ...flags: "--echo"[]): RustPeer {
    return new RustPeer(["initiator", address, ...flags]);
  }

  /** `count` items from `senders` tasks; resolves when vox-core has taken the last. */
  async send(count: number, size: number, senders = 1, note = false): Promise<void> {
    const sent = this.next("sent");
    this.#say(`send ${count} ${size} ${senders}${note ? " note" : ""}`);
    await sent;
  }

  /** Resolves when so many items have arrived in all. */
  async received(count: number): Promise<void> {
    const received = this.next("received");
    this.#say(`expect ${count}`);
    await received;
  }

  async report(): Promise<Report> {
    const report = this.next("report");
    this.#say("report");
    const { event: _, ...rest } = await report;
    return rest;
  }

  /** Resolves when the session's first handshake is done. */
  readonly open: Promise<void> = new Promise((resolve) => {
    this.#onopen = resolve;
  });
  /** Resolves when its session ends: with the error. */
  readonly end: Promise<string> = new Promise((resolve) => {
    this.#onend = resolve;
  });

  /** Ends the process at once, as a crash does. */
  async kill(): Promise<void> {
    if (this.#gone) return;
    const gone = new Promise((resolve) => this.#process.once("close", resolve));
    this.#process.kill("SIGKILL");
    await gone;
  }

  #say(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  next<K extends Event["event"]>(kind: K): Promise<Extract<Event, { event: K }>> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void) => {
        clearTimeout(timer);
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        how();
      };
      const waiting = {
        kind,
        resolve: (event: Event) => settle(() => resolve(event as Extract<Event, { event: K }>)),
        reject: (error: Error) => settle(() => reject(error)),
      };
      const timer = setTimeout(
        () => waiting.reject(new Error(`the Rust peer did not tell "${kind}" within ${PATIENCE_MS} ms`)),
        PATIENCE_MS,
      );
      this.#waiting.push(waiting);
      if (this.#gone) waiting.reject(new Error(`the Rust peer has ended; ${kind} was expected`));
    });
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#handle(JSON.parse(line) as Event);
  }

  #handle(event: Event): void {
    if (event.event === "open") this.#onopen();
    if (event.event === "greeted") this.ongreeted?.(event.link);
    if (event.event === "fresh") this.onfresh?.(event.link);
    for (const waiting of [...this.#waiting]) if (waiting.kind === event.event) waiting.resolve(event);
    if (event.event !== "ended") return;
    this.ended = event.error;
    this.#onend(event.error);
    // What else is awaited will not come.
    for (const { kind, reject } of [...this.#waiting])
      if (kind !== "report")
        reject(new Error(`the Rust session ended (${event.error}); ${kind} was expected`));
  }
}
