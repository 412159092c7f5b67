// Runs one session's machine over its current link: feeds it what happens, writes what it gives out, keeps its
// deadline. The machine decides, the driver acts; it knows nothing of items, reconnects or the public API.
import { ConduitError, linkError } from "../errors.js";
import type { Bytes, Link, LinkSink } from "../link/link.js";
import type { ServerHello } from "../proto/handshake.js";
import type { AttachedLink, Machine, MachineEvent } from "../proto/machine.js";
import type { Core } from "../wasm/core.js";
import { Alarm } from "./alarm.js";
import { now } from "./clock.js";
import { LinkPort } from "./link-port.js";

/** Bytes given to the link and not yet written out: enough to keep it busy, little enough that an ack gets through soon. */
const MAX_PENDING_BYTES = 524_288;

export interface DriverHooks {
  onEvent(event: MachineEvent): void;
  /** The link is gone; the session goes on unless it has finished. `wanted`: we gave it up for a new one [base.probe]. */
  onLinkDown(error: ConduitError, wanted: boolean): void;
  /** After each round: counters may have changed. */
  onRound(): void;
}

/** One link of this session. Its events count only while it is the current one [link.one]. */
class Line implements LinkSink {
  readonly link: Link;
  readonly #driver: Driver;
  readonly #sizes: number[] = [];
  pendingBytes = 0;
  paused = false;
  /** Writes of the greeting that are still to be reported: not ours. */
  foreignWrites = 0;
  /** Why it is being given up, while it still delivers what was written. */
  parting: ConduitError | null = null;
  ended = false;

  constructor(driver: Driver, link: Link) {
    this.#driver = driver;
    this.link = link;
  }

  write(bytes: Uint8Array): void {
    this.#sizes.push(bytes.length);
    this.pendingBytes += bytes.length;
    this.link.write(bytes);
  }

  bytes(chunk: Bytes): void {
    this.#driver.handleBytes(this, chunk);
  }

  written(): void {
    if (this.foreignWrites > 0) {
      this.foreignWrites--;
      return;
    }
    this.pendingBytes -= this.#sizes.shift() ?? 0;
    this.#driver.handleWritten(this);
  }

  closed(error?: Error): void {
    this.#driver.handleClosed(this, this.parting ?? failureOf(error));
  }
}

export class Driver {
  readonly machine: Machine;
  readonly #hooks: DriverHooks;
  readonly #core: Core;
  readonly #alarm = new Alarm(() => this.#handleAlarm());
  readonly #resumeBelow: number;
  #line: Line | null = null;
  /** The link before it, if that one was ended in good order: it may still be closing. */
  #parted: Link | null = null;
  #running = false;
  #finished = false;
  #ref = true;

  constructor(core: Core, machine: Machine, receiveWindow: number, hooks: DriverHooks) {
    this.#core = core;
    this.machine = machine;
    this.#hooks = hooks;
    this.#resumeBelow = receiveWindow / 2;
  }

  get link(): Link | null {
    return this.#line?.link ?? null;
  }

  /** Bytes given to the link and not yet written out. */
  get pendingBytes(): number {
    return this.#line?.pendingBytes ?? 0;
  }

  // ------------------------------------------------------------------ links

  /** Initiator: the session uses this link from now on. */
  linkUp(link: Link): void {
    const line = this.#use(link);
    this.machine.handleLinkUp({ framing: link.framing }, now());
    line.foreignWrites = LinkPort.of(link, line).unwritten;
    this.#run();
  }

  /** Acceptor: the link takes over. `rest` came in after its greeting. */
  attach(port: LinkPort, attached: AttachedLink, serverHello: ServerHello | null, rest: Bytes[]): void {
    this.#line?.link.destroy();
    const line = this.#use(port.link);
    line.foreignWrites = port.unwritten;
    this.machine.handleAttached(attached, serverHello, now());
    port.handTo(line, rest);
    this.#run();
  }

  /** Gives the current link up now; what was on its way is sent again on the next one. `wanted`: see onLinkDown. */
  dropLink(error: ConduitError, wanted = false): void {
    if (this.#line) this.#down(this.#line, error, wanted);
    this.#run();
  }

  /** The session goes on elsewhere: nothing is read or written here any more, and its memory is given back. */
  leave(): void {
    this.#line?.link.destroy();
    this.#parted?.destroy();
    this.#line = this.#parted = null;
    this.machine.leave();
    this.#alarm.clear();
  }

  #use(link: Link): Line {
    this.#line = new Line(this, link);
    if (!this.#ref) link.unref();
    return this.#line;
  }

  #down(line: Line, error: ConduitError, wanted = false): void {
    line.link.destroy();
    this.#lost(error, wanted || line.parting !== null);
  }

