// The conduit: what an application holds. Sending goes straight into the replay ring, receiving comes from the
// receiver's one consumer; links come and go below (driver.ts, reconnect.ts) and the protocol is the machine's.
import { ConduitError, linkError, optionsError } from "../errors.js";
import { type ResolvedLimits, resolveLimits } from "../limits.js";
import type { Bytes, Link } from "../link/link.js";
import { Attachment, type ClientHello, type LinkSource } from "../link/source.js";
import type { MemoryBudget } from "../memory-budget.js";
import { AbortCode } from "../proto/control.js";
import type { ServerHello } from "../proto/handshake.js";
import { type AttachedLink, Machine, type MachineEvent } from "../proto/machine.js";
import type { Undelivered } from "../proto/replay.js";
import { threadCore } from "../wasm/core.js";
import { Alarm } from "./alarm.js";
import { type Batch, type Decode, decodeItem, fatalDecodeError } from "./batch.js";
import { now, randomId } from "./clock.js";
import { Driver } from "./driver.js";
import { type ListenerOptions, Listeners } from "./events.js";
import { Greeter, type GreeterHost } from "./greeter.js";
import type { LinkPort } from "./link-port.js";
import { copyInto, decodeByPlan, decodeWith, type MessagePlan, namesOf, type Schemas } from "./messages.js";
import {
  type Close,
  type ConnectOptions,
  checkMs,
  checkSessionOptions,
  type Events,
  type Stats,
  type Status,
  undeliveredOf,
} from "./options.js";
import { joinPage, pageOf } from "./page-life.js";
import {
  type Deferred,
  deferred,
  ignore,
  quiet,
  quietly,
  rejected,
  type Wait,
  watchWait,
} from "./promises.js";
import { Receiver } from "./receiver.js";
import { Reconnector } from "./reconnect.js";
import { closedError, encodingError, Sender } from "./sender.js";
import { ConduitRx, ConduitTx } from "./split.js";
import { readableOf, writableOf } from "./streams.js";
import {
  checkSchemas,
  checkUnused,
  decodeState,
  encodeState,
  markUsed,
  type SuspendedState,
} from "./suspend.js";

const CONNECT_TIMEOUT_MS = 30_000;

/** What a conduit begins with. */
export interface ConduitSetup<S, R, D> {
  role: "initiator" | "acceptor";
  profile: "base" | "extended";
  limits: ResolvedLimits;
  allowHalfOpen: boolean;
  id: string;
  data: D;
  budget: MemoryBudget | null;
  schema: Schemas<S, R>;
  /** What restore() was given. */
  restored?: SuspendedState | null;
  /** Called first of all when the session has ended. */
  onFinished?: (close: Close<unknown>) => void;
}

/**
 * One end of a session. Made by connect(), StableConduit.create(), or an Acceptor.
 *
 * S is what this side sends, R what it receives: bytes, unless typed messages are used. Bytes that are received are
 * never views of shared memory.
 */
export class StableConduit<S = Uint8Array, R = Bytes, D = unknown> implements AsyncDisposable {
  // ================================================================== making one

  /**
   * A conduit over the links of `source`, at once: items may be sent before the first link is up, each at most 64 KiB
   * until the peer's limits are known.
   * @throws ConduitError CONDUIT_OPTIONS; CONDUIT_MEMORY when linear memory is exhausted.
   */
  static create<S = Uint8Array, R = Bytes>(
    source: LinkSource,
    options: ConnectOptions<S, R> = {},
  ): StableConduit<S, R> {
    return StableConduit.#fromSource(source, options, "initiator");
  }

  /**
   * Goes on, at once, with a session that suspend() took out of a conduit: in a page that was loaded again, or another
   * process. The peer notices a new link, nothing else. What was unacknowledged is sent again, and what the former conduit
   * had received but not finished comes again.
   *
   * A state is good for one restore() [resume.suspend]. A second one in the same thread throws. Elsewhere the acceptor
   * sees to it: from the first record that it has exchanged with one restored conduit on, it refuses the state
   * (CONDUIT_SESSION_LOST `rejected`). Before that a second conduit takes the session over, and a state from before the first
   * link makes a new session each time: what keeps tabs apart is a lock, see persistent().
   *
   * `options` are those of the former conduit: the profile is the session's own, the schemas have to be the same,
   * `maxFrameBytes` must not be smaller; without a `connectTimeoutMs` a session that was open waits for its link. A throw leaves the state as good as it was.
   * @throws ConduitError CONDUIT_STATE for a state that is damaged, of another version, or used; CONDUIT_SCHEMA;
   *   CONDUIT_REPLAY_FULL or CONDUIT_MEMORY when its items do not fit; CONDUIT_OPTIONS.
   */
  static restore<S = Uint8Array, R = Bytes>(
    source: LinkSource,
    state: string,
    options: ConnectOptions<S, R> = {},
  ): StableConduit<S, R> {
    const suspended = decodeState(state, resolveLimits(options).maxStateBytes);
    checkSchemas(suspended, namesOf(options.schema ?? {}));
    checkUnused(suspended);
    const conduit = StableConduit.#fromSource<S, R>(source, options, "initiator", suspended);
    markUsed(suspended);
    return conduit;
  }

