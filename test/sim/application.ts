// What a program does with its side of a conduit: sends numbered items whose content follows from their number,
// checks each item that comes, is done with it now or later, ends, closes, aborts, or throws.
import { ConduitError } from "../../src/errors.js";
import type { Bytes } from "../../src/link/link.js";
import { AbortCode } from "../../src/proto/control.js";
import type { ItemBatch } from "../../src/proto/deframer.js";
import type { Machine, MachineEvent } from "../../src/proto/machine.js";
import { Broken, type Timer, type World } from "./world.js";

/** What one side is going to do. */
export interface Plan {
  /** Sizes of the items to send, in order. */
  sizes: number[];
  /** Pause before the next burst, at most; and items in a burst, at most. */
  pauseMs: number;
  burst: number;
  /** How long items are held before they are handed, at most; 0 = handed at once. */
  handMs: number;
  /** A batch is handed in parts. */
  handParts: boolean;
  /** Volatile items sent in between, one in so many; 0 = none. */
  volatileOneIn: number;
  /** Stop sending at this time even if items are left; Infinity = send all. */
  stopAt: number;
  /** Abort at this time. */
  abortAt: number;
  /** Throw when this item comes; -1 = never. */
  throwAt: number;
  /** Base: close when everything is sent and `expects` items have come. */
  closes: boolean;
  expects: number;
  salt: number;
}

export interface Finished {
  error: ConduitError | null;
  undelivered: { items: Bytes[]; firstUnsent: number };
}

/** Byte i of item `number`. */
function byteOf(salt: number, number: number, i: number): number {
  return ((number >>> (8 * (i & 3))) + i * 167 + salt) & 0xff;
}

export function itemOf(salt: number, number: number, size: number): Bytes {
  const item = new Uint8Array(size);
  for (let i = 0; i < size; i++) item[i] = byteOf(salt, number, i);
  return item;
}

export class Application {
  /** Items accepted by the ring. */
  sent = 0;
  /** Items that came, and those of them that were handed. */
  received = 0;
  handedItems = 0;
  peerEnded = false;
  finished: Finished | null = null;
  readonly #world: World;
  readonly #name: string;
  #machine: Machine;
  readonly #plan: Plan;
  readonly #peerPlan: Plan;
  /** Lets the host poll. */
  readonly #changed: () => void;
  /** Batches that the program holds: their items' sizes, and what of their record bytes is not reported. */
  readonly #waiting: { sizes: number[]; recordBytes: number }[] = [];
  #handing: Timer | null = null;
  #sending: Timer | null = null;
  #blocked = false;
  #stopped = false;

