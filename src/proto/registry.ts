// The acceptor's sessions by resume key, and the graves of those that ended [resume.key] [resume.reject].
import type { Bytes } from "../link/link.js";
import type { ClientHello } from "../link/source.js";
import type { Grave } from "./greeting.js";
import type { Machine } from "./machine.js";

export type Verdict<S> =
  | { kind: "new" }
  | { kind: "resume"; session: S }
  /** REJECTED on that link only: `grave` says why, null = nobody knows this key, or it does not fit. */
  | { kind: "refuse"; grave: Grave | null };

/** Graves are small, but a busy acceptor digs many within graceMs. */
const MAX_GRAVES = 65_536;

export class Registry<S extends { readonly machine: Machine }> {
  readonly #byKey = new Map<string, S>();
  readonly #keysOf = new Map<S, string[]>();
  // In the order of burial, which is about the order of expiry.
  readonly #graves = new Map<string, { grave: Grave; expiresAt: number }>();

  get size(): number {
    return this.#keysOf.size;
  }

  /** What to do with a link that said this. No effect [resume.check]. */
  judge(hello: ClientHello, now: number): Verdict<S> {
    if (hello.resumeKey === null) return { kind: "new" };
    const key = nameOf(hello.resumeKey);
    const session = this.#byKey.get(key);
    if (session) {
      return session.machine.canResume(hello) ? { kind: "resume", session } : { kind: "refuse", grave: null };
    }
    const found = this.#graves.get(key);
    return { kind: "refuse", grave: found && now < found.expiresAt ? found.grave : null };
  }

  /** Enters a session, or enters its keys again: after each ServerHello and each takeover. */
  update(session: S): void {
    for (const key of this.#keysOf.get(session) ?? []) this.#byKey.delete(key);
    const keys = session.machine.keys.valid.map(nameOf);
    for (const key of keys) this.#byKey.set(key, session);
    this.#keysOf.set(session, keys);
  }

  /** The session has ended: its keys lead to the grave until `expiresAt`. */
  bury(session: S, grave: Grave, expiresAt: number): void {
    this.update(session); // a key that a frame has voided since is void
    for (const key of this.#keysOf.get(session) ?? []) {
      this.#byKey.delete(key);
      this.#graves.set(key, { grave, expiresAt });
    }
    this.#keysOf.delete(session);
    for (const key of this.#graves.keys()) {
      if (this.#graves.size <= MAX_GRAVES) break;
      this.#graves.delete(key);
    }
  }

  handleTimeout(now: number): void {
    for (const [key, { expiresAt }] of this.#graves) if (expiresAt <= now) this.#graves.delete(key);
  }

  pollDeadline(): number {
    for (const { expiresAt } of this.#graves.values()) return expiresAt;
    return Number.POSITIVE_INFINITY;
  }
}

/** A key as a Map takes it: one character a byte, in one piece. There are as many as sessions. */
function nameOf(key: Bytes): string {
  return String.fromCharCode(...key);
}