  /** create(), and waits for the first link: the seed's name of connect(). */
  static open<S = Uint8Array, R = Bytes>(
    source: LinkSource,
    options: ConnectOptions<S, R> = {},
  ): Promise<StableConduit<S, R>> {
    return StableConduit.#whenOpen(() => StableConduit.create<S, R>(source, options));
  }

  static #whenOpen<S, R>(make: () => StableConduit<S, R>): Promise<StableConduit<S, R>> {
    try {
      const conduit = make();
      return quiet(conduit.opened.then(() => conduit));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * A conduit whose first link is there already: with its ClientHello on the accepting side, undefined on the
   * initiating side. Later links come from `source`.
   */
  static withFirstLink<S = Uint8Array, R = Bytes>(
    link: Link,
    clientHello: ClientHello | undefined,
    source: LinkSource,
    options: ConnectOptions<S, R> = {},
  ): Promise<StableConduit<S, R>> {
    let first: Attachment | null = clientHello
      ? new Attachment(link, clientHello)
      : Attachment.initiator(link);
    const links: LinkSource = {
      nextLink(attempt) {
        const attachment = first;
        first = null;
        return attachment ? Promise.resolve(attachment) : source.nextLink(attempt);
      },
    };
    const role = clientHello ? "acceptor" : "initiator";
    return StableConduit.#whenOpen(() => StableConduit.#fromSource<S, R>(links, options, role));
  }

  static #fromSource<S, R>(
    source: LinkSource,
    options: ConnectOptions<S, R>,
    role: "initiator" | "acceptor",
    restored: SuspendedState | null = null,
  ): StableConduit<S, R> {
    checkSessionOptions(options);
    // A session that was open is not given up because its next link takes a while.
    const patienceMs = restored?.saved.opened ? Number.POSITIVE_INFINITY : CONNECT_TIMEOUT_MS;
    const connectTimeoutMs = checkMs("connectTimeoutMs", options.connectTimeoutMs, patienceMs);
    const { retry = {} } = options;
    checkMs("retry.baseMs", retry.baseMs, 0);
    checkMs("retry.capMs", retry.capMs, 0);
    checkMs("retry.giveUpMs", retry.giveUpMs, 0);
    pageOf(options.pageLife);
    const limits = resolveLimits(options);
    if (restored && limits.maxFrameBytes < restored.saved.maxFrameBytes) {
      throw optionsError(
        `maxFrameBytes was ${restored.saved.maxFrameBytes} in the suspended session [ext.settings]`,
      );
    }
    const conduit = new StableConduit<S, R>({
      role,
      profile: options.profile ?? "extended",
      limits,
      allowHalfOpen: options.allowHalfOpen ?? false,
      id: restored?.id ?? randomId(),
      data: undefined,
      budget: null,
      schema: options.schema ?? {},
      restored,
    });
    conduit.#connect(source, options, connectTimeoutMs);
    return conduit;
  }

  // ================================================================== state

  /** What authorize() returned (acceptor side). */
  readonly data: D;

  #id: string;
  readonly #session: string; // the same in all conduits that the session goes through
  #suspensions: number; // of the session so far
  #status: Status = { state: "connecting", attempt: 0, retryAt: null, expiresAt: null, error: null };
  readonly #limits: ResolvedLimits;
  #allowHalfOpen: boolean;
  readonly #schema: Schemas<S, R>;
  readonly #onFinished: ((close: Close<unknown>) => void) | undefined;
  readonly #listeners = new Listeners<Events<S, R>>();
  readonly #opened: Deferred<void> = deferred();
  readonly #closed: Deferred<Close<S>> = deferred();
  #close: Close<S> | null = null;
  #observed = false; // somebody will learn how it ends
  #openObserved = false; // or how it ended before the first link

  // --- below
  readonly #machine: Machine;
  readonly #driver: Driver;
  readonly #sender: Sender<S>;
  readonly #receiver: Receiver<R>;
  #reconnector: Reconnector | null = null;

  // --- counters
  #links = 0;
  #resumes = 0;
  #replayedItems = 0;
  #downAt = now(); // when the last open link died
  #linkOpen = false;
  #peerSchema: string | null = null; // the text that the receiver's plan was built from
  #planned = false; // by withMessagePlan()
  #retryAfterMs = 0; // the acceptor asked to stay away so long when this link goes
  #closingTimer: (() => void) | null = null;
  #connectAlarm: Alarm | null = null;
  #leavePage: (() => void) | null = null;
  #keepsAlive = true;
  #keep: ((save: () => string) => void) | null = null; // what park() was given
  #keeping = false; // #keepState() follows

