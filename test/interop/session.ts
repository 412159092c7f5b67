// One session between a conduit of ours and the Rust peer, over a real socket and a proxy that cuts it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChaosProxy, randomFrom, startChaosProxy } from "../../examples/demo/chaos-proxy.js";
import {
  type Acceptor,
  type Bytes,
  connect,
  type Limits,
  listen,
  type MessagePlan,
  type Schemas,
  type StableConduit,
  tcp,
  unix,
} from "../../src/node.js";
import { decodeItem, encodeItem, type Item, itemOf, Tally } from "./item.js";
import { type Report, RustPeer } from "./rust-peer.js";

export type RustRole = "initiator" | "acceptor";
export type Transport = "tcp" | "unix";

/** When links are cut. Each cut waits for its turn; the rest of the session is left alone. */
export type Cuts =
  /** After random numbers of bytes, hellos included; about every `every` bytes. */
  | { kind: "anywhere"; count: number; every: number }
  /** At random moments, about every `everyMs`, but only once the Rust peer has told that our hello arrived. */
  | { kind: "after-hello"; count: number; everyMs: number }
  /** The n-th link after the first is cut after bytes[n] of it, both ways together. */
  | { kind: "at"; bytes: readonly number[] }
  /**
   * At a random item of ours received, but only once the Rust peer has told that it is through with its replay on this
   * link: the reference does not survive a cut before that.
   */
  | { kind: "after-replay"; count: number; total: number };

/** What items are for our conduit. */
export interface Form<S, R> {
  schema?: Schemas<S, R>;
  /** For what the Rust peer writes. */
  plan?: MessagePlan<R>;
  /** What send() gets. */
  of(item: Item): S;
  /** Of what a batch gives. */
  item(value: R): Item;
}

/** Bytes, and postcard by hand. */
const BYTES: Form<Uint8Array, Bytes> = { of: encodeItem, item: decodeItem };

export interface SessionOptions<S = Uint8Array, R = Bytes> {
  rust: RustRole;
  transport: Transport;
  seed?: number;
  limits?: Limits;
  /** Default: bytes. */
  form?: Form<S, R>;
}

export interface Traffic {
  toRust?: number;
  fromRust?: number;
  /** Bytes of an item's body. */
  size?: number;
  /** Tasks that send on the Rust side. */
  senders?: number;
  /** Items carry a struct with text, tuple, list and enum. */
  note?: boolean;
}

export class Session<S = Uint8Array, R = Bytes> {
  readonly rust: RustRole;
  readonly tally = new Tally();
  readonly conduit: StableConduit<S, R>;
  readonly peer: RustPeer;
  readonly proxy: ChaosProxy;
  readonly #form: Form<S, R>;
  readonly #acceptor: Acceptor<S, R, unknown> | null;
  readonly #directory: string;
  readonly #plan: CutPlan;
  #awaited: { count: number; resolve: () => void } | null = null;
  #sent = 0;
  #expected = 0;

