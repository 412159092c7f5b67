// Virtual time: a clock, a queue of what happens next, and one seeded source of chance. Two runs of a seed are
// equal event by event; the trace of the second says what the first one did.
import { Random } from "../wasm/random.js";

/** Something that will happen; cancel() takes it out. */
export interface Timer {
  readonly at: number;
  readonly order: number;
  run: (() => void) | null;
}

/** A property does not hold. */
export class Broken extends Error {
  override readonly name = "Broken";
}

const TRACE_LINES = Number(process.env.TRACE_LINES ?? 160);

export class World {
  now = 0;
  /** From here on links are perfect and nobody is refused: everything has to come to its end. */
  calm = false;
  readonly random: Random;
  events = 0;
  readonly #heap: Timer[] = [];
  #order = 0;
  readonly #trace: string[] | null;

  constructor(seed: number, traced = false) {
    this.random = new Random(seed);
    this.#trace = traced ? [] : null;
  }

  after(delay: number, run: () => void): Timer {
    return this.at(this.now + delay, run);
  }

  /** At this very time: a sum of differences would be off by a rounding, and two events in the wrong order. */
  at(time: number, run: () => void): Timer {
    const timer: Timer = { at: time, order: this.#order++, run };
    this.#push(timer);
    return timer;
  }

  cancel(timer: Timer | null): void {
    if (timer) timer.run = null;
  }

  /** Runs what happens next; false = nothing is left. */
  step(): boolean {
    for (;;) {
      const timer = this.#pop();
      if (!timer) return false;
      const { run } = timer;
      if (!run) continue;
      timer.run = null;
      this.now = timer.at;
      this.events++;
      run();
      return true;
    }
  }

  log(who: string, what: () => string): void {
    if (!this.#trace) return;
    this.#trace.push(`${this.now.toFixed(1).padStart(9)} ${who.padEnd(8)} ${what()}`);
  }

  /** The last lines of what happened, to one conduit or to all. */
  trace(conduit?: string): string {
    const lines = this.#trace ?? [];
    const about = conduit === undefined ? /./ : new RegExp(`\\b[iaL]${conduit}\\b|world`);
    return lines
      .filter((line) => about.test(line))
      .slice(-TRACE_LINES)
      .join("\n");
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(timer);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(timer, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!last || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
