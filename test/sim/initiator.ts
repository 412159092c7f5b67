// The initiator's host: dials, gives the machine its link, and dials again after the backoff [resume.retry].
import { ConduitError } from "../../src/errors.js";
import type { ResolvedLimits } from "../../src/limits.js";
import { backoffMs } from "../../src/proto/backoff.js";
import { Machine } from "../../src/proto/machine.js";
import { decodeState, encodeState } from "../../src/session/suspend.js";
import type { Session } from "./acceptor.js";
import { sharedCore } from "./shared-core.js";
import { Side } from "./side.js";
import { type LinkNature, SimLink } from "./sim-link.js";
import { Broken, type Timer, type World } from "./world.js";

const MAX_STATE_BYTES = 1 << 24;

/** Who answers. */
export interface Answering {
  accept(link: SimLink, conduit: number): void;
  /** The session that has this link, or "unknown" where there is none to look at. */
  sessionOn(link: SimLink): Session | null | "unknown";
}

export interface DialOptions {
  /** What the next link is like. */
  nature(): LinkNature;
  /** An attempt fails this often (percent) while the world is not calm. */
  failPercent: number;
  /** The acceptor takes notice of a link after up to this time. */
  acceptMs: number;
  baseMs: number;
  capMs: number;
  /** The program is gone from here on: nobody dials any more. */
  vanishAt: number;
}

export class Initiator extends Side {
  readonly conduit: number;
  readonly #acceptor: Answering;
  readonly #dial: DialOptions;
  #attempt = 0;
  #dialing: Timer | null = null;
  #sim: SimLink | null = null;
  /** The acceptor's session that this side has been open with. */
  session: Session | null = null;
  links = 0;
  reloads = 0;

  constructor(
    world: World,
    conduit: number,
    machine: Machine,
    limits: ResolvedLimits,
    acceptor: Answering,
    dial: DialOptions,
  ) {
    super(world, `i${conduit}`, machine, limits);
    this.conduit = conduit;
    this.#acceptor = acceptor;
    this.#dial = dial;
  }

  start(): void {
    this.#dialAfter(0);
  }

  get currentLink(): SimLink | null {
    return this.link ? this.#sim : null;
  }

  /** The program wants a new link now. */
  reconnect(): void {
    if (this.finished || !this.link) return;
    this.#attempt = 0;
    this.dropLink("reconnect()");
  }

  /** The program is loaded again: its session goes through text into another machine [resume.suspend]. */
  reload(): void {
    if (this.finished || this.machine.state === "ended") return;
    const { limits, world } = this;
    const state = { session: "", nth: 1, id: "", sends: null, reads: null, saved: this.machine.save() };
    const text = encodeState(state, MAX_STATE_BYTES);
    const { saved } = decodeState(text, MAX_STATE_BYTES);
    const { profile } = this.machine;
    const core = sharedCore();
    const machine = new Machine(core, { role: "initiator", profile, limits, sessionId: "" });
    machine.restore(saved, world.now);
    world.log(this.name, () => `is loaded again: ${text.slice(0, 300)}`);
    world.cancel(this.#dialing);
    this.#attempt = 0;
    this.reloads++;
    this.moveTo(machine);
    if (!this.finished) this.#dialAfter(world.random.below(200));
  }

  /** Ends a session that nobody dials for any more, so that its memory can be looked at. */
  giveUp(): void {
    this.machine.abort(new ConduitError("CONDUIT_ABORTED", "local", "gone"));
    this.drain();
  }

  protected onLinkDown(): void {
    if (this.#dialing?.run) return;
    const { baseMs, capMs } = this.#dial;
    this.#dialAfter(backoffMs(this.#attempt++, baseMs, capMs, this.world.random.below(1000) / 1000));
  }

  protected override onOpen(): void {
    const session = this.#acceptor.sessionOn(this.#sim!);
    if (session === "unknown") return;
    if (session === null) throw new Broken(`${this.name}: open on a link that no session has`);
    if (this.session !== null && this.session !== session)
      throw new Broken(`${this.name}: open with another session`);
    this.session = session;
  }

  protected override onProgress(): void {
    this.#attempt = 0;
  }

  protected override onGoAway(retryAfterMs: number): void {
    this.world.after(retryAfterMs, () => this.reconnect());
  }

  protected onFinished(_error: ConduitError | null): void {
    this.world.cancel(this.#dialing);
  }

  #dialAfter(ms: number): void {
    this.#dialing = this.world.after(ms, () => this.#connect());
  }

  #connect(): void {
    const { world } = this;
    if (this.finished || world.now >= this.#dial.vanishAt) return;
    if (!world.calm && world.random.below(100) < this.#dial.failPercent) {
      world.log(this.name, () => "an attempt fails");
      return this.onLinkDown();
    }
    const sim = new SimLink(world, `L${this.conduit}.${this.links++}`, this.#dial.nature());
    world.log(this.name, () => `${sim.name} up ${JSON.stringify(sim.nature)}`);
    this.#sim = sim;
    this.useLink(sim.initiator);
    this.machine.handleLinkUp({ framing: sim.nature.framing }, world.now);
    world.after(world.calm ? 1 : world.random.below(this.#dial.acceptMs + 1), () =>
      this.#acceptor.accept(sim, this.conduit),
    );
    this.drain();
  }
}