  private constructor(
    parts: {
      form: Form<S, R>;
      conduit: StableConduit<S, R>;
      peer: RustPeer;
      proxy: ChaosProxy;
      directory: string;
      plan: CutPlan;
    },
    acceptor: Acceptor<S, R, unknown> | null,
  ) {
    const { form } = parts;
    this.#form = form;
    this.rust = acceptor === null ? "acceptor" : "initiator";
    this.conduit = form.plan ? parts.conduit.withMessagePlan(form.plan) : parts.conduit;
    this.peer = parts.peer;
    this.proxy = parts.proxy;
    this.#directory = parts.directory;
    this.#plan = parts.plan;
    this.#acceptor = acceptor;
    this.conduit.onItems = (batch) => {
      for (let i = 0; i < batch.length; i++) this.tally.count(form.item(batch.at(i)));
      this.#plan.received(this.tally.received);
      if (this.#awaited && this.tally.received >= this.#awaited.count) this.#awaited.resolve();
    };
    this.conduit.on("linkDown", () => this.#plan.linkDown(this.conduit.stats().links));
    this.peer.onfresh = (link) => this.#plan.fresh(link);
    this.peer.ongreeted = (link) => this.#plan.greeted(link);
  }

  static async open<S = Uint8Array, R = Bytes>({
    rust,
    transport,
    seed = 1,
    limits,
    form = BYTES as unknown as Form<S, R>, // without a form there is nothing but the defaults of S and R
  }: SessionOptions<S, R>): Promise<Session<S, R>> {
    const { schema } = form;
    const directory = mkdtempSync(join(tmpdir(), "interop-"));
    const [near, far] = [join(directory, "near"), join(directory, "far")];
    const plan = new CutPlan(seed);
    const proxyTo = (target: { port: number } | { path: string }) =>
      startChaosProxy({
        target,
        seed,
        cutAfterBytes: () => plan.nextLink(),
        ...(transport === "unix" && { path: near }),
      });
    if (rust === "acceptor") {
      const peer = await RustPeer.acceptor(transport === "tcp" ? "tcp:127.0.0.1:0" : `unix:${far}`);
      const proxy = await proxyTo(
        transport === "tcp" ? { port: Number(peer.address.split(":")[1]) } : { path: far },
      );
      plan.proxy = proxy;
      const source = transport === "tcp" ? tcp({ host: "127.0.0.1", port: proxy.port }) : unix(near);
      const conduit = await connect<S, R>(source, { ...limits, schema, retry: { baseMs: 2, capMs: 200 } });
      return new Session({ form, conduit, peer, proxy, directory, plan }, null);
    }
    const server = transport === "tcp" ? tcp.server({ host: "127.0.0.1", port: 0 }) : unix.server(far);
    const acceptor = await listen<S, R>(server, { ...limits, schema });
    const { address } = acceptor;
    const proxy = await proxyTo(typeof address === "string" ? { path: address } : address);
    plan.proxy = proxy;
    const peer = RustPeer.initiator(transport === "tcp" ? `tcp:127.0.0.1:${proxy.port}` : `unix:${near}`);
    const { value } = await acceptor[Symbol.asyncIterator]().next();
    await peer.open;
    const conduit = value as StableConduit<S, R>;
    return new Session({ form, conduit, peer, proxy, directory, plan }, acceptor);
  }

  /** From now on links are cut like this; with null no more. */
  cut(cuts: Cuts | null): void {
    this.#plan.follow(cuts, this.tally.received);
  }

  /** Cuts a link on which nothing moves, and waits for the next. */
  async cutIdle(): Promise<void> {
    const up = new Promise((resolve) => this.conduit.on("linkUp", resolve, { once: true }));
    this.proxy.cutAll();
    await Promise.race([up, this.#rustEnd()]);
  }

  /** Sends both ways at once; resolves when everything has arrived. */
  async exchange({ toRust = 0, fromRust = 0, size = 16, senders = 1, note = false }: Traffic): Promise<void> {
    this.#expected += toRust;
    const arrived = this.#received(this.tally.received + fromRust);
    const all = Promise.all([
      toRust > 0 && this.#send(toRust, size, note).then(() => this.peer.received(this.#expected)),
      fromRust > 0 && this.peer.send(fromRust, size, senders, note),
      arrived,
    ]);
    await Promise.race([all, this.#rustEnd()]);
  }

  /** Rejects when the Rust session ends. */
  #rustEnd(): Promise<never> {
    return this.peer.end.then((why) => {
      throw new Error(`the Rust session ended: ${why}`);
    });
  }

  async report(): Promise<Report> {
    return this.peer.report();
  }

  /** Ends both sides; nothing is left. */
  async close(): Promise<void> {
    this.#plan.follow(null, 0);
    this.conduit.abort("the test is over");
    await this.conduit.closed;
    await this.peer.kill();
    await this.#acceptor?.close();
    await this.proxy.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #send(count: number, size: number, note: boolean): Promise<void> {
    const { conduit } = this;
    for (const end = this.#sent + count; this.#sent < end; this.#sent++) {
      if (conduit.congested) await conduit.drained();
      conduit.send(this.#form.of(itemOf(0, this.#sent, size, note)));
    }
  }

  /** Rejects when the session ends before so many items have come. */
  async #received(count: number): Promise<void> {
    if (this.tally.received >= count) return;
    const arrived = new Promise<void>((resolve) => {
      this.#awaited = { count, resolve };
    });
    await Promise.race([
      arrived,
      this.conduit.closed.then((close) => {
        throw close.clean ? new Error("the session has ended") : close.error;
      }),
    ]);
  }
}

/** Carries out Cuts. */
class CutPlan {
  proxy: ChaosProxy | null = null;
  readonly #random: () => number;
  #cuts: Cuts | null = null;
  #left = 0;
  #stratum = 0;
  #cutAt = Number.POSITIVE_INFINITY;
  #replayOver = false;
  #linksOpened = 0;
  #linksDown = 0;
  #from = 0;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  follow(cuts: Cuts | null, received: number): void {
    this.#cuts = cuts;
    this.#from = received;
    this.#cutAt = Number.POSITIVE_INFINITY;
    if (cuts === null) return;
    this.#left = cuts.kind === "at" ? cuts.bytes.length : cuts.count;
    if (cuts.kind === "after-replay") {
      this.#stratum = cuts.total / (cuts.count + 1);
      this.#replayOver = true;
      this.#aim();
    } else {
      this.proxy?.cutAll(); // the plan begins with the next link
    }
  }

  /** After how many bytes the link that opens now is cut; null = not by its bytes. */
  nextLink(): number | null {
    this.#linksOpened++;
    const cuts = this.#cuts;
    if (this.#left === 0 || (cuts?.kind !== "at" && cuts?.kind !== "anywhere")) return null;
    this.#left--;
    if (cuts.kind === "at") return cuts.bytes[cuts.bytes.length - this.#left - 1];
    const early = this.#random() < 1 / 8;
    return 1 + Math.floor(this.#random() * (early ? 256 : 2 * cuts.every));
  }

  /** Our n-th link is down: the Rust peer will replay. */
  linkDown(links: number): void {
    this.#linksDown = links;
    this.#replayOver = false;
  }

  /** The Rust peer has our hello on its n-th link. */
  greeted(link: number): void {
    const cuts = this.#cuts;
    if (cuts?.kind !== "after-hello" || this.#left === 0) return;
    setTimeout(
      () => {
        if (link + 1 !== this.#linksOpened || this.#left === 0) return; // a newer one may be in its hello
        this.#left--;
        this.proxy?.cutAll();
      },
      this.#random() * 2 * cuts.everyMs,
    );
  }

  /** The Rust peer sends on this link what it has not sent before: it is through with its replay, unless the link is down. */
  fresh(link: number): void {
    if (link >= this.#linksDown) this.#replayOver = true;
  }

  received(count: number): void {
    if (count < this.#cutAt || !this.#replayOver) return;
    this.#replayOver = false;
    this.#left--;
    this.#aim();
    this.proxy?.cutAll();
  }

  #aim(): void {
    const cuts = this.#cuts;
    if (cuts?.kind !== "after-replay" || this.#left === 0) {
      this.#cutAt = Number.POSITIVE_INFINITY;
      return;
    }
    this.#cutAt = this.#from + this.#stratum * (cuts.count - this.#left + this.#random());
  }
}
