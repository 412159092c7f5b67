// Gets the next link: one attempt at a time, full-jitter backoff between them [resume.retry], and the one place
// that decides whether a failure is retried or final.
import { ConduitError, linkError, sessionLost } from "../errors.js";
import type { Attachment, Attempt, LinkSource } from "../link/source.js";
import { backoffMs } from "../proto/backoff.js";
import { now, refTimer } from "./clock.js";
import { ignore, MAX_TIMEOUT_MS, quiet } from "./promises.js";

export interface RetryOptions {
  /** First step of the backoff, milliseconds. Default 50. */
  baseMs?: number;
  /** The backoff never waits longer, milliseconds. Default 10 000. */
  capMs?: number;
  /**
   * No attempt begins later than this after the link was lost, but for one when a frozen page is back: the session ends with
   * CONDUIT_SESSION_LOST `expired`. Milliseconds, default: never.
   */
  giveUpMs?: number;
  /** Whether to go on after this failure. Default: unless the error is fatal. */
  shouldRetry?(error: ConduitError, attempt: number): boolean;
}

/** Nobody is waiting: after two failures in a row attempts come this far apart, milliseconds, up to twice as far. */
export const SLOW_RETRY_MS = 30_000;
const PATIENT_FAILURES = 2;

export interface ReconnectHooks {
  /** Before each attempt; what it returns is waited for. A rejection fails the attempt. */
  prepare(attempt: Attempt): PromiseLike<void> | void;
  /** A link for the session. */
  onAttachment(attachment: Attachment): void;
  /** The state to show. */
  onWaiting(attempt: number, retryAt: number | null, error: ConduitError | null): void;
  /** There will be no further attempt. */
  onGiveUp(error: ConduitError): void;
}

export class Reconnector {
  /** Attempts are to be rare, see page-life.ts. Holds from the next wait on. */
  slow = false;

  readonly #source: LinkSource;
  readonly #hooks: ReconnectHooks;
  readonly #baseMs: number;
  readonly #capMs: number;
  readonly #giveUpMs: number;
  readonly #shouldRetry: (error: ConduitError, attempt: number) => boolean;
  readonly #attemptTimeoutMs: number;

  #stopped = false;
  #running = false;
  #failures = 0; // since the last progress
  #number = -1; // of the last attempt
  #hurry = false; // startNow() came: the next attempt does not wait
  readonly #holds = new Set<string>(); // why nothing is dialled now
  #downSince = now();
  #openSince = Number.POSITIVE_INFINITY;
  #controller: AbortController | null = null;
  #skipWait: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ref = true;

  constructor(source: LinkSource, retry: RetryOptions, attemptTimeoutMs: number, hooks: ReconnectHooks) {
    this.#source = source;
    this.#hooks = hooks;
    this.#baseMs = retry.baseMs ?? 50;
    this.#capMs = retry.capMs ?? 10_000;
    this.#giveUpMs = retry.giveUpMs ?? Number.POSITIVE_INFINITY;
    this.#shouldRetry = retry.shouldRetry ?? ((error) => !error.fatal);
    this.#attemptTimeoutMs = attemptTimeoutMs;
  }

  /** An item or an ack came: the next failure starts the backoff anew. */
  noteProgress(): void {
    this.#failures = 0;
    this.#number = 0;
  }

  /** The link is open. */
  noteOpen(): void {
    this.#downSince = Number.POSITIVE_INFINITY;
    this.#openSince = now();
  }

