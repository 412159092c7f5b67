// Takes links from a server, finds the session each one belongs to, and holds those that wait for their next link.
import { ConduitError, linkError, optionsError } from "../errors.js";
import { type ResolvedLimits, resolveLimits } from "../limits.js";
import type { Bytes, Link, LinkInfo, LinkServer } from "../link/link.js";
import { AbortCode } from "../proto/control.js";
import type { Grave } from "../proto/greeting.js";
import { Registry } from "../proto/registry.js";
import { Alarm } from "./alarm.js";
import { now, randomId } from "./clock.js";
import { Greeter, type GreeterHost } from "./greeter.js";
import {
  type Awaitable,
  type Close,
  checkSessionOptions,
  type Grant,
  type ListenOptions,
} from "./options.js";
import { type Deferred, deferred, quiet, type Wait, watchWait } from "./promises.js";
import { StableConduit } from "./stable-conduit.js";

const MAX_SESSIONS = 65_536;
const MAX_PENDING_HANDSHAKES = 1_024;

/** Counters (since the start) and gauges (now). */
export interface AcceptorStats {
  readonly sessions: number;
  readonly pendingHandshakes: number;
  /** Links that reached no session: bad hellos, timeouts, unknown keys, refusals. */
  readonly failedHandshakes: number;
  /** Links that were closed because of maxSessions or maxPendingHandshakes. */
  readonly overflowed: number;
}

/** Accepts sessions: `for await (const conduit of acceptor)`. */
export interface Acceptor<S, R, D> extends AsyncIterable<StableConduit<S, R, D>>, AsyncDisposable {
  /** Where it listens. */
  readonly address: { host: string; port: number } | string;
  /** By id. Sessions without a link are among them for graceMs. */
  readonly sessions: ReadonlyMap<string, StableConduit<S, R, D>>;
  /** Takes a link from a server of your own. */
  accept(link: Link): void;
  stats(): AcceptorStats;
  /**
   * Stops accepting and ends every session; what has not ended within `wait` (closeTimeoutMs by default) is aborted
   * with "shutdown", and initiators are asked not to come back before retryAfterMs [ext.shutdown].
   */
  close(wait?: Wait & { retryAfterMs?: number }): Promise<void>;
}

/**
 * Listens for sessions. Rejects when the address cannot be had (CONDUIT_LINK), or with CONDUIT_OPTIONS.
 */
export async function listen<S = Uint8Array, R = Bytes, D = unknown>(
  server: LinkServer,
  options: ListenOptions<S, R, D> = {},
): Promise<Acceptor<S, R, D>> {
  const acceptor = new SessionAcceptor<S, R, D>(server, options);
  await acceptor.listen();
  return acceptor;
}

class SessionAcceptor<S, R, D> implements Acceptor<S, R, D>, GreeterHost<StableConduit<S, R, D>> {
  readonly sessions = new Map<string, StableConduit<S, R, D>>();
  readonly extended: boolean;

  readonly #server: LinkServer;
  readonly #options: ListenOptions<S, R, D>;
  readonly #limits: ResolvedLimits;
  readonly #maxSessions: number;
  readonly #maxPending: number;
  readonly #registry = new Registry<StableConduit<S, R, D>>();
  readonly #greeters = new Set<Greeter<StableConduit<S, R, D>>>();
  readonly #sweep = new Alarm(() => this.#sweepGraves());
  #address: { host: string; port: number } | string = "";
  #failedHandshakes = 0;
  #overflowed = 0;
  #closing: Promise<void> | null = null;

  // --- the iterator
  readonly #arrived = new Set<StableConduit<S, R, D>>(); // not shown to the application yet
  #awaited: Deferred<void> | null = null;

  constructor(server: LinkServer, options: ListenOptions<S, R, D>) {
    checkSessionOptions(options);
    this.#server = server;
    this.#options = options;
    this.#limits = resolveLimits(options);
    this.#maxSessions = count("maxSessions", options.maxSessions ?? MAX_SESSIONS);
    this.#maxPending = count("maxPendingHandshakes", options.maxPendingHandshakes ?? MAX_PENDING_HANDSHAKES);
    this.extended = options.profile !== "base";
  }

  get address(): { host: string; port: number } | string {
    return this.#address;
  }

