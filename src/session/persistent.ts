// A conduit that outlives its page: what page-life.ts and suspend() leave to do, done for the usual case. The state lies in
// sessionStorage only while no page runs the session; who takes it out of there restores it. Storage is copied when a tab is
// duplicated, so a Web Lock per session says which tab goes on with it, and the other one begins a new session.
//
//   load ──> state there, lock free ──> restore() ─┐        freeze, pagehide ──> state into storage, lock released
//        └─> none, or another tab's ──> create() ──┴─ run ─ resume, pageshow ──> state still there, lock free: goes on
//                                                                            └─> another page has it: suspended
import type { ConduitError } from "../errors.js";
import type { Bytes } from "../link/link.js";
import type { LinkSource } from "../link/source.js";
import type { ConnectOptions, Status } from "./options.js";
import { pageOf } from "./page-life.js";
import { ignore } from "./promises.js";
import { StableConduit } from "./stable-conduit.js";
import { sessionOf } from "./suspend.js";

/** A tab that was loaded again can find the lock of the page before still held for a moment. */
const LOCK_PATIENCE_MS = 1_000;

/** sessionStorage, or what does the same. */
export interface StateStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface PersistentOptions<S = Uint8Array, R = Bytes> extends ConnectOptions<S, R> {
  /** Where the state lies while no page runs the session. Default sessionStorage. */
  storage?: StateStorage;
  /**
   * A session could not go on, and a new one begins: its state is damaged or of another version, of other schemas, or
   * another tab has the session. What it had not delivered is in `state` only. Default: reported as an uncaught error, but
   * for another tab's session.
   */
  onStateLost?(error: ConduitError | null, state: string): void;
}

/**
 * Goes on with the session of the page before in this tab, or begins one. Reloading, leaving and coming back, being frozen
 * and discarded: the session goes through all of it while the acceptor keeps it (graceMs). Resolves at once, maybe before the
 * first link; `conduit.opened` waits for that.
 *
 * When a page comes back from the back/forward cache and another page of the tab has taken the session meanwhile, its conduit is
 * suspended: `closed` resolves with CONDUIT_CLOSED. Without Web Locks (no secure context) a duplicated tab is not noticed here.
 * @param name tells apart the conduits of a page; the state lies under "stable-conduit NAME"
 */
export async function persistent<S = Uint8Array, R = Bytes>(
  source: LinkSource,
  name: string,
  options: PersistentOptions<S, R> = {},
): Promise<StableConduit<S, R>> {
  const { storage = sessionStorage, onStateLost = reportLost, ...rest } = options;
  const key = `stable-conduit ${name}`;
  const text = storage.getItem(key);
  let unlock: (() => void) | null = null;
  let conduit: StableConduit<S, R> | null = null;
  let failure: ConduitError | null = null;
  if (text !== null) {
    try {
      unlock = await lockSession(sessionOf(text));
      if (unlock) conduit = StableConduit.restore<S, R>(source, text, rest);
    } catch (error) {
      unlock?.();
      failure = error as ConduitError;
    }
  }
  const restored = conduit !== null;
  conduit ??= StableConduit.create<S, R>(source, rest); // throws for options that cannot be: then the state stays
  if (text !== null) {
    storage.removeItem(key); // not earlier: a page that is left while it waits leaves the state to the next
    if (!restored) tellLost(conduit, () => onStateLost(failure, text));
  }
  if (!restored) unlock = await lockSession(conduit.session);
  keepState(conduit, storage, key, options.pageLife, unlock ?? ignore);
  return conduit;
}

/** Who throws then does not get the new session. */
function tellLost<S, R>(conduit: StableConduit<S, R>, tell: () => void): void {
  try {
    tell();
  } catch (error) {
    conduit.abort(error);
    throw error;
  }
}

/** Moves the state into the storage and out again as the page goes and comes, until the conduit is over. */
function keepState<S, R>(
  conduit: StableConduit<S, R>,
  storage: StateStorage,
  key: string,
  option: PersistentOptions["pageLife"],
  unlock: () => void,
): void {
  if (isOver(conduit)) return unlock(); // an aborted signal was given
  const window = pageOf(option || true);
  let over = false;
  let away = false;
  let parked = false;
  let returning = false;
  let stored: string | null = null;

  /** Another page of the tab has taken the state: the session is its own now. */
  const taken = () => stored !== null && storage.getItem(key) !== stored;
  const withdraw = () => {
    if (stored !== null && !taken()) storage.removeItem(key);
    stored = null;
  };
  /** Replaces what is there; if that fails nothing is: an older state would lose items, and bring others twice. */
  const store = (save: () => string) => {
    if (taken()) return;
    try {
      const state = save();
      storage.setItem(key, state);
      stored = state;
    } catch (error) {
      withdraw();
      throw error;
    }
  };
  const leave = (forGood: boolean) => {
    away = true;
    if (forGood) store(() => conduit.suspend());
    else conduit.park(store); // a throw, when the storage is full, say: then it goes on when the page is back
    parked = true;
    unlock(); // a page that holds a lock is kept out of the back/forward cache
  };
  const comeBack = async () => {
    away = false;
    if (!parked || returning) return;
    returning = true;
    const still = !taken();
    withdraw();
    const lock = still ? await lockSession(conduit.session) : null;
    returning = false;
    if (lock) unlock = lock;
    if (over || (lock && away)) return unlock(); // ended meanwhile, or left again
    withdraw(); // what was sent while it waited for the lock
    parked = false;
    if (lock) conduit.unpark();
    else conduit.depart();
  };
  const handle = (event: Event) => {
    const { persisted } = event as PageTransitionEvent;
    if (event.type === "freeze" || event.type === "pagehide") leave(event.type === "pagehide" && !persisted);
    else comeBack();
  };
  for (const type of ["pagehide", "pageshow"]) window?.addEventListener(type, handle);
  for (const type of ["freeze", "resume"]) window?.document.addEventListener(type, handle);
  conduit.on("status", () => {
    if (!isOver(conduit)) return;
    over = true;
    // Ended while it was away: the next page must not go on with it.
    if (conduit.status.state === "closed") withdraw();
    unlock();
    for (const type of ["pagehide", "pageshow"]) window?.removeEventListener(type, handle);
    for (const type of ["freeze", "resume"]) window?.document.removeEventListener(type, handle);
  });
}

/** Holds the session's Web Lock until the returned function is called; null = somebody else has it. */
function lockSession(session: string): Promise<(() => void) | null> {
  const { locks } = (globalThis as { navigator?: { locks?: LockManager } }).navigator ?? {};
  if (!locks) return Promise.resolve(ignore);
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(LOCK_PATIENCE_MS);
    const held = () => new Promise<void>((release) => resolve(release));
    locks.request(`stable-conduit ${session}`, { signal }, held).catch(() => resolve(null));
  });
}

function isOver({ status }: { status: Status }): boolean {
  return status.state === "closed" || status.state === "suspended";
}

function reportLost(error: ConduitError | null): void {
  if (!error) return;
  queueMicrotask(() => {
    throw error;
  });
}
