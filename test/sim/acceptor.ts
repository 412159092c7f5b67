// The acceptor's host: greets each link outside of any session, asks the registry, authorizes, and lets the session
// take the link over [resume.takeover] [ext.commit].
import type { ConduitError } from "../../src/errors.js";
import type { ResolvedLimits } from "../../src/limits.js";
import type { Bytes } from "../../src/link/link.js";
import { AbortCode, abortRecord } from "../../src/proto/control.js";
import { type Grave, Greeting, type GreetingStep, rejection } from "../../src/proto/greeting.js";
import { encodeServerHello, payloadFor } from "../../src/proto/handshake.js";
import { Machine, type Profile } from "../../src/proto/machine.js";
import { Registry } from "../../src/proto/registry.js";
import type { Core } from "../../src/wasm/core.js";
import { Application, type Plan } from "./application.js";
import { Side } from "./side.js";
import type { LinkEnd, SimLink } from "./sim-link.js";
import { Broken, type Timer, type World } from "./world.js";

/** What the acceptor's program does for a conduit; the simulation knows whose link it is. */
export interface AcceptorSide {
  limits: ResolvedLimits;
  plan: Plan;
  peerPlan: Plan;
  /** Called on each machine before its first link. */
  prepare(machine: Machine): void;
}

export interface AcceptorOptions {
  supports: Profile;
  authorizeMs: number;
  /** A link is refused this often (percent) while the world is not calm. */
  refusePercent: number;
  handshakeTimeoutMs: number;
  side(conduit: number): AcceptorSide;
}

/** One acceptor session. Only one of a conduit's sessions is the one that its initiator knows of. */
export class Session extends Side {
  readonly #host: AcceptorHost;

  constructor(world: World, name: string, machine: Machine, limits: ResolvedLimits, host: AcceptorHost) {
    super(world, name, machine, limits);
    this.#host = host;
  }

  /** Takes over, and destroys the link before. */
  attach(end: LinkEnd, run: () => void): void {
    this.link?.destroy();
    this.useLink(end);
    run();
  }

  protected onLinkDown(): void {
    // The machine's grace period runs; the initiator comes back or it does not.
  }

  protected onFinished(error: ConduitError | null): void {
    this.#host.bury(this, error);
  }
}

export class AcceptorHost {
  readonly registry = new Registry<Session>();
  readonly sessions: Session[] = [];
  readonly #world: World;
  readonly #core: Core;
  readonly #options: AcceptorOptions;
  readonly #byLink = new Map<SimLink, Session>();

  constructor(world: World, core: Core, options: AcceptorOptions) {
    this.#world = world;
    this.#core = core;
    this.#options = options;
  }

  /** The session that has (had) this link. */
  sessionOn(link: SimLink): Session | null {
    return this.#byLink.get(link) ?? null;
  }

  accept(link: SimLink, conduit: number): void {
    if (link.acceptor.over) return;
    new Arrival(this, this.#world, link, conduit).start();
  }

  /** @internal */
  get options(): AcceptorOptions {
    return this.#options;
  }

  freshKey(): Bytes {
    return this.#world.random.bytes(16);
  }

  newSession(conduit: number, profile: Profile): Session {
    const { limits, plan, peerPlan, prepare } = this.#options.side(conduit);
    const name = `a${conduit}.${this.sessions.length}`;
    const machine = new Machine(this.#core, { role: "acceptor", profile, limits, sessionId: name });
    prepare(machine);
    const session = new Session(this.#world, name, machine, limits, this);
    session.app = new Application(this.#world, name, machine, plan, peerPlan, () => session.drain());
    this.sessions.push(session);
    return session;
  }

  noteLink(link: SimLink, session: Session): void {
    this.#byLink.set(link, session);
  }

  bury(session: Session, error: ConduitError | null): void {
    const expiresAt = this.#world.now + session.limits.graceMs;
    this.registry.bury(session, graveOf(error, session.machine.lastReceived), expiresAt);
    this.#world.after(session.limits.graceMs, () => this.registry.handleTimeout(this.#world.now));
  }
}

function graveOf(error: ConduitError | null, lastReceived: number | null): Grave {
  const code = error === null ? AbortCode.ended : abortCodeOf(error);
  return { clean: error === null, code, reason: error?.message ?? "", retryAfterMs: 0, lastReceived };
}

function abortCodeOf(error: ConduitError): AbortCode {
  if (error.code === "CONDUIT_HANDLER") return AbortCode.handler;
  if (error.code === "CONDUIT_PROTOCOL") return AbortCode.violation;
  if (error.reason === "expired") return AbortCode.expired;
  return AbortCode.application;
}

/** Enough of a key to tell it from the others in a trace. */
function keyName(key: Uint8Array | null): string {
  return key ? `${key[0]}.${key[1]}` : "none";
}

/** A link that belongs to no session yet. */
class Arrival {
  readonly #host: AcceptorHost;
  readonly #world: World;
  readonly #link: SimLink;
  readonly #end: LinkEnd;
  readonly #conduit: number;
  readonly #greeting: Greeting;
  #key: Bytes | null = null;
  #timeout: Timer | null = null;
  #over = false;

  constructor(host: AcceptorHost, world: World, link: SimLink, conduit: number) {
    this.#host = host;
    this.#world = world;
    this.#link = link;
    this.#end = link.acceptor;
    this.#conduit = conduit;
    this.#greeting = new Greeting(link.nature.framing);
  }

  start(): void {
    this.#timeout = this.#world.after(this.#host.options.handshakeTimeoutMs, () =>
      this.#drop("handshake timeout"),
    );
    this.#end.start({
      bytes: (chunk) => {
        if (!this.#over) this.#take(this.#greeting.handleBytes(chunk));
      },
      written: () => {},
      closed: () => this.#leave(),
    });
  }

  #leave(): void {
    this.#over = true;
    this.#world.cancel(this.#timeout);
  }

  #drop(why: string): void {
    this.#world.log("acceptor", () => `${this.#link.name} is dropped: ${why}`);
    this.#leave();
    this.#end.destroy();
  }