  /** Gets a link, unless that is under way already. `immediately`: without the backoff, and ending one that waits. */
  start(error: ConduitError | null, immediately = false, atLeastMs = 0): void {
    if (this.#stopped) return;
    // An idle session makes no progress, but a link that outlived the longest wait was no failure.
    const livedMs = Math.max(0, now() - this.#openSince);
    if (livedMs > this.#capMs) this.noteProgress();
    this.#openSince = Number.POSITIVE_INFINITY;
    if (this.#downSince === Number.POSITIVE_INFINITY) this.#downSince = now();
    if (this.#running) {
      if (immediately) this.#skipWait?.();
      return;
    }
    this.#running = true;
    this.#hurry = false;
    // The backoff keeps attempts apart. A link that was of use and has lived longer than that is followed at once.
    const spentMs = this.#failures === 0 ? livedMs : 0;
    const wait = this.#number < 0 || immediately ? 0 : Math.max(atLeastMs, this.#nextWait() - spentMs);
    quiet(this.#run(error, immediately, wait));
  }

  /**
   * Gets a link without waiting: not for the backoff, nor for an attempt that is under way, which may be on its way
   * into a network that is gone.
   */
  startNow(error: ConduitError): void {
    if (!this.#running) return this.start(error, true);
    this.#hurry = true;
    this.#controller?.abort(error);
    this.#skipWait?.();
  }

  /** Dials no more until this reason and every other one is released; an attempt that is under way is given up. */
  hold(reason: string, error: ConduitError): void {
    this.#holds.add(reason);
    this.#controller?.abort(error);
  }

  /** Takes a hold back; the last one makes an attempt follow at once, if a link is missing. */
  release(reason: string): void {
    if (!this.#holds.delete(reason) || this.#holds.size > 0) return;
    this.#hurry = true;
    this.#skipWait?.();
  }

  stop(): void {
    this.#stopped = true;
    this.#controller?.abort(new ConduitError("CONDUIT_CLOSED", "local", "the conduit is closed"));
    this.#skipWait?.();
  }

  ref(keepsAlive: boolean): void {
    this.#ref = keepsAlive;
    refTimer(this.#timer, keepsAlive);
  }

  async #run(lastError: ConduitError | null, immediately: boolean, firstWait: number): Promise<void> {
    let error = lastError;
    let wait = firstWait;
    for (;;) {
      // A link that we gave up ourselves for a new one is no failure to be asked about.
      const final = immediately && error === lastError ? null : this.#finalError(error);
      if (final) return this.#giveUp(final);
      wait = Math.min(wait, this.#patienceMs(), MAX_TIMEOUT_MS);
      while (wait > 0 || this.#holds.size > 0) {
        if (this.#holds.size > 0) wait = Number.POSITIVE_INFINITY;
        this.#hooks.onWaiting(this.#failures, wait < MAX_TIMEOUT_MS ? Date.now() + wait : null, error);
        await this.#sleep(wait);
        if (this.#stopped) return this.#done();
        wait = 0;
      }
      this.#hooks.onWaiting(this.#failures, null, error);
      if (this.#stopped) return this.#done(); // a listener did that
      this.#hurry = false;
      const outcome = await this.#attempt(error);
      if (this.#stopped) {
        if ("link" in outcome) outcome.link.destroy();
        return this.#done();
      }
      if ("link" in outcome) {
        this.#done();
        this.#failures++; // until there is progress
        this.#hooks.onAttachment(outcome);
        return;
      }
      error = outcome;
      this.#failures++;
      wait = this.#hurry ? 0 : Math.max(error.retryAfterMs ?? 0, this.#nextWait());
    }
  }

  /** The place that decides: null = go on. */
  #finalError(error: ConduitError | null): ConduitError | null {
    if (error === null) return null;
    try {
      if (!this.#hurry && !this.#shouldRetry(error, this.#failures)) return error;
    } catch (cause) {
      return new ConduitError("CONDUIT_OPTIONS", "local", `shouldRetry failed: ${messageOf(cause)}`, {
        cause,
      });
    }
    if (this.#patienceMs() > 0) return null;
    return sessionLost("expired", `no link within giveUpMs (${this.#giveUpMs})`, error);
  }

  /** How long there may still be no link. */
  #patienceMs(): number {
    return this.#downSince + this.#giveUpMs - now();
  }

  /** One attempt: an attachment, or why there is none. */
  async #attempt(error: ConduitError | null): Promise<Attachment | ConduitError> {
    const controller = new AbortController();
    this.#controller = controller;
    this.#timer = setTimeout(() => {
      const what = `no link within handshakeTimeoutMs (${this.#attemptTimeoutMs})`;
      controller.abort(new ConduitError("CONDUIT_HANDSHAKE_TIMEOUT", "link", what, { fatal: false }));
    }, this.#attemptTimeoutMs);
    this.ref(this.#ref);
    const attempt: Attempt = { number: ++this.#number, error, signal: controller.signal };
    try {
      await beforeAbort(this.#hooks.prepare(attempt), controller.signal);
      const link = Promise.resolve(this.#source.nextLink(attempt));
      // A link that comes after the attempt was given up is nobody's.
      link.then((late) => controller.signal.aborted && late?.link?.destroy(), ignore);
      const attachment = await beforeAbort(link, controller.signal);
      return attachment?.link ? attachment : linkError("the LinkSource gave no Attachment");
    } catch (cause) {
      return cause instanceof ConduitError ? cause : linkError(`no link: ${messageOf(cause)}`, cause);
    } finally {
      clearTimeout(this.#timer);
      this.#controller = null;
    }
  }

  #nextWait(): number {
    const backoff = backoffMs(this.#failures, this.#baseMs, this.#capMs, Math.random());
    if (!this.slow || this.#failures < PATIENT_FAILURES) return backoff;
    return Math.max(backoff, SLOW_RETRY_MS * (1 + Math.random()));
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#skipWait = () => {
        clearTimeout(this.#timer);
        this.#skipWait = null;
        resolve();
      };
      if (ms < Number.POSITIVE_INFINITY) this.#timer = setTimeout(this.#skipWait, ms);
      this.ref(this.#ref);
    });
  }

  #giveUp(error: ConduitError): void {
    this.#done();
    this.#stopped = true;
    this.#hooks.onGiveUp(error);
  }

  #done(): void {
    this.#running = false;
  }
}

/** The value, unless the signal aborts before: then its reason is thrown. */
function beforeAbort<T>(value: PromiseLike<T> | T, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    Promise.resolve(value).then(resolve, reject);
  });
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
