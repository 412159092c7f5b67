// What both hosts do alike: give a machine its link's events, poll it until it has nothing more to say, wake it at
// its deadline, and look at the bounds after each event. src/session does the same with promises and real timers.
import type { ConduitError } from "../../src/errors.js";
import type { ResolvedLimits } from "../../src/limits.js";
import type { Machine, MachineEvent } from "../../src/proto/machine.js";
import type { Application } from "./application.js";
import type { LinkEnd } from "./sim-link.js";
import { Broken, type Timer, type World } from "./world.js";

/** Frame overhead at most: one record above the window is always allowed. */
const OVERHEAD = 19;

export abstract class Side {
  readonly world: World;
  readonly name: string;
  machine: Machine;
  readonly limits: ResolvedLimits;
  app!: Application;
  link: LinkEnd | null = null;
  /** Why the machine has given links up. */
  readonly drops: ConduitError[] = [];
  #deadline: Timer | null = null;
  #draining = false;
  /** Base: what arrives before a pause helps is one chunk; a link that cannot be paused has no bound [ext.window]. */
  #slack = 0;
  #idle = 0;

  constructor(world: World, name: string, machine: Machine, limits: ResolvedLimits) {
    this.world = world;
    this.name = name;
    this.machine = machine;
    this.limits = limits;
  }

  get finished(): boolean {
    return this.app.finished !== null;
  }

  /** The link is gone and the session goes on. */
  protected abstract onLinkDown(): void;
  protected onOpen(): void {}
  protected onProgress(): void {}
  protected onGoAway(_retryAfterMs: number): void {}
  protected abstract onFinished(error: ConduitError | null): void;

  /** From now on the machine reads this link; the one before has no effect any more [link.one]. */
  protected useLink(end: LinkEnd): void {
    this.link = end;
    if (!end.link.nature.pausable) this.#slack = Number.POSITIVE_INFINITY;
    // What the greeting wrote is none of the machine's writes.
    let foreign = end.out.unreported;
    end.start({
      bytes: (chunk) => {
        if (this.link !== end) return;
        this.world.log(this.name, () => `${end.link.name} brings ${chunk.length} bytes`);
        this.#slack = Math.max(this.#slack, chunk.length);
        this.machine.handleBytes(chunk, this.world.now);
        this.drain();
      },
      written: () => {
        if (this.link !== end || foreign-- > 0) return;
        this.machine.handleWritten(this.world.now);
        this.drain();
      },
      closed: () => {
        if (this.link === end) this.dropLink(end.link.name);
      },
    });
  }

  /** The link ends here, for whatever reason. */
  protected dropLink(why: string): void {
    this.world.log(this.name, () => `link down: ${why}`);
    this.link?.destroy();
    this.link = null;
    this.machine.handleLinkDown(this.world.now);
    this.drain();
    if (!this.finished) this.onLinkDown();
  }

  /** The session goes on in another machine, which begins without a link. */
  protected moveTo(machine: Machine): void {
    this.link?.destroy();
    this.link = null;
    this.machine.leave();
    this.machine = machine;
    this.app.moveTo(machine);
    this.drain();
  }

  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    const { machine, world } = this;
    for (let busy = true; busy; ) {
      busy = false;
      for (let event = machine.pollEvent(); event; event = machine.pollEvent()) {
        busy = true;
        this.#handleEvent(event);
      }
      if (!this.link) continue;
      for (let bytes = machine.pollTransmit(world.now); bytes; bytes = machine.pollTransmit(world.now)) {
        busy = true;
        this.link.write(bytes);
      }
    }
    this.#draining = false;
    if (this.finished) this.link?.end();
    else if (machine.wantsPause) this.link?.pause();
    else this.link?.resume();
    this.#check();
    this.#setDeadline();
  }

  #handleEvent(event: MachineEvent): void {
    this.world.log(this.name, () => (event.type === "batch" ? "batch" : describe(event)));
    this.app.handleEvent(event);
    switch (event.type) {
      case "open":
        return this.onOpen();
      case "batch":
      case "acked":
        return this.onProgress();
      case "goaway":
        return this.onGoAway(event.retryAfterMs);
      case "drop":
        this.drops.push(event.error);
        if (event.graceful) this.link?.end();
        else if (this.link) {
          this.link.destroy();
          this.link = null;
          this.machine.handleLinkDown(this.world.now);
          if (this.machine.state !== "ended") this.onLinkDown();
        }
        return;
      case "finished":
        return this.onFinished(event.error);
    }
  }

  #setDeadline(): void {
    const at = this.machine.pollDeadline(this.world.now);
    this.world.cancel(this.#deadline);
    this.#deadline = null;
    if (at === Number.POSITIVE_INFINITY) return;
    if (this.finished) throw new Broken(`${this.name}: a deadline after finished`);
    this.#deadline = this.world.after(Math.max(0, at - this.world.now), () => {
      const { now } = this.world;
      if (now < at) return this.#setDeadline(); // by a rounding
      this.machine.handleTimeout(now);
      this.drain();
      this.#idle = this.machine.pollDeadline(now) <= now ? this.#idle + 1 : 0;
      if (this.#idle > 20) throw new Broken(`${this.name}: a deadline has passed and nothing comes of it`);
    });
  }

  /** Memory stays within its bounds after every event [replay.bound] [ext.window]. */
  #check(): void {
    if (this.finished) return;
    const { machine, limits } = this;
    const { ring } = machine;
    if (ring.usedBytes > limits.replayBytes)
      throw new Broken(`${this.name}: ${ring.usedBytes} bytes in the ring`);
    if (ring.capacityBytes > limits.replayBytes)
      throw new Broken(`${this.name}: a ring of ${ring.capacityBytes} bytes`);
    const onWire = machine.profile === "base" ? this.#slack : 0;
    const bound = limits.receiveWindow + limits.maxFrameBytes + OVERHEAD + onWire;
    if (machine.unhandedBytes > bound)
      throw new Broken(`${this.name}: ${machine.unhandedBytes} bytes unhanded, bound ${bound}`);
  }
}

function describe(event: MachineEvent): string {
  const { type, ...rest } = event as MachineEvent & { error?: ConduitError | null; undelivered?: unknown };
  const error = "error" in rest && rest.error ? ` ${rest.error.code}: ${rest.error.message}` : "";
  const { error: _, undelivered: __, ...fields } = rest as Record<string, unknown>;
  return `event ${type}${error} ${JSON.stringify(fields)}`;
}
