// The deadlines of all sessions on one timer: a process may have a hundred thousand sessions, nearly all of them idle.
import { now, refTimer } from "./clock.js";
import { MAX_TIMEOUT_MS } from "./promises.js";

/**
 * A deadline that is set again and again. Setting it later than it stands costs nothing: it wakes up early once,
 * and whoever is woken asks for the deadline again.
 */
export class Alarm {
  /** When it is due; Infinity = it is not set. */
  at = Number.POSITIVE_INFINITY;
  /** Where it is in the heap; -1 = nowhere. @internal */
  place = -1;
  keepsAlive = true;
  readonly wake: () => void;

  constructor(wake: () => void) {
    this.wake = wake;
  }

  set(at: number, currently: number): void {
    if (at >= this.at) return;
    this.at = at;
    alarms.put(this, currently);
  }

  clear(): void {
    if (this.place >= 0) alarms.remove(this);
  }

  /** Whether it keeps the process alive while it is set. */
  ref(keepsAlive: boolean): void {
    if (keepsAlive === this.keepsAlive) return;
    if (this.place >= 0) alarms.count(keepsAlive ? 1 : -1);
    this.keepsAlive = keepsAlive;
  }
}

/** A timer that is so late may not come at all: a test's fake clock took it along. Another one is set. */
const OVERDUE_MS = 100;

/** What is set, the earliest first, and the timer for that one. */
class Alarms {
  /** A binary heap: none is due before its parent, which is at half the place. */
  readonly #heap: Alarm[] = [];
  #keepingAlive = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the timer was set for. Like an alarm it may come early: what it was set for may be gone. */
  #firesAt = Number.POSITIVE_INFINITY;
  #firing = false;

  /** Adds an alarm, or moves one whose deadline is earlier now. */
  put(alarm: Alarm, currently: number): void {
    if (alarm.place < 0) {
      alarm.place = this.#heap.length;
      this.#heap.push(alarm);
      if (alarm.keepsAlive) this.count(1);
    }
    this.#rise(alarm);
    this.#arm(currently);
  }

  remove(alarm: Alarm): void {
    const { place } = alarm;
    const last = this.#heap.pop()!;
    if (last !== alarm) {
      this.#move(last, place);
      this.#rise(last);
      this.#sink(last);
    }
    alarm.place = -1;
    alarm.at = Number.POSITIVE_INFINITY;
    if (alarm.keepsAlive) this.count(-1);
    if (this.#heap.length === 0) this.#stop();
  }

  /** So many more of them keep the process alive. */
  count(change: number): void {
    const before = this.#keepingAlive;
    this.#keepingAlive += change;
    if (before === 0 || this.#keepingAlive === 0) this.#refTimer();
  }

  #arm(currently: number): void {
    const at = Math.max(this.#heap[0].at, currently);
    const overdue = currently > this.#firesAt + OVERDUE_MS;
    if (this.#firing || (at >= this.#firesAt && !overdue)) return;
    clearTimeout(this.#timer);
    this.#firesAt = at;
    // Rounded up: a timer that fires a little early would find nothing to do and be set again.
    const delay = Math.min(Math.ceil(at - currently), MAX_TIMEOUT_MS);
    this.#timer = setTimeout(this.#fire, delay);
    this.#refTimer();
  }

  readonly #fire = (): void => {
    this.#stop();
    this.#firing = true;
    const currently = now();
    try {
      // Who is woken may set its alarm to this very moment: not for ever in one task.
      for (let left = this.#heap.length; left > 0 && this.#heap[0]?.at <= currently; left--) {
        const [alarm] = this.#heap;
        this.remove(alarm);
        alarm.wake();
      }
    } finally {
      this.#firing = false;
      if (this.#heap.length > 0) this.#arm(now());
    }
  };

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#firesAt = Number.POSITIVE_INFINITY;
  }

  #refTimer(): void {
    refTimer(this.#timer, this.#keepingAlive > 0);
  }

  #rise(alarm: Alarm): void {
    const heap = this.#heap;
    let { place } = alarm;
    for (let up: number; place > 0 && heap[(up = (place - 1) >> 1)].at > alarm.at; place = up) {
      this.#move(heap[up], place);
    }
    this.#move(alarm, place);
  }

  #sink(alarm: Alarm): void {
    const heap = this.#heap;
    let { place } = alarm;
    for (let down: number; (down = 2 * place + 1) < heap.length; place = down) {
      if (down + 1 < heap.length && heap[down + 1].at < heap[down].at) down++;
      if (heap[down].at >= alarm.at) break;
      this.#move(heap[down], place);
    }
    this.#move(alarm, place);
  }

  #move(alarm: Alarm, place: number): void {
    this.#heap[place] = alarm;
    alarm.place = place;
  }
}

const alarms = /* @__PURE__ */ new Alarms();