  #refuse(payloads: Bytes[], why: string): void {
    this.#world.log("acceptor", () => `${this.#link.name} is refused: ${why}`);
    this.#leave();
    for (const payload of payloads) this.#end.write(payload);
    this.#end.end();
  }

  #take(step: GreetingStep): void {
    switch (step) {
      case "more":
        return;
      case "bad":
        return this.#drop(this.#greeting.error!.message);
      case "hello":
        return this.#handleHello();
      case "settings": {
        const { authorizeMs } = this.#host.options;
        if (authorizeMs === 0) return this.#commit();
        this.#world.after(this.#world.random.below(authorizeMs), () => this.#commit());
      }
    }
  }

  #handleHello(): void {
    const { registry, options } = this.#host;
    const hello = this.#greeting.hello!;
    const verdict = registry.judge(hello, this.#world.now);
    this.#world.log(
      "acceptor",
      () =>
        `${this.#link.name} says hello with key ${keyName(hello.resumeKey)}, received ${hello.lastReceived}: ${verdict.kind}`,
    );
    if (verdict.kind === "refuse") {
      return this.#refuse(rejection(this.#greeting.framing, hello, verdict.grave), "hello");
    }
    const extended =
      verdict.kind === "resume" ? hello.extended : hello.extended && options.supports === "extended";
    if (verdict.kind === "new" && extended) {
      this.#key = this.#host.freshKey();
      this.#write({ rejected: false, extended, resumeKey: this.#key, lastReceived: null });
      return this.#take(this.#greeting.expectSettings());
    }
    const session =
      verdict.kind === "resume" ? verdict.session : this.#host.newSession(this.#conduit, "base");
    const serverHello = session.machine.serverHello(hello, this.#host.freshKey());
    registry.update(session);
    if (!extended) return this.#attach(session, serverHello);
    this.#key = serverHello.resumeKey;
    this.#write(serverHello);
    this.#take(this.#greeting.expectSettings());
  }

  /** SETTINGS are there and authorize has answered: look again, then take over [ext.commit]. */
  #commit(): void {
    if (this.#over) return;
    const { registry, options } = this.#host;
    if (!this.#world.calm && this.#world.random.below(100) < options.refusePercent) {
      return this.#refuse([abortRecord(AbortCode.unauthorized, "not now")], "authorize");
    }
    const verdict = registry.judge(this.#greeting.hello!, this.#world.now);
    // Ended meanwhile, or taken over by a newer link: the initiator's next hello is answered with what holds then.
    if (verdict.kind === "refuse") return this.#drop("void meanwhile");
    if (verdict.kind === "resume") return this.#attach(verdict.session, null);
    const session = this.#host.newSession(this.#conduit, "extended");
    session.machine.keys.offer(this.#key!);
    this.#attach(session, null);
  }

  #attach(session: Session, serverHello: ReturnType<Machine["serverHello"]> | null): void {
    this.#world.log(
      "acceptor",
      () => `${this.#link.name} goes to ${session.name}, keys ${session.machine.keys.valid.map(keyName)}`,
    );
    this.#leave();
    this.#host.noteLink(this.#link, session);
    const { nature } = this.#link;
    const { hello, settings } = this.#greeting;
    // An initiator never forgets what it has acknowledged: such a hello is a late one [resume.check].
    const { ackedSeq } = session.machine.ring;
    const next = hello!.lastReceived === null ? null : (hello!.lastReceived + 1) | 0;
    if (next !== null && ((next - ackedSeq) | 0) < 0)
      throw new Broken(`${session.name}: a late hello takes over`);
    session.attach(this.#end, () => {
      session.machine.handleAttached(
        {
          framing: nature.framing,
          pausable: nature.pausable,
          hello: hello!,
          settings,
          offeredKey: this.#key,
        },
        serverHello,
        this.#world.now,
      );
      this.#host.registry.update(session);
      for (const chunk of this.#greeting.takeRest()) session.machine.handleBytes(chunk, this.#world.now);
    });
    session.drain();
  }

  #write(hello: Parameters<typeof encodeServerHello>[0]): void {
    this.#world.log("acceptor", () => `${this.#link.name} is offered ${keyName(hello.resumeKey)}`);
    this.#end.write(payloadFor(this.#link.nature.framing, encodeServerHello(hello)));
  }
}