  async listen(): Promise<void> {
    try {
      this.#address = await this.#server.listen(
        (link) => this.accept(link),
        () => this.#failedHandshakes++,
      );
    } catch (cause) {
      if (cause instanceof ConduitError) throw cause;
      throw linkError(`cannot listen: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
    }
  }

  // ------------------------------------------------------------------ links

  accept(link: Link): void {
    if (this.#closing) return link.destroy();
    if (this.#greeters.size >= this.#maxPending) {
      this.#overflowed++;
      return link.destroy();
    }
    const greeter = new Greeter<StableConduit<S, R, D>>(
      link,
      null,
      this,
      this.#limits.handshakeTimeoutMs,
      (error) => {
        this.#greeters.delete(greeter);
        if (error) this.#failedHandshakes++;
      },
    );
    this.#greeters.add(greeter);
  }

  judge: GreeterHost<StableConduit<S, R, D>>["judge"] = (hello) => this.#registry.judge(hello, now());

  authorize(
    kind: "new" | "resume",
    conduit: StableConduit<S, R, D> | null,
    credentials: Bytes | null,
    link: LinkInfo,
    signal: AbortSignal,
  ): Awaitable<Grant<D> | null> {
    const { authorize } = this.#options;
    return authorize ? authorize({ kind, conduit, credentials, link, signal }) : { data: undefined as D };
  }

  hasRoom(): boolean {
    if (this.sessions.size < this.#maxSessions || this.#evictable()) return true;
    this.#overflowed++;
    return false;
  }

  create(extended: boolean, grant: Grant<unknown>): StableConduit<S, R, D> | null {
    if (this.#closing || !this.hasRoom()) return null;
    const { data, budget, ...limits } = grant as Grant<D>;
    const resolved = resolveLimits(limits, this.#limits);
    if (this.sessions.size >= this.#maxSessions) this.#evictable()?.abort("evicted for another session");
    const conduit: StableConduit<S, R, D> = StableConduit.of<S, R, D>({
      role: "acceptor",
      profile: extended ? "extended" : "base",
      limits: resolved,
      allowHalfOpen: this.#options.allowHalfOpen ?? false,
      id: randomId(),
      data,
      budget: budget ?? null,
      schema: this.#options.schema ?? {},
      onFinished: (close) => this.#bury(conduit, close as Close<S>, resolved.graceMs),
    });
    this.sessions.set(conduit.id, conduit);
    return conduit;
  }

  keysChanged(conduit: StableConduit<S, R, D>): void {
    if (conduit.machine.state !== "ended") this.#registry.update(conduit);
  }

  attach: GreeterHost<StableConduit<S, R, D>>["attach"] = (conduit, port, attached, serverHello, rest) => {
    const fresh = conduit.status.state === "connecting";
    this.#registry.update(conduit);
    conduit.attach(port, attached, serverHello, rest);
    if (!fresh || conduit.machine.state === "ended") return;
    this.#arrived.add(conduit);
    this.#awaited?.resolve();
  };

  /** A session that never spoke and has no link now makes room [resume.grace]. */
  #evictable(): StableConduit<S, R, D> | undefined {
    for (const conduit of this.sessions.values()) {
      if (!conduit.machine.proven && !conduit.machine.hasLink) return conduit;
    }
    return undefined;
  }

  /** The reason stays under the session's keys for graceMs [resume.reject]. */
  #bury(conduit: StableConduit<S, R, D>, close: Close<S>, graceMs: number): void {
    this.sessions.delete(conduit.id);
    this.#arrived.delete(conduit); // an application that is slow to accept must not collect dead sessions
    const grave: Grave = {
      clean: close.clean,
      ...(close.clean ? { code: AbortCode.ended, reason: "", retryAfterMs: 0 } : reasonOf(close.error)),
      lastReceived: conduit.machine.lastReceived,
    };
    this.#registry.bury(conduit, grave, now() + graceMs);
    if (!this.#closing) this.#sweep.set(this.#registry.pollDeadline(), now());
  }

  #sweepGraves(): void {
    const currently = now();
    this.#registry.handleTimeout(currently);
    this.#sweep.set(this.#registry.pollDeadline(), currently);
  }

  // ------------------------------------------------------------------ the application

  async *[Symbol.asyncIterator](): AsyncGenerator<StableConduit<S, R, D>, void, undefined> {
    for (;;) {
      const [conduit] = this.#arrived;
      if (conduit) {
        this.#arrived.delete(conduit);
        yield conduit;
        continue;
      }
      if (this.#closing) return;
      if (this.#awaited) throw optionsError("this acceptor has a consumer already");
      this.#awaited = deferred();
      try {
        await this.#awaited.promise;
      } finally {
        this.#awaited = null;
      }
    }
  }

  stats(): AcceptorStats {
    return {
      sessions: this.sessions.size,
      pendingHandshakes: this.#greeters.size,
      failedHandshakes: this.#failedHandshakes,
      overflowed: this.#overflowed,
    };
  }

  close(wait: Wait & { retryAfterMs?: number } = {}): Promise<void> {
    this.#closing ??= quiet(this.#shutDown(wait));
    return this.#closing;
  }

  async #shutDown({ signal, timeoutMs, retryAfterMs = 0 }: Wait & { retryAfterMs?: number }): Promise<void> {
    // Runs up to the first await within close(), so that #closing is set for everything that follows.
    await Promise.resolve();
    this.#awaited?.resolve();
    for (const greeter of [...this.#greeters]) greeter.fail(linkError("the acceptor is closing"));
    const stopped = quiet((async () => this.#server.close())());
    const sessions = [...this.sessions.values()];
    const stop = watchWait({ signal, timeoutMs: timeoutMs ?? this.#limits.closeTimeoutMs }, () => {
      for (const conduit of sessions) conduit.shutDown(retryAfterMs);
    });
    for (const conduit of sessions) {
      // Without a link it cannot end any more: nobody listens for its next one.
      conduit.on("linkDown", () => conduit.shutDown(retryAfterMs));
      if (!conduit.machine.hasLink) conduit.shutDown(retryAfterMs);
      else quiet(conduit.close({ timeoutMs: Number.POSITIVE_INFINITY }));
    }
    await Promise.all(sessions.map((conduit) => conduit.closed));
    stop();
    this.#sweep.clear();
    await stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What an initiator that comes back to an ended session is told. */
function reasonOf(error: ConduitError): { code: AbortCode; reason: string; retryAfterMs: number } {
  const code = {
    CONDUIT_PROTOCOL: AbortCode.violation,
    CONDUIT_HANDLER: AbortCode.handler,
    CONDUIT_DECODE: AbortCode.handler,
  }[error.code as string];
  const expired = error.reason === "expired" ? AbortCode.expired : undefined;
  const shutdown = error.message === "shutdown" ? AbortCode.shutdown : undefined;
  return {
    code: code ?? expired ?? shutdown ?? AbortCode.application,
    reason: error.message,
    retryAfterMs: error.retryAfterMs ?? 0,
  };
}

function count(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw optionsError(`${name} must be a whole number above 0, got ${value}`);
}