  /** @internal The acceptor's. */
  static of<S, R, D>(setup: ConduitSetup<S, R, D>): StableConduit<S, R, D> {
    return new StableConduit(setup);
  }

  private constructor(setup: ConduitSetup<S, R, D>) {
    const core = threadCore();
    this.#schema = setup.schema;
    this.#limits = setup.limits;
    this.#allowHalfOpen = setup.allowHalfOpen;
    this.#onFinished = setup.onFinished;
    this.#id = setup.id;
    this.#session = setup.restored?.session ?? setup.id;
    this.#suspensions = setup.restored?.nth ?? 0;
    this.data = setup.data;
    this.#machine = new Machine(core, {
      role: setup.role,
      profile: setup.profile,
      limits: setup.limits,
      sessionId: setup.id,
      budget: setup.budget,
      schemas: namesOf(setup.schema),
    });
    if (setup.restored) this.#machine.restore(setup.restored.saved, now());
    this.#receiver = new Receiver<R>({
      onHanded: (items, recordBytes) => this.#handleHanded(items, recordBytes),
      onFailed: (error) => this.#abortWith(error, failureCode(error)),
      onEndSeen: () => this.#handleEndSeen(),
    });
    this.#receiver.decode = decodeWith(setup.schema);
    this.#driver = new Driver(core, this.#machine, this.#limits.receiveWindow, {
      onEvent: (event) => this.#handleEvent(event),
      onLinkDown: (error, wanted) => this.#handleLinkDown(error, wanted),
      onRound: () => this.#handleRound(),
    });
    const encoder = setup.schema.send?.messages.encoder(copyInto(core)) ?? null;
    this.#sender = new Sender<S>(core, this.#machine, this.#driver, this.#limits, encoder);
    // The peer ended before: this consumer learns it, too, once there can be one, also behind `await persistent()`.
    if (this.#machine.peerEnded) setTimeout(() => this.#receiver.end(null), 0);
    if (setup.restored) this.#driver.arm(); // both ends may be said: then it does not wait for ever [ext.fin]
  }

  /** For logs; never the resume key. The acceptor chooses it, the initiator takes it over with the first link (extended). */
  get id(): string {
    return this.#id;
  }

  /** Immutable; replaced on change, which the event `status` tells. */
  get status(): Status {
    return this.#status;
  }

  /** The first link is open. Rejects when the conduit ends before; never an unhandled rejection. */
  get opened(): Promise<void> {
    if (this.#links === 0) this.#openObserved = true;
    return this.#opened.promise;
  }

  /** How the session ended. Never rejects. */
  get closed(): Promise<Close<S>> {
    this.#observed = true;
    return this.#closed.promise;
  }

  // ================================================================== sending

  /**
   * Accepts an item: its bytes are copied before this returns. The fast path. What lies in memory that other threads share
   * must be left alone by them for so long, or the peer gets what they made of it.
   * @throws ConduitError, and nothing has changed: CONDUIT_REPLAY_FULL at replayBytes or while write()s are queued,
   *   CONDUIT_FRAME_TOO_LARGE, CONDUIT_MEMORY, CONDUIT_ENCODE for what is no Uint8Array, CONDUIT_CLOSED.
   */
  send(item: S): void {
    this.#sender.send(item);
  }

  /** Above high water: wait for drained(). Sends are still accepted until the ring is full. */
  get congested(): boolean {
    return this.#sender.congested;
  }

  /**
   * Accepts many items that lie one after another in `bytes`, with one length each.
   * @returns how many were accepted, a prefix: fewer than all when the ring is full.
   * @throws ConduitError as send(), before anything is accepted; CONDUIT_OPTIONS when the lengths do not add up.
   */
  sendBatch(bytes: Uint8Array, lengths: Uint32Array): number {
    return this.#sender.sendBatch(bytes, lengths);
  }

  /**
   * Accepts an item that `encode` writes in place: into `ring` from `offset` on, at most `maxBytes`; it returns the
   * end offset. A throw cancels and nothing is accepted. `ring` is valid during the call only, and the conduit
   * must not be used within it.
   * @throws ConduitError as send(), CONDUIT_ENCODE for an end offset out of range; and what `encode` throws.
   */
  sendInto(maxBytes: number, encode: (ring: Uint8Array, offset: number) => number): void {
    this.#sender.sendInto(maxBytes, encode);
  }

  /**
   * Sends without replay: at most once, out of band, extended profile only.
   * @returns false when it was dropped here: no open link, congested, or the base profile.
   * @throws ConduitError CONDUIT_FRAME_TOO_LARGE, CONDUIT_CLOSED, CONDUIT_ENCODE.
   */
  sendVolatile(item: S): boolean {
    return this.#sender.sendVolatile(item);
  }

  /**
   * Accepts an item as soon as there is room, first come first served. Leave the item unchanged until it settles.
   * Rejects with what send() throws, except for a full ring, and when `wait` is over.
   */
  write(item: S, wait?: Wait): Promise<void> {
    return this.#sender.write(item, wait);
  }

  /** No longer congested. */
  drained(wait?: Wait): Promise<void> {
    return this.#sender.drained(wait);
  }

  /** Everything sent so far was handed to the peer's application. */
  delivered(wait?: Wait): Promise<void> {
    return this.#sender.delivered(wait);
  }

  // ================================================================== receiving

  /**
   * The consumer of batches. A batch is valid, unacknowledged and counted in the receive window until what the
   * handler returns has settled; batches come one after another. A throw or a rejection ends the conduit with
   * CONDUIT_HANDLER and leaves the batch unacknowledged. null pauses.
   * @throws ConduitError CONDUIT_OPTIONS when there is another consumer.
   */
  get onItems(): ((batch: Batch<R>) => void | PromiseLike<void>) | null {
    return this.#receiver.handler;
  }
  set onItems(handler: ((batch: Batch<R>) => void | PromiseLike<void>) | null) {
    this.#receiver.handler = handler;
  }

  /** Batches, each valid until the next is asked for, and acknowledged then. */
  batches(): AsyncIterableIterator<Batch<R>> {
    return quietly(this.#receiver.batches());
  }

  /** The next item, owned by the caller; undefined = the peer has ended. Rejects when the session has ended otherwise. */
  recv(wait?: Wait): Promise<R | undefined> {
    this.#observed = true;
    return quiet(this.#receiver.recv(wait));
  }

  /** Items, owned, each acknowledged when the next is asked for; `break` pauses and never closes. */
  [Symbol.asyncIterator](): AsyncIterator<R> {
    this.#observed = true;
    return quietly(this.#receiver.items());
  }

  /**
   * Items as a stream, made at first use; it is the consumer from its first read on. An item is acknowledged when the next is
   * read. Cancelling it aborts the conduit; a session that does not end cleanly fails it at once.
   */
  get readable(): ReadableStream<R> {
    this.#readable ??= readableOf<R>(this as unknown as StableConduit<never, R>);
    return this.#readable;
  }
  #readable: ReadableStream<R> | null = null;

  /**
   * Takes items; its backpressure is the conduit's. Closing it is end(), and from its first use on nothing else ends the sending
   * direction when the peer has ended: what a pipe is still working on can be sent. Aborting it aborts the conduit at once,
   * and the session's end fails it.
   */
  get writable(): WritableStream<S> {
    if (!this.#writable) {
      this.#writable = writableOf<S>(this as unknown as StableConduit<S, unknown>);
      this.keepHalfOpen();
    }
    return this.#writable;
  }
  #writable: WritableStream<S> | null = null;

  /** @internal A stream ends the sending direction from now on, when its user does. */
  keepHalfOpen(): void {
    this.#allowHalfOpen = true;
  }

  #handleHanded(items: number, recordBytes: number): void {
    if (this.#close) return;
    this.#machine.handed(items, recordBytes, now());
    this.#driver.run();
  }

  #handleEndSeen(): void {
    this.#listeners.emit("end", undefined);
    // After the running task: whoever awaited the end may still have something to say.
    setTimeout(() => {
      if (!this.#allowHalfOpen) this.#endSending();
    }, 0);
  }

  // ================================================================== ending

  /**
   * Half-close: nothing more is sent from here. Resolves when the peer's application has everything; rejects when
   * the session ends before that. Receiving goes on.
   */
  end(wait?: Wait): Promise<void> {
    if (this.#close) return this.#close.clean ? Promise.resolve() : rejected(this.#closedError());
    if (this.#sender.encoding) return rejected(encodingError());
    this.#observed = true;
    this.#endSending();
    if (this.#close) return this.end(wait); // that was all that was missing
    return this.#sender.flushed(wait);
  }

  #endSending(): void {
    if (this.#sender.ended || this.#close) return;
    this.#sender.end();
    this.#driver.run();
  }

  /**
   * end(), and waits until the peer has ended too. Incoming items are still handed over. In the base profile, which
   * has no end on the wire, it closes the link once everything is acknowledged. Rejects when the session ends
   * otherwise: with CONDUIT_ABORTED after `wait` or closeTimeoutMs. Within an asynchronous onItems handler do not await
   * it: it waits for that handler.
   */
  close(wait?: Wait): Promise<void> {
    if (this.#sender.encoding) return rejected(encodingError());
    if (!this.#close) {
      this.#observed = true;
      this.#receiver.settle();
      this.#endSending();
      if (this.#status.state !== "closing") this.#setStatus({ state: "closing" });
      const timeoutMs = wait?.timeoutMs ?? this.#limits.closeTimeoutMs;
      this.#closingTimer ??= watchWait(
        { signal: wait?.signal, timeoutMs },
        (reason) => {
          const why = reason instanceof Error ? reason.message : String(reason);
          this.#abortWith(aborted(`the peer has not ended: ${why}`, reason), AbortCode.application);
        },
        this.#keepsAlive,
      );
      this.#sender.close();
      this.#driver.run();
    }
    return quiet(
      this.#closed.promise.then((close) => {
        if (!close.clean) throw close.error;
      }),
    );
  }

  /** Ends the session now. What is not acknowledged is in `closed`'s undelivered. The peer is told (extended profile). */
  abort(reason?: unknown): void {
    const why = reason instanceof Error ? reason.message : reason === undefined ? "" : String(reason);
    this.#abortWith(
      aborted(why === "" ? "the conduit was aborted" : `the conduit was aborted: ${why}`, reason),
      AbortCode.application,
    );
  }

  #abortWith(error: ConduitError, code: AbortCode, retryAfterMs = 0): void {
    if (this.#close) return;
    if (this.#sender.encoding) throw encodingError();
    this.#machine.abort(error, code, retryAfterMs);
    this.#driver.run();
  }

  /** @internal The acceptor goes away [ext.shutdown]. */
  shutDown(retryAfterMs: number): void {
    this.#abortWith(aborted("shutdown", undefined), AbortCode.shutdown, retryAfterMs);
  }

  /**
   * A new link now, with fresh credentials: after a network change, or for a "retry now" button. On the accepting
   * side the peer is asked for one (extended), or the link is dropped so that it comes back (base).
   */
  reconnect(): void {
    if (this.#close) return;
    const error = linkError("a new link was asked for");
    if (!this.#reconnector && this.#machine.profile === "extended") {
      this.#machine.goAway(0);
      this.#driver.run();
      return;
    }
    this.#replaceLink(error);
  }

  /**
   * Takes the session out of this conduit, as text for StableConduit.restore(): the resume key (whoever has the text has the
   * session), positions, and what is not acknowledged. The peer is told nothing: it sees a link that died, and waits for
   * graceMs. This conduit is done: status "suspended", whatever waits rejects with CONDUIT_CLOSED, and `closed` has
   * that error and nothing undelivered. Connecting side only.
   *
   * In the state is what send() accepted, and an end(). Not in it are write()s that still wait for room, which reject; volatile
   * items; and a close(), which is to be called again. Items that were received and not finished come again: those that no consumer had,
   * the batch of an onItems whose promise has not settled, the item of a `for await` whose body has not come back.
   * @throws ConduitError and nothing has changed: CONDUIT_STATE when the text would be longer than maxStateBytes;
   *   CONDUIT_CLOSED; CONDUIT_OPTIONS on the accepting side and within sendInto().
   */
  suspend(): string {
    const state = this.#save();
    this.depart();
    return state;
  }

  /** @internal The session goes on elsewhere. */
  depart(): void {
    if (this.#close) return;
    const error = closedError("the conduit is suspended");
    this.#driver.leave();
    this.#settle({ clean: false, error, undelivered: undeliveredOf<S>(NOTHING_LEFT, {}) }, "suspended");
  }

  /**
   * @internal Calls `keep` to store its state, for the case that its page does not come back: now, and after each task that has
   * changed it. `save` throws as suspend(). There is no link until unpark(). @throws what `keep` throws; then nothing has changed
   */
  park(keep: (save: () => string) => void): void {
    keep(() => this.#save());
    this.#keep = keep;
    this.#sender.onGathered = () => this.#keepState();
    this.#hold("parked");
  }

  /** @internal */
  unpark(): void {
    this.#keep = null;
    this.#sender.onGathered = ignore;
    this.#reconnector?.release("parked");
  }

  #keepState(): void {
    if (!this.#keep || this.#keeping) return;
    this.#keeping = true;
    queueMicrotask(() => {
      this.#keeping = false;
      if (!this.#keep || this.#close) return;
      try {
        this.#keep(() => this.#save());
      } catch (cause) {
        this.#keep = null; // said once
        const what = "a page that is away has changed its session, whose state could not be kept";
        reportUnobserved(new ConduitError("CONDUIT_STATE", "local", what, { fatal: false, cause }));
      }
    });
  }

  /** @internal The same in all conduits that the session goes through, and in their states. */
  get session(): string {
    return this.#session;
  }

  #save(): string {
    if (this.#close || this.#machine.state === "ended") throw this.#closedError();
    if (this.#sender.encoding) throw encodingError();
    if (!this.#reconnector || this.#machine.role === "acceptor") {
      throw optionsError("suspend() is for the connecting side");
    }
    const { reads, writes } = namesOf(this.#schema);
    const state: SuspendedState = {
      session: this.#session,
      nth: ++this.#suspensions,
      id: this.#id,
      sends: writes?.fingerprint ?? null,
      reads,
      saved: this.#machine.save(),
    };
    return encodeState(state, this.#limits.maxStateBytes);
  }

  /** Keeps the process alive, as it does from the start. */
  ref(): this {
    return this.#setRef(true);
  }

  /** Lets the process exit although the conduit is open or reconnecting. */
  unref(): this {
    return this.#setRef(false);
  }

  #setRef(keepsAlive: boolean): this {
    this.#keepsAlive = keepsAlive;
    this.#connectAlarm?.ref(keepsAlive);
    this.#driver.ref(keepsAlive);
    this.#reconnector?.ref(keepsAlive);
    return this;
  }

  /** Counters and gauges; cheap. After the end, the last ones. */
  stats(): Stats {
    const ring = this.#close ? null : this.#machine.ring;
    return {
      sentItems: this.#sender.sentItems,
      receivedItems: this.#receiver.receivedItems,
      handedItems: this.#receiver.handedItems,
      links: this.#links,
      resumes: this.#resumes,
      replayedItems: this.#replayedItems,
      gaps: this.#machine.gaps,
      gapResumes: this.#machine.gapResumes,
      volatileDropped: this.#sender.volatileDropped,
      ringBytes: ring?.usedBytes ?? 0,
      ringCapacityBytes: ring?.capacityBytes ?? 0,
      unsentBytes: (ring?.unsentBytes ?? 0) + this.#driver.pendingBytes,
      unhandedBytes: this.#machine.unhandedBytes,
      unackedItems: ring?.length ?? 0,
      rttMs: this.#machine.rttMs,
    };
  }

  /** close(), for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#close ? Promise.resolve() : this.close();
  }

  /** Adds a listener; returns a function that removes it. There is no "error" event: see `closed`. */
  on<K extends keyof Events<S, R>>(
    type: K,
    listener: (event: Events<S, R>[K]) => void,
    options?: ListenerOptions,
  ): () => void {
    if (type === "close") this.#observed = true;
    return this.#listeners.add(type, listener, options);
  }

  // ================================================================== the seed's names

  /**
   * Decodes received items with `plan`: for a peer that writes another version and cannot say so, as in the base profile.
   * Items that wait for their consumer are decoded so, too; as owned, borrowed or lazy values, as `schema.decode` says. The
   * plan stays, whatever schema the peer may name later.
   * @throws ConduitError CONDUIT_OPTIONS once a consumer has had an item.
   */
  withMessagePlan<T>(plan: MessagePlan<T>): StableConduit<S, T, D> {
    if (!this.#receiver.decodeAllWith(decodeByPlan(plan, this.#schema.decode) as unknown as Decode<R>)) {
      throw optionsError("withMessagePlan() after a consumer had an item");
    }
    this.#planned = true;
    return this as unknown as StableConduit<S, T, D>;
  }

  /** The two directions as objects of their own. */
  split(): { tx: ConduitTx<S>; rx: ConduitRx<R> } {
    return {
      tx: new ConduitTx<S>(this.#sender, (wait) => this.end(wait)),
      rx: new ConduitRx<R>(this as unknown as StableConduit<never, R>),
    };
  }

  // ================================================================== links

  #connect(source: LinkSource, options: ConnectOptions<S, R>, connectTimeoutMs: number): void {
    const { signal, credentials, retry = {} } = options;
    if (signal?.aborted) return this.abort(signal.reason);
    const onAbort = () => {
      if (this.#sender.encoding) queueMicrotask(onAbort);
      else this.abort(signal!.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#closed.promise.then(() => signal?.removeEventListener("abort", onAbort));

    this.#connectAlarm = new Alarm(() => this.#handleConnectTimeout(connectTimeoutMs));
    this.#connectAlarm.set(now() + connectTimeoutMs, now());

    this.#reconnector = new Reconnector(source, retry, this.#limits.handshakeTimeoutMs, {
      prepare: async (attempt) => {
        if (!credentials) return;
        const given = await credentials(attempt);
        if (attempt.signal.aborted) return; // too late: a newer attempt may have asked again
        this.#machine.setCredentials(
          typeof given === "string" ? new TextEncoder().encode(given) : (given.slice() as Bytes),
        );
      },
      onAttachment: (attachment) => this.#useAttachment(attachment),
      onWaiting: (attempt, retryAt, error) => this.#showConnecting(attempt, retryAt, error),
      onGiveUp: (error) => this.#abortWith(error, AbortCode.application),
    });
    this.#leavePage = joinPage(options.pageLife, {
      setSlow: (slow) => {
        this.#reconnector!.slow = slow;
      },
      freeze: () => this.#hold("frozen"),
      thaw: () => this.#reconnector!.release("frozen"),
      wake: (newNetwork) => this.#wake(newNetwork),
    });
    this.#reconnector.start(null);
  }

  /** Without a link until the reason is released. */
  #hold(reason: string): void {
    const error = linkError("the page is frozen");
    this.#reconnector!.hold(reason, error);
    this.#driver.dropLink(error, true);
  }

  /** Somebody looks at the page again, or it has a network again. */
  #wake(newNetwork: boolean): void {
    if (this.#linkOpen) {
      this.#machine.probeLink(now());
      this.#driver.run();
    } else {
      const error = linkError("the page is back");
      if (newNetwork)
        this.#replaceLink(error); // a handshake may be on its way into the network of before
      else if (!this.#driver.link) this.#reconnector!.start(error, true);
    }
  }

  /** Whatever there is, a link or an attempt: another one now. That is no failure, so nobody is asked whether to go on. */
  #replaceLink(error: ConduitError): void {
    if (this.#driver.link) this.#driver.dropLink(error, true);
    else this.#reconnector?.startNow(error);
  }

  #handleConnectTimeout(connectTimeoutMs: number): void {
    if (this.#close || this.#links > 0) return;
    const last = "error" in this.#status ? this.#status.error : null;
    const what = `no link within connectTimeoutMs (${connectTimeoutMs})${last ? `: ${last.message}` : ""}`;
    const error = new ConduitError("CONDUIT_LINK", "link", what, { cause: last ?? undefined });
    this.#abortWith(error, AbortCode.application);
  }

  #useAttachment({ link, clientHello }: Attachment): void {
    if (this.#close) return link.destroy();
    if (clientHello === null) {
      if (this.#machine.role === "acceptor") {
        link.destroy();
        return this.#retryLink(
          linkError("an acceptor's LinkSource gave an attachment without a ClientHello"),
        );
      }
      return this.#driver.linkUp(link);
    }
    const greeter = new Greeter(
      link,
      clientHello,
      this.#asHost(),
      this.#limits.handshakeTimeoutMs,
      (error) => {
        if (error) this.#retryLink(error);
      },
    );
    greeter.start();
  }

  /** An acceptor whose links come from a LinkSource is a registry of one. */
  #asHost(): GreeterHost<StableConduit<S, R, D>> {
    return {
      extended: this.#machine.profile === "extended",
      judge: (hello) => {
        if (this.#machine.canResume(hello)) return { kind: "resume", session: this };
        return this.#links === 0 && hello.resumeKey === null
          ? { kind: "new" }
          : { kind: "refuse", grave: null };
      },
      hasRoom: () => this.#links === 0,
      authorize: () => ({ data: this.data }),
      create: (extended) => {
        this.#machine.settleProfile(extended ? "extended" : "base");
        return this;
      },
      keysChanged: ignore,
      attach: (_, port, attached, serverHello, rest) => this.attach(port, attached, serverHello, rest),
    };
  }

  #retryLink(error: ConduitError): void {
    if (!this.#close) this.#reconnector?.start(error);
  }

  /** @internal The acceptor's registry or source has a link for this session. */
  attach(port: LinkPort, attached: AttachedLink, serverHello: ServerHello | null, rest: Bytes[]): void {
    if (this.#driver.link) {
      this.#noteDown();
      this.#listeners.emit("linkDown", { error: linkError("a new link took over [resume.takeover]") });
    }
    if (this.#machine.state === "ended") return port.link.destroy(); // a listener may have done that
    this.#driver.attach(port, attached, serverHello, rest);
  }

  /** @internal */
  get machine(): Machine {
    return this.#machine;
  }

  #handleEvent(event: MachineEvent): void {
    switch (event.type) {
      case "batch":
        this.#reconnector?.noteProgress();
        return this.#receiver.push(event.batch);
      case "acked":
        this.#reconnector?.noteProgress();
        return this.#sender.handleAcked();
      case "open":
        return this.#handleOpen(event.resumed, event.replayed);
      case "volatile":
        return this.#handleVolatile(event.item);
      case "schema":
        return this.#handleSchema(event.text);
      case "peer-ended":
        return this.#receiver.end(null);
      case "goaway":
        return this.#handleGoaway(event.retryAfterMs);
      case "session-id":
        this.#id = event.id;
        return;
      case "finished":
        return this.#handleFinished(event.error, event.undelivered);
    }
  }

  /** The peer writes another version of what this side reads: from now on through a plan [ext.schema]. */
  #handleSchema(text: string): void {
    const { recv, decode = "owned" } = this.#schema;
    if (!recv || this.#planned || text === this.#peerSchema) return;
    try {
      if (this.#peerSchema !== null) throw schemaChanged(); // each would cost a plan, as often as the peer likes
      this.#receiver.decode = recv.messages.decoderOf(text, decode);
      this.#peerSchema = text;
    } catch (cause) {
      const { message } = cause as ConduitError;
      this.#abortWith(new ConduitError("CONDUIT_SCHEMA", "peer", message, { cause }), AbortCode.schema);
    }
  }

  #handleVolatile(bytes: Bytes): void {
    const { decode } = this.#receiver;
    if (decode === null) return this.#listeners.emit("volatile", bytes as unknown as R);
    let item: R;
    try {
      item = decodeItem(decode, bytes, 0, bytes.length);
    } catch (error) {
      return this.#abortWith(fatalDecodeError(error as ConduitError), AbortCode.decode);
    }
    this.#listeners.emit("volatile", item);
  }

  #handleOpen(resumed: boolean, replayed: number): void {
    this.#links++;
    this.#linkOpen = true;
    if (resumed) this.#resumes++;
    this.#replayedItems += replayed;
    this.#reconnector?.noteOpen();
    if (this.#status.state !== "closing") {
      this.#setStatus({ state: "open", profile: this.#machine.profile, rttMs: this.#machine.rttMs });
    }
    this.#connectAlarm?.clear();
    this.#opened.resolve();
    this.#sender.handleOpen();
    this.#listeners.emit("linkUp", { resumed, replayed, downMs: now() - this.#downAt });
  }

  #handleLinkDown(error: ConduitError, wanted: boolean): void {
    if (this.#close) return;
    this.#noteDown();
    this.#listeners.emit("linkDown", { error });
    if (this.#close) return; // a listener did that
    const atLeastMs = this.#retryAfterMs;
    this.#retryAfterMs = 0;
    if (this.#reconnector) this.#reconnector.start(error, wanted, atLeastMs);
    // What a link reports of its session's peer is a violation like any other; the peer is told when it comes back [error.fatal].
    else if (error.code === "CONDUIT_PROTOCOL") this.#abortWith(error, AbortCode.violation);
    else this.#showConnecting(0, null, error);
  }

  /** Links that die in their handshake do not count: the outage goes on. */
  #noteDown(): void {
    if (this.#linkOpen) this.#downAt = now();
    this.#linkOpen = false;
  }

  #handleGoaway(retryAfterMs: number): void {
    if (!this.#reconnector) return;
    const error = linkError("the acceptor asked for a new link [ext.control]");
    this.#retryAfterMs = retryAfterMs * (1 + Math.random());
    this.#driver.dropLink(error);
  }

  #showConnecting(attempt: number, retryAt: number | null, error: ConduitError | null): void {
    if (this.#close || this.#status.state === "closing") return;
    const state = this.#links === 0 ? "connecting" : "reconnecting";
    const graceMs = this.#machine.role === "acceptor" ? this.#limits.graceMs : this.#machine.peer.graceMs;
    const expiresAt =
      this.#links > 0 && graceMs !== undefined ? Date.now() + graceMs - (now() - this.#downAt) : null;
    this.#setStatus({ state, attempt, retryAt, expiresAt, error });
  }

  #handleRound(): void {
    this.#sender.handleRound();
    const status = this.#status;
    if (status.state === "open" && status.rttMs !== this.#machine.rttMs) {
      this.#setStatus({ state: "open", profile: this.#machine.profile, rttMs: this.#machine.rttMs });
    }
    this.#keepState();
  }

  #setStatus(status: Status): void {
    this.#status = status;
    this.#listeners.emit("status", status);
  }

  // ================================================================== the end

  #handleFinished(error: ConduitError | null, undelivered: { items: Bytes[]; firstUnsent: number }): void {
    const close: Close<S> = error
      ? { clean: false, error, undelivered: undeliveredOf<S>(undelivered, this.#schema) }
      : { clean: true };
    this.#settle(close, "closed");
  }

  #settle(close: Close<S>, state: "closed" | "suspended"): void {
    const error = close.clean ? null : close.error;
    this.#close = close;
    this.#onFinished?.(close);
    this.#sender.finish(error); // before any listener runs: the ring's memory is not ours any more
    this.#reconnector?.stop();
    this.#closingTimer?.();
    this.#connectAlarm?.clear();
    this.#leavePage?.();
    this.#setStatus({ state });

    this.#opened.reject(error ?? closedError("the conduit is closed"));
    this.#receiver.end(error);
    this.#closed.resolve(close);
    this.#listeners.emit("close", close);
    const observed = this.#observed || (this.#links === 0 && this.#openObserved);
    if (error && !observed && error.blame !== "local") reportUnobserved(error);
  }

  /** The error of an ended session, for whoever still uses it. */
  #closedError(): ConduitError {
    const cause = this.#close && !this.#close.clean ? this.#close.error : undefined;
    return closedError("the conduit is closed", cause);
  }
}

const NOTHING_LEFT: Undelivered = { items: [], firstUnsent: 0 };

function aborted(what: string, cause: unknown): ConduitError {
  return new ConduitError("CONDUIT_ABORTED", "local", what, { cause });
}

/** What the peer is told when the consumer failed. */
function failureCode(error: ConduitError): AbortCode {
  return error.code === "CONDUIT_DECODE" ? AbortCode.decode : AbortCode.handler;
}

/** What goes wrong and nobody looks at, as a fatal end may, is told as a warning, never as a crash. */
function reportUnobserved(error: ConduitError): void {
  const { process } = globalThis as { process?: { emitWarning?(warning: Error): void } };
  if (process?.emitWarning) process.emitWarning(error);
  else if (typeof reportError === "function") reportError(error);
}

function schemaChanged(): ConduitError {
  return new ConduitError(
    "CONDUIT_SCHEMA",
    "peer",
    "the peer's schema has changed within the session [ext.schema]",
  );
}