  constructor(world: World, name: string, machine: Machine, plan: Plan, peerPlan: Plan, changed: () => void) {
    this.#world = world;
    this.#name = name;
    this.#machine = machine;
    this.#plan = plan;
    this.#peerPlan = peerPlan;
    this.#changed = changed;
    this.#sending = world.after(world.random.below(plan.pauseMs + 1), () => this.#burst());
    if (plan.stopAt < Number.POSITIVE_INFINITY) {
      world.after(Math.max(0, plan.stopAt - world.now), () => this.#command(() => this.#stop()));
    }
    if (plan.abortAt < Number.POSITIVE_INFINITY) {
      world.after(Math.max(0, plan.abortAt - world.now), () =>
        this.#command(() => this.#machine.abort(new ConduitError("CONDUIT_ABORTED", "local", "had enough"))),
      );
    }
  }

  /** The program was loaded again: it goes on from what it had finished, and knows nothing of what it held. */
  moveTo(machine: Machine): void {
    this.#machine = machine;
    this.received = this.handedItems;
    this.#waiting.length = 0;
    this.#world.cancel(this.#handing);
    this.peerEnded = machine.peerEnded;
    this.#maybeClose();
    if (!this.#blocked) return;
    this.#blocked = false; // what held the ring's room back is gone with the old machine
    this.#burst();
  }

  handleEvent(event: MachineEvent): void {
    if (this.finished) throw new Broken(`${this.#name}: event ${event.type} after finished`);
    switch (event.type) {
      case "open": // the profile is known only now
        return this.#maybeClose();
      case "batch":
        return this.#take(event.batch);
      case "volatile": {
        const number = new DataView(event.item.buffer, event.item.byteOffset).getUint32(0, true);
        if (number !== (0xffff_ffff ^ this.#peerPlan.salt) >>> 0)
          throw new Broken(`${this.#name}: a volatile item is torn`);
        return;
      }
      case "peer-ended":
        if (this.peerEnded) throw new Broken(`${this.#name}: the peer ended twice`);
        this.peerEnded = true;
        return;
      case "acked":
        if (this.#blocked) {
          this.#blocked = false;
          this.#machine.wantAck(-1);
          this.#burst();
        }
        this.#maybeClose();
        return;
      case "finished":
        this.finished = event;
        this.#world.cancel(this.#sending);
        this.#world.cancel(this.#handing);
        return;
    }
  }

  // ------------------------------------------------------------------ sending

  #command(run: () => void): void {
    if (this.finished || this.#machine.state === "ended") return;
    run();
    this.#changed();
  }

  #burst(): void {
    if (this.finished || this.#stopped || this.#machine.state === "ended") return;
    const { random } = this.#world;
    const { sizes, burst, pauseMs, volatileOneIn, salt } = this.#plan;
    for (let n = random.between(1, burst); n > 0; n--) {
      if (this.sent === sizes.length) break;
      try {
        this.#machine.ring.push(itemOf(salt, this.sent, sizes.at(this.sent)!));
      } catch (error) {
        if (!(error instanceof ConduitError) || error.code !== "CONDUIT_REPLAY_FULL") throw error;
        this.#world.log(this.#name, () => `full at item ${this.sent}`);
        this.#blocked = true;
        this.#machine.wantAck(1);
        this.#changed();
        return;
      }
      this.sent++;
    }
    if (volatileOneIn > 0 && random.oneIn(volatileOneIn)) {
      const item = new Uint8Array(4);
      new DataView(item.buffer).setUint32(0, 0xffff_ffff ^ salt, true);
      this.#machine.sendVolatile(item);
    }
    this.#world.log(this.#name, () => `sent up to item ${this.sent - 1}`);
    if (this.sent === sizes.length) this.#stop();
    else this.#sending = this.#world.after(random.below(pauseMs + 1), () => this.#burst());
    this.#changed();
  }

  /** No more items: this direction ends. */
  #stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#blocked) {
      this.#blocked = false;
      this.#machine.wantAck(-1);
    }
    this.#machine.end();
    this.#maybeClose();
  }

  /** The base profile has no end on the wire: the program knows when it is through. */
  #maybeClose(): void {
    if (!this.#plan.closes || !this.#stopped || this.handedItems < this.#plan.expects) return;
    if (this.#machine.profile === "base") this.#machine.finishWhenAcked(this.#world.now);
  }

  // ------------------------------------------------------------------ receiving

  #take(batch: ItemBatch): void {
    const { sizes, salt } = this.#peerPlan;
    const { bytes, spans } = batch;
    for (let i = 0; i < spans.length; i += 2) {
      const number = this.received++;
      const size = spans[i + 1];
      let intact = size === sizes[number];
      for (let j = 0; intact && j < size; j++) intact = bytes[spans[i] + j] === byteOf(salt, number, j);
      if (!intact)
        throw new Broken(
          `${this.#name}: item ${number} is lost, repeated or changed (${size} bytes, ${sizes[number]} due)`,
        );
    }
    const items = spans.length / 2;
    this.#world.log(this.#name, () => `received up to item ${this.received - 1}`);
    if (this.#plan.handMs === 0) return this.#hand(items, batch.recordBytes);
    this.#waiting.push({
      sizes: Array.from(spans).filter((_, i) => i % 2 === 1),
      recordBytes: batch.recordBytes,
    });
    this.#handLater();
  }

  #handLater(): void {
    if (this.#handing?.run || this.#waiting.length === 0) return;
    this.#handing = this.#world.after(this.#world.random.below(this.#plan.handMs + 1), () => {
      const batch = this.#waiting[0];
      const { length } = batch.sizes;
      const part = this.#plan.handParts ? this.#world.random.between(1, length) : length;
      batch.sizes.splice(0, part);
      // The records' overhead goes with the first part: reported late, it would look like a peer that ignores the window.
      const bytes = batch.recordBytes - batch.sizes.reduce((sum, size) => sum + size, 0);
      batch.recordBytes -= bytes;
      if (batch.sizes.length === 0) this.#waiting.shift();
      this.#hand(part, bytes);
      this.#changed();
      if (!this.finished) this.#handLater();
    });
  }

  #hand(items: number, recordBytes: number): void {
    const { throwAt } = this.#plan;
    if (throwAt >= 0 && this.handedItems + items > throwAt) {
      this.#machine.abort(
        new ConduitError("CONDUIT_HANDLER", "local", "the handler threw"),
        AbortCode.handler,
      );
      return;
    }
    this.handedItems += items;
    this.#machine.handed(items, recordBytes, this.#world.now);
    this.#maybeClose();
  }
}