  #lost(error: ConduitError, wanted: boolean): void {
    this.#line = null;
    this.machine.handleLinkDown(now());
    this.#hooks.onLinkDown(error, wanted);
  }

  // ------------------------------------------------------------------ what happens

  handleBytes(line: Line, chunk: Bytes): void {
    if (line !== this.#line) return;
    this.machine.handleBytes(chunk, now());
    this.#run();
  }

  handleWritten(line: Line): void {
    if (line !== this.#line) return;
    this.machine.handleWritten(now());
    this.#letGo(line);
    this.#run();
  }

  handleClosed(line: Line, error: ConduitError): void {
    if (line.link === this.#parted) this.#parted = null;
    if (line !== this.#line) return;
    this.#down(line, error);
    this.#run();
  }

  #handleAlarm(): void {
    this.machine.handleTimeout(now());
    this.#run();
  }

  // ------------------------------------------------------------------ what follows

  /** Writes what is waiting. Cheap when there is nothing, and allowed at any time. */
  flush(): void {
    const line = this.#line;
    if (line === null) return;
    // After the end only a few records are left; a peer that reads nothing must not keep the link open.
    while (line.pendingBytes < MAX_PENDING_BYTES || this.#finished) {
      const bytes = this.machine.pollTransmit(now());
      if (bytes === null) {
        if (this.#finished && !line.ended) {
          line.ended = true;
          line.link.end();
        }
        return;
      }
      // Views of a plain memory die when it grows: a link that keeps them gets a copy.
      line.write(
        this.machine.lastIsView && !this.#core.memory.shared && line.link.zeroCopy ? bytes.slice() : bytes,
      );
    }
  }

  /** After a command to the machine: events, bytes, deadline. */
  run(): void {
    this.#run();
  }

  #run(): void {
    // A hook that sends or ends comes back here: the round that is under way sees what it did.
    if (this.#running) return;
    this.#running = true;
    try {
      do {
        let event: MachineEvent | undefined;
        while ((event = this.machine.pollEvent())) this.#dispatch(event);
        this.flush();
        this.#hooks.onRound();
      } while (this.machine.hasEvents);
    } finally {
      this.#running = false;
    }
    this.#throttle();
    this.arm();
  }

  #dispatch(event: MachineEvent): void {
    if (event.type === "drop") return this.#handleDrop(event.error, event.graceful);
    if (event.type === "finished") {
      this.#finished = true;
      this.#parted?.destroy();
      this.#alarm.clear();
    }
    this.#hooks.onEvent(event);
  }

  #handleDrop(error: ConduitError, graceful: boolean): void {
    const line = this.#line;
    if (line === null) return;
    if (!graceful) return this.#down(line, error);
    line.parting = error;
    line.link.end();
    this.#letGo(line);
  }

  /**
   * A link that was ended and has written everything closes by itself. The next one need not wait for that: a peer
   * may keep its side open until it has seen the next.
   */
  #letGo(line: Line): void {
    if (line.parting === null || line.pendingBytes > 0) return;
    this.#parted?.destroy();
    this.#parted = line.link;
    this.#lost(line.parting, true);
  }

  /** The base profile's only brake: the application is slow, so the link is [ext.window]. */
  #throttle(): void {
    const line = this.#line;
    if (line === null) return;
    if (!line.paused && this.machine.wantsPause) {
      line.paused = true;
      line.link.pause();
    } else if (line.paused && this.machine.unhandedBytes <= this.#resumeBelow) {
      line.paused = false;
      line.link.resume();
    }
  }

  /** Keeps the machine's deadline. */
  arm(): void {
    const currently = now();
    this.#alarm.set(this.machine.pollDeadline(currently), currently);
  }

  ref(keepsAlive: boolean): void {
    this.#ref = keepsAlive;
    this.#alarm.ref(keepsAlive);
    for (const link of [this.#line?.link, this.#parted]) {
      if (keepsAlive) link?.ref();
      else link?.unref();
    }
  }
}

/** Why a link is gone. What a link can tell itself stays: one that saw a violation is not dialled again [error.fatal]. */
function failureOf(error?: Error): ConduitError {
  if (error instanceof ConduitError) return error;
  return linkError(error ? `the link failed: ${error.message}` : "the peer closed the link", error);
}
