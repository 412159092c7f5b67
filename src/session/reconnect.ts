// Gets the next link: one attempt at a time, full-jitter backoff between them [resume.retry], and the one place
// that decides whether a failure is retried or final.
import { ConduitError, linkError, sessionLost } from "../errors.js";
import type { Attachment, Attempt, LinkSource } from "../link/source.js";
import { backoffMs } from "../proto/backoff.js";
import { now } from "./clock.js";
import { ignore, quiet } from "./promises.js";

export interface RetryOptions {
  /** First step of the backoff, milliseconds. Default 50. */
  baseMs?: number;
  /** The backoff never waits longer, milliseconds. Default 10 000. */
  capMs?: number;
  /** Without a link for so long, the session ends with CONDUIT_SESSION_LOST `expired`, milliseconds. Default: never. */
  giveUpMs?: number;
  /** Whether to go on after this failure. Default: unless the error is fatal. */
  shouldRetry?(error: ConduitError, attempt: number): boolean;
}

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
  #first = true;
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

  /** An item was handed over or an ack came: the next failure starts the backoff anew. */
  noteProgress(): void {
    this.#failures = 0;
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
    if (now() - this.#openSince > this.#capMs) this.#failures = 0;
    this.#openSince = Number.POSITIVE_INFINITY;
    if (this.#downSince === Number.POSITIVE_INFINITY) this.#downSince = now();
    if (this.#running) {
      if (immediately) this.#skipWait?.();
      return;
    }
    this.#running = true;
    quiet(this.#run(error, immediately, atLeastMs));
  }

  stop(): void {
    this.#stopped = true;
    this.#controller?.abort(new ConduitError("CONDUIT_CLOSED", "local", "the conduit is closed"));
    this.#skipWait?.();
  }

  ref(keepsAlive: boolean): void {
    this.#ref = keepsAlive;
    const timer = this.#timer as { ref?(): void; unref?(): void } | undefined;
    if (keepsAlive) timer?.ref?.();
    else timer?.unref?.();
  }

  async #run(lastError: ConduitError | null, immediately: boolean, atLeastMs: number): Promise<void> {
    let error = lastError;
    let wait = this.#first || immediately ? 0 : Math.max(atLeastMs, this.#nextWait());
    this.#first = false;
    for (;;) {
      if (error !== null && !this.#shouldRetry(error, this.#failures)) return this.#giveUp(error);
      if (now() + wait - this.#downSince > this.#giveUpMs) {
        return this.#giveUp(sessionLost("expired", `no link within giveUpMs (${this.#giveUpMs})`, error));
      }
      this.#hooks.onWaiting(this.#failures, wait > 0 ? Date.now() + wait : null, error);
      if (wait > 0) await this.#sleep(wait);
      if (this.#stopped) return this.#done();
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
      wait = Math.max(error.retryAfterMs ?? 0, this.#nextWait());
    }
  }

  /** One attempt: an attachment, or why there is none. */
  async #attempt(error: ConduitError | null): Promise<Attachment | ConduitError> {
    const controller = new AbortController();
    this.#controller = controller;
    const timeout = setTimeout(() => {
      const what = `no link within handshakeTimeoutMs (${this.#attemptTimeoutMs})`;
      controller.abort(new ConduitError("CONDUIT_HANDSHAKE_TIMEOUT", "link", what, { fatal: false }));
    }, this.#attemptTimeoutMs);
    if (!this.#ref) (timeout as { unref?(): void }).unref?.();
    const attempt: Attempt = { number: this.#failures, error, signal: controller.signal };
    try {
      await beforeAbort(this.#hooks.prepare(attempt), controller.signal);
      const link = Promise.resolve(this.#source.nextLink(attempt));
      // A link that comes after the attempt was given up is nobody's.
      link.then((late) => controller.signal.aborted && late.link.destroy(), ignore);
      return await beforeAbort(link, controller.signal);
    } catch (cause) {
      return cause instanceof ConduitError ? cause : linkError(`no link: ${messageOf(cause)}`, cause);
    } finally {
      clearTimeout(timeout);
      this.#controller = null;
    }
  }

  #nextWait(): number {
    return backoffMs(this.#failures, this.#baseMs, this.#capMs, Math.random());
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#skipWait = () => {
        clearTimeout(this.#timer);
        this.#skipWait = null;
        resolve();
      };
      this.#timer = setTimeout(this.#skipWait, ms);
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
