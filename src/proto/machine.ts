// The protocol of one session, in both roles and both profiles, without I/O, clock or randomness.
//
// Four kinds of methods (time is an argument everywhere, milliseconds of one monotonic clock):
//   handle*   something happened: a link came up, bytes arrived, a write finished, the link died, time passed
//   commands  the application wants something: end, abort, handed, sendVolatile (items go through `ring`)
//   poll*     what is to be done now: bytes to write, events to react to, the next deadline
//   getters
// After every handle or command the caller polls events and bytes until there are none, and the deadline.
//
// A link's life within the session, and the session's own (initiator above, acceptor below):
//
//   idle ──linkUp──> greeting ──greeted──> open ──linkDown──> offline ──linkUp──> greeting …
//   idle ──attached──────────────────────> open ──linkDown──> offline ──attached──> open …
//                                          open ──attached──> open        (takeover)
//   any ──finished──> ended
//
// A suspended session leaves its machine without a word and goes on in another one (save, leave, restore).
// An acceptor's link spends its greeting outside of the session (greeting.ts), so a link that fails there has no
// effect here. That both directions have ended is a fact (`bothEnded`), not a state: links still come and go in it.
import {
  EXTENDED,
  MIN_CONTROL_BYTES,
  RECV_HANDED,
  RECV_MAX_ITEM,
  RECV_NEXT,
  SEND_MAX_ITEM,
} from "../../assembly/abi.js";
import { ConduitError, linkError, sessionLost, violation } from "../errors.js";
import type { ResolvedLimits } from "../limits.js";
import type { Bytes, Framing } from "../link/link.js";
import type { ClientHello } from "../link/source.js";
import type { MemoryBudget } from "../memory-budget.js";
import type { Core } from "../wasm/core.js";
import { meaningOfAbort } from "./abort.js";
import { Asking } from "./asking.js";
import {
  AbortCode,
  abortRecord,
  ackRecord,
  type Control,
  decodeControl,
  finBody,
  goawayRecord,
  pingRecord,
  type Settings,
  schemaRecord,
  settingsRecord,
  TYPE_ABORT,
  TYPE_ACK,
  TYPE_FIN,
  TYPE_GOAWAY,
  TYPE_PING,
  TYPE_PONG,
  TYPE_SCHEMA,
  TYPE_SETTINGS,
  TYPE_VOLATILE,
  volatileRecord,
} from "./control.js";
import { Deframer, type ItemBatch } from "./deframer.js";
import { Flight } from "./flight.js";
import {
  decodeServerHello,
  encodeClientHello,
  encodeServerHello,
  HelloReader,
  payloadFor,
  type ServerHello,
} from "./handshake.js";
import { HeldFrames } from "./held-frames.js";
import { ReplayRing, type Undelivered } from "./replay.js";
import { ResumeKeys } from "./resume-keys.js";

export type Role = "initiator" | "acceptor";
export type Profile = "base" | "extended";
export type State = "idle" | "greeting" | "open" | "offline" | "ended";
type Signal = "linkUp" | "greeted" | "attached" | "linkDown" | "finished";

/** All transitions. A missing cell is a mistake of the caller. */
const TRANSITIONS: Record<State, Partial<Record<Signal, State>>> = {
  idle: { linkUp: "greeting", attached: "open", finished: "ended" },
  greeting: { greeted: "open", linkDown: "offline", finished: "ended" },
  open: { linkDown: "offline", attached: "open", finished: "ended" },
  offline: { linkUp: "greeting", attached: "open", finished: "ended" },
  ended: {},
};

export interface MachineOptions {
  role: Role;
  /** Initiator: what to offer. Acceptor: what is in force. */
  profile: Profile;
  limits: ResolvedLimits;
  /** Acceptor: told to the peer, for logs. */
  sessionId: string;
  budget?: MemoryBudget | null;
  schemas?: SchemaNames | null;
}

/** What the peer is told of typed messages [ext.schema]. */
export interface SchemaNames {
  /** Fingerprint of what this side reads; null = it takes bytes. */
  readonly reads: string | null;
  /** What this side writes; null = it sends bytes. */
  readonly writes: { readonly fingerprint: string; readonly text: string } | null;
}

export type MachineEvent =
  /** Records can flow in both directions. `replayed`: records that are written again. */
  | { type: "open"; resumed: boolean; replayed: number }
  | { type: "batch"; batch: ItemBatch }
  | { type: "volatile"; item: Bytes }
  /** The peer has ended its direction; every item before it was in earlier batches. */
  | { type: "peer-ended" }
  /** An ack, or the end of a write that held acknowledged bytes back, made room: maybe somebody waits for it. */
  | { type: "acked" }
  /** Give this link up. `graceful`: let it deliver what was written (Link.end), else destroy it. */
  | { type: "drop"; error: ConduitError; graceful: boolean }
  /** Take a new link after this time [ext.control]. */
  | { type: "goaway"; retryAfterMs: number }
  | { type: "session-id"; id: string }
  /** What the peer writes, and this side does not read as it is [ext.schema]. Comes before the items of its link. */
  | { type: "schema"; text: string }
  /** The last event. The link, if there is one, is to be ended after the remaining bytes. */
  | { type: "finished"; error: ConduitError | null; undelivered: Undelivered };

/** What an acceptor's session takes over: a link whose greeting is done. */
export interface AttachedLink {
  readonly framing: Framing;
  readonly pausable: boolean;
  readonly hello: ClientHello;
  /** The initiator's SETTINGS (extended). */
  readonly settings: Settings | null;
  /** The key that its ServerHello gave (extended): the initiator has it. Another key may be on offer by now. */
  readonly offeredKey: Bytes | null;
}

/** An initiator's session as suspend() leaves it and restore() takes it up [resume.suspend]. */
export interface SavedSession {
  readonly profile: Profile;
  /** A link was open once: the profile is settled, and a key that is refused was valid. */
  readonly opened: boolean;
  /** What the newest ServerHello gave; null = none came. */
  readonly key: Bytes | null;
  /** Sending. */
  readonly ackedSeq: number;
  readonly anyAcked: boolean;
  /** Not acknowledged, oldest first, one behind another; the first `written` records, the end included, were written to some link. */
  readonly items: Bytes;
  readonly lengths: readonly number[];
  readonly written: number;
  /** This direction's end: not asked for; asked for and without seq; in the ring behind the items; acknowledged. */
  readonly end: "open" | "wanted" | "entered" | "acked";
  /** Receiving: the next seq to hand over. What was received beyond it is not kept, the peer sends it again. */
  readonly handedSeq: number;
  readonly anyHanded: boolean;
  /** The peer's end was the last that was handed. */
  readonly peerEnded: boolean;
  /** What the peer was told, and may never see shrink [ext.settings]. */
  readonly maxFrameBytes: number;
  /** What it said; null = nothing. */
  readonly peerMaxFrameBytes: number | null;
  readonly peerGraceMs: number | null;
}

/** Largest item before the peer's limits are known. */
const EARLY_ITEM_BYTES = 65_536;
/** A run of ring bytes that is written at once: control records wait for at most two of them. */
const MAX_WRITE_BYTES = 262_144;
// The same on a message link, where a part of a message is nothing: each link begins with messages that a slow one brings
// within a keepalive's time and a bad one brings at all, and doubles them with each ack.
const FIRST_MESSAGE_BYTES = 16_384;
const MAX_MESSAGE_BYTES = 131_072;
/** An empty ring keeps its region so long. */
const SHRINK_AFTER_MS = 1_000;
/** How much of the window frames that are held out of order may take [recv.gap]. */
const HELD_WINDOW_SHARE = 4;
/** Of a window or a ring, after which an ack is owed at the latest [ack.delay]. */
const ACK_SHARE = 1 / 4;
/** How long a link that is asked by probeLink() may be silent. */
const PROBE_PATIENCE_MS = 5_000;
const SEQS = 2 ** 32;
const AGENT = "stable-conduit";
const NEVER = Number.POSITIVE_INFINITY;
/** No position that the peer could have been told. */
const UNTOLD = -1;

export class Machine {
  readonly role: Role;
  readonly ring: ReplayRing;
  /** Acceptor: the keys that find this session. */
  readonly keys = new ResumeKeys();
  /** What the session speaks; before the first hello an initiator only knows what it offers. */
  profile: Profile;
  rttMs: number | null = null;
  /** The peer's settings, as far as they came. */
  peer: Settings = {};

  readonly #core: Core;
  readonly #limits: ResolvedLimits;
  readonly #schemas: SchemaNames | null;
  readonly #sessionId: string;
  readonly #word: number;
  #state: State = "idle";
  #everOpen = false; // a link was open once: the profile is settled, a key that is refused was valid
  #key: Bytes | null = null; // initiator: what the newest ServerHello gave
  readonly #events: MachineEvent[] = [];

  // --- the link
  #framing: Framing = "stream";
  #hello: HelloReader | null = null;
  #refused: ConduitError | null = null; // REJECTED came; ABORT with the reason may follow
  #deframer: Deframer | null = null;
  /** Of the current link, from its first write on: an idle session has none. */
  #flight: Flight | null = null;
  #messageBytes = FIRST_MESSAGE_BYTES;
  #parting = false; // the link is being given up: nothing more is written
  readonly #out: Bytes[] = []; // control records and hellos, before ring bytes
  #outBytes = 0;
  readonly #writes: boolean[] = []; // pending writes, oldest first: true = reads the ring
  #credentials: Bytes | undefined; // initiator: for the SETTINGS of the next link
  #proven = false; // acceptor, base: a frame has come, so the initiator has its key
  #confirmPending = false; // acceptor: this link offered a key that is not confirmed yet
  #lastHeard = 0;

  // --- receiving
  #anyHanded = false;
  #finalReceived: number | null = null;
  #unhandedBytes = 0;
  #unhandedRecords = 0;
  #owedBytes = 0;
  #ackAt = NEVER;
  #owesInSilence = false; // base: an ack is due and no frame was carried yet that could be repeated [ack.only]
  #ackedOnWire = 0; // RECV_HANDED as the peer has been told, or will be by what is queued
  #peerFin = -1; // seq of the peer's FIN
  #peerFinHanded = false;
  /** How often items were found missing, and how often that took a new link [recv.gap]. */
  gaps = 0;
  gapResumes = 0;
  readonly #held: HeldFrames;
  #gapAt = NEVER;

  // --- sending
  #wantsFin = false;
  #finSeq = -1;
  #ackWanted = 0;
  readonly #asking: Asking;
  #emptySince = NEVER;

  // --- timers
  #handshakeBy = NEVER;
  #pongBy = NEVER;
  #pong: Bytes | null = null; // owed; only the newest PING is answered, so a flood of them costs nothing
  #pingSentAt = 0;
  #graceEndsAt = NEVER;

  constructor(core: Core, options: MachineOptions) {
    const block = core.allocateBlock();
    if (block === 0) {
      throw new ConduitError("CONDUIT_MEMORY", "local", "linear memory is exhausted", { fatal: false });
    }
    this.role = options.role;
    this.profile = options.profile;
    this.#core = core;
    this.#limits = options.limits;
    this.#schemas = options.schemas ?? null;
    this.#sessionId = options.sessionId;
    this.#word = block >>> 2;
    this.#asking = new Asking(options.limits.probeMs);
    this.#held = new HeldFrames(options.limits.receiveWindow / HELD_WINDOW_SHARE);
    this.ring = new ReplayRing(core, block, options.limits, options.budget ?? null);
    this.#setField(EXTENDED, this.profile === "extended" ? 1 : 0);
    this.#setField(RECV_MAX_ITEM, this.#limits.maxFrameBytes);
    this.#setField(SEND_MAX_ITEM, Math.min(EARLY_ITEM_BYTES, this.#limits.maxFrameBytes));
  }

  // ================================================================== getters

  get state(): State {
    return this.#state;
  }

  /** Bytes may be polled for the link. */
  get hasLink(): boolean {
    return this.#state === "greeting" || this.#state === "open";
  }

  /** Last seq that was handed over, null for none: what a hello says [ack.handed]. Holds after the end, too. */
  get lastReceived(): number | null {
    if (this.#state === "ended") return this.#finalReceived;
    return this.#anyHanded ? (this.#field(RECV_HANDED) - 1) >>> 0 : null;
  }

  /** Received and not yet handed over, in record bytes, frames held out of order included. */
  get unhandedBytes(): number {
    return this.#unhandedBytes + this.#held.bytes;
  }

  /** Base: the application is too slow, the link is to be paused [ext.window]. */
  get wantsPause(): boolean {
    return this.profile === "base" && this.unhandedBytes > this.#limits.receiveWindow;
  }

  /** Frames held out of order [recv.gap]. */
  get heldFrames(): number {
    return this.#held.size;
  }

  /** Everything accepted was acknowledged, an end too. */
  get allAcked(): boolean {
    const finMissing = this.#wantsFin && this.#finSeq < 0 && !(this.profile === "base" && this.#everOpen);
    return this.ring.length === 0 && !finMissing;
  }

  /** Extended: both FINs are acknowledged as far as this side knows [ext.fin]. */
  get bothEnded(): boolean {
    return this.#finSeq >= 0 && this.ring.length === 0 && this.#peerFinHanded;
  }

  /** Acceptor: the initiator has shown that it knows of this session; others are evicted first [resume.grace]. */
  get proven(): boolean {
    return this.#proven || this.profile === "extended";
  }

  /** Control records that pollTransmit() has not given out: volatile items wait here too. */
  get outBytes(): number {
    return this.#outBytes;
  }

  /** FIN has taken its seq in the ring. */
  get finEntered(): boolean {
    return this.#finSeq >= 0;
  }

  /** Largest item that may be sent now. */
  get maxItemBytes(): number {
    return this.#field(SEND_MAX_ITEM);
  }

  /** end() was called: the ring takes no more items. */
  get ending(): boolean {
    return this.#wantsFin;
  }

  /** The peer's end is handed over, as far as the machine's caller has been told. */
  get peerEnded(): boolean {
    return this.#peerFinHanded;
  }

  /** Acceptor: what the first link's hellos have settled, before it is attached [hello.ext]. */
  settleProfile(profile: Profile): void {
    if (this.#everOpen) throw new Error("machine: the profile is settled");
    this.profile = profile;
    this.#setField(EXTENDED, profile === "extended" ? 1 : 0);
  }

  // ================================================================== handle: links

  /** Initiator: a fresh link. The ClientHello is the first thing to write. */
  handleLinkUp(link: { framing: Framing }, now: number): void {
    this.#signal("linkUp");
    this.#useLink(link.framing, now);
    this.#hello = new HelloReader(link.framing);
    this.#handshakeBy = now + this.#limits.handshakeTimeoutMs;
    const hello = encodeClientHello({
      resumeKey: this.#key,
      lastReceived: this.lastReceived,
      extended: this.profile === "extended",
    });
    this.#queue(payloadFor(link.framing, hello));
    this.#told();
  }

  /**
   * Acceptor: what a ServerHello to this ClientHello says. Drawing a key for it is the only effect, and only when
   * none is on offer [resume.commit].
   */
  serverHello(hello: ClientHello, freshKey: Bytes): ServerHello {
    // In the base profile the ClientHello itself commits; in the extended one SETTINGS and authorize come first.
    if (this.profile === "base") this.keys.present(hello.resumeKey);
    return {
      rejected: false,
      extended: this.profile === "extended",
      resumeKey: this.keys.offer(freshKey),
      lastReceived: this.lastReceived,
    };
  }

  /** Acceptor: whether this ClientHello may resume the session [resume.check]. No effect. */
  canResume(hello: ClientHello): boolean {
    if (this.#state === "ended" || hello.extended !== (this.profile === "extended")) return false;
    return this.keys.holds(hello.resumeKey) && this.#comparePeerPosition(hello.lastReceived) === "known";
  }

  /**
   * Acceptor: the link takes over [resume.takeover]; the caller destroys the one before. `serverHello` is written
   * first (base), or has been written already (extended: null).
   */
  handleAttached(link: AttachedLink, serverHello: ServerHello | null, now: number): void {
    this.#signal("attached");
    this.#closeLink();
    this.#useLink(link.framing, now);
    this.#asking.keepsNothingBack = link.hello.extended;
    if (serverHello) this.#queue(payloadFor(link.framing, encodeServerHello(serverHello)));
    if (serverHello || !this.#anyHanded) {
      this.#told();
    } else {
      // The hello was written a while ago, and acks that went to the old link since then are lost.
      this.#ackedOnWire = UNTOLD;
      this.#ackAt = now;
    }
    this.#guard(() => {
      if (this.profile === "extended") {
        this.keys.present(link.hello.resumeKey);
        this.keys.present(link.offeredKey); // SETTINGS came behind it
        this.#takeSettings(link.settings ?? {});
        this.#sendSettings(undefined);
        this.#sendSchema();
      } else {
        this.#confirmPending = this.keys.unconfirmed;
      }
      this.#opened(link.hello.lastReceived, now);
    });
  }

  /** The link is gone, by itself or after a "drop". Nothing of it has any effect from now on [link.one]. */
  handleLinkDown(now: number): void {
    this.#closeLink();
    if (!this.hasLink) return; // it was down, or the session has ended
    this.#signal("linkDown");
    if (this.#refused) return this.#finish(this.#refused); // the reason that should have followed did not come
    if (this.role === "acceptor") this.#graceEndsAt = now + this.#limits.graceMs;
    else this.#checkEnd(now);
  }

  /** The oldest write that pollTransmit() gave out is done. */
  handleWritten(now: number): void {
    if (this.#writes.shift() && !this.#freed) this.#releasing(() => this.ring.written());
    if (this.#state === "ended") this.#free();
    else this.#noteEmptyRing(now);
  }

  // ================================================================== handle: bytes

  /** A chunk from the current link. It must not change any more: batches refer to it. */
  handleBytes(chunk: Bytes, now: number): void {
    this.#lastHeard = now;
    this.#pongBy = NEVER;
    if (this.#state === "greeting") {
      const rest = this.#handleHello(chunk, now);
      if (rest === null) return;
      chunk = rest;
    }
    // A link that is ended is not paused any more: what would go beyond the window comes again on the next one.
    if (this.#parting && this.wantsPause) this.#deframer = null;
    if (!this.#deframer || chunk.length === 0) return;
    const deframer = this.#deframer;
    deframer.push(chunk);
    while (this.#deframer === deframer && this.#step(deframer, now)) {
      /* each step is one item batch, one record, or the end of the chunk */
    }
    if (this.#state === "ended") return;
    if (deframer.acked) {
      // Also when this chunk has made us give the link up: the resume finds nothing new to tell.
      deframer.acked = false;
      this.#noteAck(now);
    }
    if (this.#deframer !== deframer) return;
    if (deframer.frames > 0) {
      deframer.frames = 0;
      this.#confirmKey();
    }
  }

  /** One step of the scan; false = the chunk is done. */
  #step(deframer: Deframer, now: number): boolean {
    switch (deframer.next()) {
      case "done":
        return false;
      case "batch":
        this.#receive(deframer.batch!);
        this.#releaseHeld(now);
        return true;
      case "control":
        this.#guard(() => this.#handleControl(decodeControl(deframer.control), deframer, now));
        return true;
      case "gap":
        this.#handleGap(deframer, now);
        return true;
      case "invalid":
        this.#flush(deframer);
        this.#fail(deframer.error!);
        return false;
    }
  }

  /** Gives out what the scan has found so far in this chunk. */
  #flush(deframer: Deframer): void {
    const batch = deframer.flush();
    if (batch) this.#receive(batch);
  }

  #receive(batch: ItemBatch): void {
    if (this.#state !== "open") return this.#fail(violation("ext.settings", "an item before SETTINGS"));
    const records = batch.spans.length / 2;
    this.#unhandedBytes += batch.recordBytes;
    this.#unhandedRecords += records;
    this.#asking.handleItem();
    if (this.#peerFin >= 0) return this.#fail(violation("ext.fin", "an item after the peer's end"));
    if (
      this.profile === "extended" &&
      this.#unhandedRecords > 1 &&
      this.#unhandedBytes > this.#limits.receiveWindow
    ) {
      return this.#fail(
        violation("ext.window", `more than receiveWindow (${this.#limits.receiveWindow}) bytes unhanded`),
      );
    }
    this.#events.push({ type: "batch", batch });
  }

  // ------------------------------------------------------------------ frames out of order [recv.gap]

  #handleGap(deframer: Deframer, now: number): void {
    if (this.profile === "extended") {
      this.#flush(deframer);
      return this.#fail(
        violation("recv.gap", `seq ${deframer.gapSeq} where ${this.#field(RECV_NEXT)} was due`),
      );
    }
    // Frames held earlier may be due by now: then this one is no gap any more, the next scan takes it.
    if (this.#held.has(this.#field(RECV_NEXT))) {
      this.#flush(deframer);
      this.#releaseHeld(now);
      return;
    }
    if (this.#held.size === 0) this.gaps++;
    if (!this.#held.full) this.#held.hold(deframer.gapSeq, deframer.gapItem, deframer.recordBytes);
    deframer.skip();
    if (this.#gapAt === NEVER) this.#gapAt = now + this.#gapPatience;
    // What more than may be held came behind is lost, most likely, and a new link brings it. One that did not bring it
    // is read on without holding more: the missing item may be the last of the replay.
    if (this.#held.full && this.#held.strikesAt(this.#field(RECV_NEXT)) === 0) {
      this.#flush(deframer);
      this.#dropForGap();
    }
  }

  #releaseHeld(now: number): void {
    if (this.#held.size === 0) return;
    this.#held.forgetBefore(this.#field(RECV_NEXT));
    for (;;) {
      const seq = this.#field(RECV_NEXT);
      const frame = this.#held.take(seq);
      if (!frame) break;
      this.#setField(RECV_NEXT, seq + 1);
      this.#gapAt = now + this.#gapPatience; // what is still missing has its own time
      this.#receive(frame);
    }
    if (this.#held.size === 0) this.#gapAt = NEVER;
  }

  /** Twice as long on each link in a row: one that is slow, or long, may bring the missing item last. */
  get #gapPatience(): number {
    return this.#limits.gapTimeoutMs * 2 ** this.#held.strikesAt(this.#field(RECV_NEXT));
  }

  #dropForGap(): void {
    const missing = this.#field(RECV_NEXT);
    const what = `items ${missing} to ${this.#held.gapEnd()} are missing`;
    if (this.#held.strike(missing)) {
      return this.#fail(sessionLost("gap", `${what}, and new links did not bring them [recv.gap]`));
    }
    this.gapResumes++;
    // In good order: the peer may be in the middle of its replay, which it must be able to finish.
    this.#drop(linkError(`${what}: resuming to get them again [recv.gap]`), true);
  }

  // ------------------------------------------------------------------ hello (initiator)

  /** Reads the ServerHello; returns what followed it, null = not there yet, or the link is done with. */
  #handleHello(chunk: Bytes, now: number): Bytes | null {
    if (this.#hello === null) return chunk; // greeting goes on with records (extended)
    const payload = this.#hello.push(chunk);
    if (payload === null) return null;
    const hello = payload === "bad" ? null : decodeServerHello(payload);
    if (hello === null) {
      this.#drop(linkError("the peer did not answer with a ServerHello [hello.bad]"), false);
      return null;
    }
    const rest = this.#hello.rest ?? NOTHING;
    this.#hello = null;
    this.#takeServerHello(hello, now);
    return this.hasLink ? rest : null;
  }

  #takeServerHello(hello: ServerHello, now: number): void {
    const extended = this.profile === "extended";
    if (hello.rejected) {
      if (!this.#everOpen && this.#key !== null) {
        // The session that the key was for never began: nothing is lost, the next link starts a new one.
        this.#key = null;
        return this.#drop(linkError("the acceptor has dropped a session that had not begun"), false);
      }
      this.#refused = sessionLost("rejected", "the acceptor does not know this session [resume.lost]");
      if (this.bothEnded) return this.#finish(null);
      if (!extended || !hello.extended) return this.#finish(this.#refused);
      this.#deframer = this.#newDeframer(); // ABORT with the reason follows [resume.reject]
      return;
    }
    if (!extended && hello.extended) {
      return this.#drop(linkError("the acceptor takes a profile that was not offered [hello.ext]"), false);
    }
    if (this.#everOpen && extended && !hello.extended) {
      return this.#finish(sessionLost("peer-restarted", "the acceptor has lost this session [hello.ext]"));
    }
    switch (this.#comparePeerPosition(hello.lastReceived)) {
      case "before":
        return this.#finish(
          sessionLost(
            "peer-restarted",
            "the acceptor has forgotten items that it acknowledged [resume.lost]",
          ),
        );
      case "beyond":
        return this.#fail(
          violation(
            "ack.invalid",
            "the acceptor's last_received lies beyond everything that was ever written",
          ),
        );
    }
    this.#key = hello.resumeKey;
    this.#peerPosition = hello.lastReceived;
    if (!hello.extended) {
      this.profile = "base";
      this.#setField(EXTENDED, 0);
      this.#signal("greeted");
      this.#opened(hello.lastReceived, now);
    } else {
      // An ack at once, not when SETTINGS open the link: ABORT 0 may be all that follows [ack.trim] [ext.fin].
      if (hello.lastReceived !== null && this.ring.ack(hello.lastReceived) === "new") this.#noteAck(now);
      this.#sendSettings(this.#credentials);
      this.#deframer = this.#newDeframer();
    }
  }

  /** What the ServerHello said, until the acceptor's SETTINGS open the link (extended). */
  #peerPosition: number | null = null;

  /** Initiator: sent with the SETTINGS of the next link [ext.settings]. */
  setCredentials(credentials: Bytes | undefined): void {
    this.#credentials = credentials;
  }

  // ------------------------------------------------------------------ control records

  #handleControl(control: Control, deframer: Deframer, now: number): void {
    if (this.#refused && control.type !== TYPE_ABORT) {
      throw violation("resume.reject", "a record other than ABORT after REJECTED");
    }
    const awaitsSettings = this.role === "initiator" && this.#state === "greeting";
    if (awaitsSettings && control.type !== TYPE_SETTINGS && control.type !== TYPE_ABORT) {
      throw violation("ext.settings", "the first record is not SETTINGS");
    }
    switch (control.type) {
      case TYPE_SETTINGS:
        this.#takeSettings(control.settings);
        if (awaitsSettings) {
          this.#signal("greeted");
          this.#sendSchema();
          this.#opened(this.#peerPosition, now);
        }
        return;
      case TYPE_ACK:
        switch (this.ring.ack(control.ack)) {
          case "invalid":
            throw violation("ack.invalid", "an ack lies beyond everything that was ever written");
          case "new":
            this.#messageBytes = Math.min(this.#messageBytes * 2, MAX_MESSAGE_BYTES);
            this.#noteAck(now);
        }
        return;
      case TYPE_PING:
        this.#pong = pingRecord(TYPE_PONG, control.token);
        return;
      case TYPE_PONG:
        this.rttMs = now - this.#pingSentAt;
        return;
      case TYPE_FIN:
        return this.#handleFin(control.seq, deframer, now);
      case TYPE_ABORT:
        this.#flush(deframer);
        return this.#handleAbort(control);
      case TYPE_GOAWAY:
        this.#events.push({ type: "goaway", retryAfterMs: control.retryAfterMs });
        return;
      case TYPE_VOLATILE:
        if (control.item.length > this.#limits.maxFrameBytes) {
          throw violation("link.max", "a volatile item is larger than maxFrameBytes");
        }
        deframer.broughtItems = true;
        this.#events.push({ type: "volatile", item: control.item });
        return;
      case TYPE_SCHEMA:
        if (deframer.broughtItems) throw violation("ext.schema", "SCHEMA comes behind an item of its link");
        if (this.#schemas?.reads) this.#events.push({ type: "schema", text: control.text });
        return;
      case "skipped":
        return;
    }
  }

  #handleFin(seq: number, deframer: Deframer, now: number): void {
    const next = this.#field(RECV_NEXT);
    const ahead = (seq - next) | 0;
    if (ahead > 0) throw violation("recv.gap", `FIN ${seq} where ${next} was due`);
    if (ahead < 0) {
      // A duplicate: it is the FIN we had, or a FIN in the place of an item.
      if (seq !== this.#peerFin) throw violation("ext.fin", `FIN ${seq} in the place of an item`);
      return;
    }
    if (this.#peerFin >= 0) throw violation("ext.fin", "a second FIN");
    this.#flush(deframer);
    this.#setField(RECV_NEXT, next + 1);
    this.#peerFin = seq;
    this.#events.push({ type: "peer-ended" });
    this.#handFin(now);
  }

  /** The peer's FIN counts as handed over as soon as everything before it is. */
  #handFin(now: number): void {
    if (this.#peerFin < 0 || this.#peerFinHanded || this.#field(RECV_HANDED) !== this.#peerFin) return;
    this.#setField(RECV_HANDED, this.#peerFin + 1);
    this.#anyHanded = true;
    this.#peerFinHanded = true;
    this.#ackAt = now;
    this.#checkEnd(now);
  }

  #handleAbort(abort: { code: number; retryAfterMs: number; reason: string }): void {
    const greeting = this.role === "initiator" && this.#state === "greeting";
    if (greeting && !this.#everOpen) this.#key = null; // the session that it was for never began
    const meaning = meaningOfAbort(abort, {
      greeting,
      fresh: !this.#everOpen && !this.#refused,
      bothEnded: this.bothEnded,
    });
    if ("dropsLink" in meaning) this.#drop(meaning.dropsLink, false);
    else
      this.#finish(
        meaning.ends && this.#refused && abort.code === AbortCode.ended ? this.#refused : meaning.ends,
      );
  }

  // ================================================================== handle: time

  handleTimeout(now: number): void {
    if (now >= this.#handshakeBy) {
      this.#handshakeBy = NEVER;
      if (this.#refused) return this.#finish(this.#refused);
      this.#drop(
        new ConduitError(
          "CONDUIT_HANDSHAKE_TIMEOUT",
          "peer",
          "the handshake was not complete in handshakeTimeoutMs",
          { fatal: false },
        ),
        false,
      );
    }
    if (now >= this.#graceEndsAt) {
      this.#graceEndsAt = NEVER;
      this.#finish(
        this.bothEnded ? null : sessionLost("expired", "no new link came within graceMs [resume.grace]"),
      );
    }
    if (this.#state === "open" && !this.#parting) {
      if (now >= this.#gapAt) {
        this.#gapAt = NEVER;
        this.#dropForGap();
      }
      this.#checkAlive(now);
      if (now >= this.#probeAt(now)) this.#probe();
      else if (now >= this.#againAt()) this.#askAgain();
    }
    if (now >= this.#emptySince + SHRINK_AFTER_MS) {
      this.#emptySince = NEVER;
      this.ring.shrink();
    }
  }

  #checkAlive(now: number): void {
    const { keepaliveMs, keepaliveTimeoutMs, idleTimeoutMs } = this.#limits;
    if (this.profile === "base") {
      if (idleTimeoutMs > 0 && !this.wantsPause && now >= this.#lastHeard + idleTimeoutMs) {
        this.#drop(linkError(`the peer was silent for idleTimeoutMs (${idleTimeoutMs}) [base.idle]`), false);
      }
    } else if (now >= this.#pongBy) {
      this.#drop(
        linkError(`no answer to PING within keepaliveTimeoutMs (${keepaliveTimeoutMs}) [ext.ping]`),
        false,
      );
    } else if (keepaliveMs > 0 && this.#pongBy === NEVER && now >= this.#lastHeard + keepaliveMs) {
      this.#ping(keepaliveTimeoutMs, now);
    }
  }

  /** Asks the peer for a sign of life: any byte within `patience` answers [ext.ping]. */
  #ping(patience: number, now: number): void {
    this.#pingSentAt = now;
    this.#pongBy = now + patience;
    this.#queue(pingRecord(TYPE_PING, new Uint8Array(8)));
  }

  // ------------------------------------------------------------------ giving a link up to learn from the next (asking.ts)

  /** When to drop the link for the ack that a resume brings; NEVER while none is needed [base.probe]. */
  #probeAt(now: number): number {
    if (this.profile !== "base") return NEVER;
    const half = this.ring.usedBytes >= this.#limits.replayBytes / 2;
    const needed = this.ring.inFlightBytes > 0 && (half || this.#ackWanted > 0 || this.#wantsFin);
    // What the peer would have to replay it could lose: everything received has to be acknowledged first.
    const peerHasNothing = this.#ackedOnWire === this.#field(RECV_NEXT) && this.#held.size === 0;
    return this.#asking.probeAt(needed && peerHasNothing, now);
  }

  #probe(): void {
    this.#asking.handleProbe();
    this.#ask("what it has received [base.probe]");
  }

  /** When a link that is not the first and on which the peer is silent is given up for another [base.again]. */
  #againAt(): number {
    if (this.profile !== "base" || this.wantsPause || this.#held.size > 0 || this.#writes.length > 0)
      return NEVER;
    return this.#asking.againAt(this.#lastHeard);
  }

  #askAgain(): void {
    this.#asking.handleAgain();
    this.#ask("what it may have kept back [base.again]");
  }

  /** Gives up a link that works, in good order, for what the peer says and sends on the next one. */
  #ask(what: string): void {
    this.#drop(linkError(`a new link to learn from the peer ${what}`), true);
  }

  // ================================================================== commands

  /** The application is done with the oldest `items` items, of `recordBytes` in all [ack.cumulative]. */
  handed(items: number, recordBytes: number, now: number): void {
    if (this.#state === "ended" || items === 0) return;
    this.#setField(RECV_HANDED, this.#field(RECV_HANDED) + items);
    this.#anyHanded = true;
    this.#unhandedBytes -= recordBytes;
    this.#unhandedRecords -= items;
    this.#owedBytes += recordBytes;
    if (this.#owedBytes >= this.#ackBytes) this.#ackAt = now;
    else if (this.#ackAt === NEVER) this.#ackAt = now + this.#limits.ackDelayMs;
    this.#handFin(now);
  }

  /** This direction ends after what was accepted so far; nothing may be entered into the ring any more. */
  end(): void {
    if (this.#wantsFin || this.#state === "ended") return;
    this.#wantsFin = true;
    this.#enterFin();
  }

  /** Base, where no end is on the wire: finish once everything is acknowledged [close.unread]. */
  finishWhenAcked(now: number): void {
    this.#finishOnAck = true;
    if (!this.#everOpen && this.ring.length === 0) return this.#finish(null); // nobody knows of this session
    this.#checkEnd(now);
  }
  #finishOnAck = false;

  /** Ends the session now, whatever is under way; the peer is told in the extended profile. */
  abort(error: ConduitError, code: AbortCode = AbortCode.application, retryAfterMs = 0): void {
    this.#finish(error, { code, reason: error.message, retryAfterMs });
  }

  /** An ack is owed for so much: neither our window nor the peer's ring may fill up in the meantime [ack.delay]. */
  get #ackBytes(): number {
    const { ackBytes, receiveWindow, replayBytes } = this.#limits;
    return Math.min(ackBytes, ACK_SHARE * Math.min(receiveWindow, this.peer.replayBytes ?? replayBytes));
  }

  /** Somebody waits for an ack (delivered()); to be balanced. */
  wantAck(count: 1 | -1): void {
    this.#ackWanted += count;
  }

  /** false = not possible now: base profile, or no open link. */
  sendVolatile(item: Uint8Array): boolean {
    if (this.profile !== "extended" || this.#state !== "open" || this.#parting) return false;
    if (item.length > this.#field(SEND_MAX_ITEM)) {
      throw new ConduitError(
        "CONDUIT_FRAME_TOO_LARGE",
        "local",
        `an item of ${item.length} bytes is larger than maxFrameBytes`,
        { fatal: false },
      );
    }
    this.#queue(volatileRecord(item));
    return true;
  }

  /**
   * Asks whether the open link still lives, with less patience than keepalive: what wakes after a long sleep cannot
   * know, and somebody may be waiting. Any byte answers [ext.ping]. The base profile cannot ask.
   */
  probeLink(now: number): void {
    if (this.profile !== "extended" || this.#state !== "open" || this.#parting) return;
    const patience = Math.min(PROBE_PATIENCE_MS, this.#limits.keepaliveTimeoutMs);
    if (this.#pongBy > now + patience) this.#ping(patience, now);
  }

  /** Extended: asks the peer to take a new link. */
  goAway(retryAfterMs: number): void {
    if (this.profile === "extended" && this.#state === "open") this.#queue(goawayRecord(retryAfterMs));
  }

  // ================================================================== suspend and restore [resume.suspend]

  /** Initiator: what another machine needs to go on with this session. No effect. */
  save(): SavedSession {
    const { ring } = this;
    const { items } = ring.undelivered();
    const fin = this.#finSeq < 0 ? "wanted" : ring.length === 0 ? "acked" : "entered";
    return {
      profile: this.profile,
      opened: this.#everOpen,
      key: this.#key,
      ackedSeq: ring.ackedSeq,
      anyAcked: this.#anyAcked,
      items: concatenated(items),
      lengths: items.map((item) => item.length),
      written: (ring.writtenSeq - ring.ackedSeq) >>> 0,
      end: this.#wantsFin ? fin : "open",
      handedSeq: this.#field(RECV_HANDED),
      anyHanded: this.#anyHanded,
      peerEnded: this.#peerFinHanded,
      maxFrameBytes: this.#limits.maxFrameBytes,
      peerMaxFrameBytes: this.peer.maxFrameBytes ?? null,
      peerGraceMs: this.peer.graceMs ?? null,
    };
  }

  /** The session goes on elsewhere: this machine ends without a word. Its link has been destroyed by the caller. */
  leave(): void {
    this.#closeLink();
    if (this.#state !== "ended") this.#finish(null);
    this.#events.length = 0;
    this.#dropQueue();
    this.ring.dispose();
    this.#endPolled = true;
    this.#free();
  }

  /**
   * A fresh initiator goes on with a saved session. Its frames are written anew, without an ack in the base profile: the
   * hello says it, and with one they might not fit the ring that they were in.
   * @throws ConduitError as ReplayRing.reserve(), when the items do not fit the limits; the machine has ended then.
   */
  restore(saved: SavedSession, now: number): void {
    try {
      this.settleProfile(saved.profile);
      this.#everOpen = saved.opened;
      this.#key = saved.key;
      if (saved.key) this.#asking.handleRestored();
      if (saved.peerMaxFrameBytes !== null) this.peer.maxFrameBytes = saved.peerMaxFrameBytes;
      if (saved.peerGraceMs !== null) this.peer.graceMs = saved.peerGraceMs;
      if (saved.opened) this.#setField(SEND_MAX_ITEM, this.#maxSend);

      this.#anyAcked = saved.anyAcked;
      const endSeq = (saved.ackedSeq + saved.lengths.length) >>> 0;
      this.ring.restore(
        saved.ackedSeq,
        saved.items,
        saved.lengths,
        saved.end === "entered" ? finBody(endSeq) : null,
        saved.written,
      );
      this.#wantsFin = saved.end !== "open";
      if (saved.end === "entered") this.#finSeq = endSeq;
      if (saved.end === "acked") this.#finSeq = (endSeq - 1) >>> 0;

      this.#setField(RECV_NEXT, saved.handedSeq);
      this.#setField(RECV_HANDED, saved.handedSeq);
      this.#anyHanded = saved.anyHanded;
      this.#peerFinHanded = saved.peerEnded;
      if (saved.peerEnded) this.#peerFin = (saved.handedSeq - 1) >>> 0;
      this.#checkEnd(now);
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  // ================================================================== poll

  get hasEvents(): boolean {
    return this.#events.length > 0;
  }

  pollEvent(): MachineEvent | undefined {
    const event = this.#events.shift();
    if (event?.type !== "finished") return event;
    // Until now the application did not know of the end: what it sent meanwhile was accepted, and is undelivered.
    const undelivered = this.ring.undelivered();
    this.ring.dispose();
    this.#endPolled = true;
    this.#free();
    return { ...event, undelivered };
  }

  /**
   * The next bytes to write: a hello, a control record, or whole records of the ring. Each is given out once and
   * is to be reported by handleWritten(), in order; a view of the ring (`lastIsView`) stays intact until then.
   */
  pollTransmit(now: number): Uint8Array | null {
    const control = this.#out.shift();
    if (control) {
      this.#outBytes -= control.length;
      return this.#give(control, false);
    }
    if (this.#state !== "open" || this.#parting) return null;
    if (this.#pong) {
      const pong = this.#pong;
      this.#pong = null;
      return this.#give(pong, false);
    }
    if (now >= this.#ackAt) {
      const ack = this.#makeAck();
      if (ack) return this.#give(ack, false);
    }
    const bare = this.#framing === "message" && this.profile === "base";
    const most =
      this.#framing === "message" ? Math.min(this.#maxMessage, this.#messageBytes) : MAX_WRITE_BYTES;
    const view =
      this.profile === "extended" ? this.#takeWithin(most, now) : this.ring.take(bare ? 1 : most, SEQS - 1);
    if (!view) return null;
    if (this.#owesInSilence) this.#ackAt = now;
    return this.#give(bare ? view.subarray(4) : view, true);
  }

  /** Extended: what the peer's window and the path have room for [ext.window] [ext.flight]. */
  #takeWithin(most: number, now: number): Uint8Array | null {
    const { ring } = this;
    if (ring.unsentBytes === 0) return null;
    this.#flight ??= new Flight();
    const flight = this.#flight;
    const view = ring.take(most, Math.min(this.peer.receiveWindow ?? SEQS - 1, flight.limit));
    if (view) flight.written(view.length, ring.inFlightBytes, now);
    else flight.limited = true;
    return view;
  }

  /** What pollTransmit() returned last is a view of the ring, to be copied by links that keep it otherwise. */
  lastIsView = false;

  #queue(record: Bytes): void {
    this.#out.push(record);
    this.#outBytes += record.length;
  }

  #dropQueue(): void {
    this.#out.length = 0;
    this.#outBytes = 0;
  }

  #give(bytes: Uint8Array, view: boolean): Uint8Array {
    this.#writes.push(view);
    this.lastIsView = view;
    return bytes;
  }

  /** When handleTimeout() or pollTransmit() has something to do, as far as is known now. */
  pollDeadline(now: number): number {
    let at = Math.min(this.#handshakeBy, this.#graceEndsAt, this.#emptySince + SHRINK_AFTER_MS);
    if (this.#state === "open" && !this.#parting) {
      at = Math.min(at, this.#ackAt, this.#gapAt, this.#pongBy, this.#probeAt(now), this.#againAt());
      const silence = this.profile === "base" ? this.#limits.idleTimeoutMs : this.#limits.keepaliveMs;
      const asked = this.profile === "extended" && this.#pongBy !== NEVER;
      if (silence > 0 && !asked && !this.wantsPause) at = Math.min(at, this.#lastHeard + silence);
    }
    return at;
  }

  // ================================================================== inside

  #signal(signal: Signal): void {
    const next = TRANSITIONS[this.#state][signal];
    if (next === undefined) throw new Error(`machine: ${signal} in state ${this.#state}`);
    this.#state = next;
  }

  #useLink(framing: Framing, now: number): void {
    this.#asking.handleLink(now);
    this.#framing = framing;
    this.#messageBytes = FIRST_MESSAGE_BYTES;
    this.#flight = null;
    this.#parting = false;
    this.#lastHeard = now;
    this.#refused = null;
  }

  /** Forgets everything that belongs to the link. */
  #closeLink(): void {
    this.#hello = null;
    this.#deframer = null;
    this.#parting = false;
    this.#confirmPending = false;
    this.#dropQueue();
    this.#pong = null;
    this.#writes.length = 0;
    this.#handshakeBy = this.#pongBy = this.#gapAt = NEVER;
    this.#asking.handleLinkGone();
    this.#held.clear();
    if (!this.#freed) this.#releasing(() => this.ring.dropPending());
    if (this.#state === "ended") this.#free();
  }

  #newDeframer(): Deframer {
    return new Deframer(
      this.#core,
      this.ring.block,
      this.#framing,
      this.profile === "extended",
      this.#limits.maxFrameBytes,
    );
  }

  /**
   * The handshake is done. The peer's position acknowledges, and the rest is written again by the ordinary
   * writing [ack.trim] [replay.forward].
   */
  #opened(peerPosition: number | null, now: number): void {
    const resumed = this.#everOpen;
    this.#everOpen = true;
    this.#handshakeBy = this.#graceEndsAt = NEVER;
    this.#asking.handleOpen(now);
    if (!resumed && this.ring.largestItem > this.#maxSend) {
      const what = "an item sent before the peer's limits were known is larger than its maxFrameBytes";
      return this.#fail(new ConduitError("CONDUIT_FRAME_TOO_LARGE", "local", what));
    }
    this.#setField(SEND_MAX_ITEM, this.#maxSend);
    this.#deframer ??= this.#newDeframer();
    const released = peerPosition !== null && this.ring.ack(peerPosition) === "new";
    this.ring.rewind();
    this.#events.push({ type: "open", resumed, replayed: (this.ring.writtenSeq - this.ring.ackedSeq) >>> 0 });
    if (released) return this.#noteAck(now);
    this.#enterFin();
    this.#checkEnd(now);
  }

  /** The largest item that both sides allow. */
  get #maxSend(): number {
    return Math.min(this.#limits.maxFrameBytes, this.peer.maxFrameBytes ?? NEVER);
  }

  #sendSettings(credentials: Bytes | undefined): void {
    const { maxFrameBytes, receiveWindow, keepaliveMs, graceMs, replayBytes } = this.#limits;
    const acceptor = this.role === "acceptor";
    this.#queue(
      settingsRecord({
        maxFrameBytes,
        receiveWindow,
        keepaliveMs,
        graceMs: acceptor ? graceMs : undefined,
        agent: AGENT,
        schemaFingerprint: this.#schemas?.reads ?? undefined,
        credentials,
        sessionId: acceptor ? this.#sessionId : undefined,
        replayBytes,
      }),
    );
  }

  /** To a peer that reads another version, on every link and before its items [ext.schema]. */
  #sendSchema(): void {
    const writes = this.#schemas?.writes;
    const { schemaFingerprint, maxFrameBytes = NEVER } = this.peer;
    if (!writes || schemaFingerprint === undefined || schemaFingerprint === writes.fingerprint) return;
    const record = schemaRecord(writes.text);
    if (record.length > Math.max(MIN_CONTROL_BYTES, maxFrameBytes)) {
      throw new ConduitError("CONDUIT_SCHEMA", "local", "the schema is larger than the peer's maxFrameBytes");
    }
    this.#queue(record);
  }

  #takeSettings(settings: Settings): void {
    const { maxFrameBytes } = settings;
    if (maxFrameBytes !== undefined && maxFrameBytes < (this.peer.maxFrameBytes ?? 0)) {
      throw violation("ext.settings", "maxFrameBytes has shrunk within the session");
    }
    this.peer = { ...this.peer, ...settings, credentials: undefined };
    if (this.#everOpen) this.#setField(SEND_MAX_ITEM, this.#maxSend);
    if (this.role === "initiator" && settings.sessionId) {
      this.#events.push({ type: "session-id", id: settings.sessionId });
    }
  }

  // ------------------------------------------------------------------ positions

  /** Where the peer's last_received lies: below our acked, within what was written, or beyond it [resume.check]. */
  #comparePeerPosition(lastReceived: number | null): "before" | "known" | "beyond" {
    const { ackedSeq, writtenSeq } = this.ring;
    // One beyond the last received, so that "nothing" is the start.
    const next = lastReceived === null ? 0 : lastReceived + 1;
    if (this.profile === "base") return next < ackedSeq ? "before" : next > writtenSeq ? "beyond" : "known";
    if (lastReceived === null) return this.#anyAcked ? "before" : "known";
    if (((next - ackedSeq) | 0) < 0) return "before";
    return ((next - writtenSeq) | 0) > 0 ? "beyond" : "known";
  }

  /** An ack ever came. Seqs wrap, so position 0 alone does not tell. */
  #anyAcked = false;

  #noteAck(now: number): void {
    this.#anyAcked = true;
    this.#asking.handleAck(now);
    this.#flight?.acked(this.ring.inFlightBytes, now);
    this.#events.push({ type: "acked" });
    this.#enterFin();
    this.#noteEmptyRing(now);
    this.#checkEnd(now);
  }

  /** Room that comes without an ack is told like one: a full ring waits for nothing else. */
  #releasing(release: () => void): void {
    const { heldBack } = this.ring;
    release();
    if (!heldBack || this.#state === "ended") return;
    this.#events.push({ type: "acked" });
    this.#enterFin();
  }

  /** A valid frame on the link that offered the key: the initiator has it [resume.commit]. */
  #confirmKey(): void {
    this.#proven = true;
    if (!this.#confirmPending) return;
    this.#confirmPending = false;
    this.keys.confirm();
  }

  #noteEmptyRing(now: number): void {
    if (this.ring.length > 0 || this.ring.capacityBytes === 0) this.#emptySince = NEVER;
    else if (this.#emptySince === NEVER) this.#emptySince = now;
  }

  // ------------------------------------------------------------------ acks

  /** What was handed over has just been said in a hello. */
  #told(): void {
    this.#ackedOnWire = this.#field(RECV_HANDED);
    this.#owedBytes = 0;
    this.#ackAt = NEVER;
    this.#owesInSilence = false;
  }

  /** The ack that is owed, as bytes; null when a frame carries it, or nobody can carry it now. */
  #makeAck(): Bytes | null {
    const handed = this.#field(RECV_HANDED);
    if (handed === this.#ackedOnWire) {
      this.#told();
      return null;
    }
    if (this.profile === "extended") {
      this.#told();
      return ackRecord((handed - 1) >>> 0);
    }
    if (this.ring.carriedSeq === handed) {
      this.#told(); // the newest frame carries it, and nothing overtakes it [ack.piggyback]
      return null;
    }
    const seq = (this.ring.ackedSeq > 0 ? this.ring.ackedSeq : this.ring.sentSeq) - 1;
    if (seq < 0) {
      // Nothing to repeat: owed in silence until this link has carried a frame [ack.only].
      this.#ackAt = NEVER;
      this.#owesInSilence = true;
      return null;
    }
    this.#told();
    return this.#duplicateWithAck(seq, handed - 1);
  }

  /** A frame that the peer has, with an empty item and the newest ack [ack.only]. */
  #duplicateWithAck(seq: number, ack: number): Bytes {
    const { exports, memory } = this.#core;
    const at = this.#core.table; // scratch
    const item = exports.frameWrite(at, seq, 1, ack, 0);
    return payloadFor(this.#framing, memory.copyOut(at, item - at));
  }

  // ------------------------------------------------------------------ ending

  #enterFin(): void {
    if (!this.#wantsFin || this.#finSeq >= 0 || this.profile !== "extended" || !this.#everOpen) return;
    const seq = this.ring.headSeq;
    if (this.ring.pushControl(finBody(seq))) this.#finSeq = seq;
  }

  #checkEnd(now: number): void {
    if (this.#state === "ended") return;
    if (this.profile === "base") {
      if (!this.#finishOnAck || !this.#everOpen || this.ring.length > 0) return;
      // The peer may be closing too: with our last ack it can do so cleanly, later it would be refused.
      const ack = this.#state === "open" ? this.#makeAck() : null;
      if (ack) this.#queue(ack);
      this.#finish(null);
      return;
    }
    if (!this.bothEnded) return;
    // The acceptor says the last word; the initiator comes back for it, but not for ever [ext.fin].
    if (this.role === "initiator") {
      const graceMs = this.peer.graceMs ?? this.#limits.graceMs;
      if (this.#state !== "open" && this.#graceEndsAt === NEVER) this.#graceEndsAt = now + graceMs;
    } else if (this.#state === "open") {
      const ack = this.#makeAck();
      if (ack) this.#queue(ack);
      this.#finish(null, { code: AbortCode.ended, reason: "", retryAfterMs: 0 });
    }
  }

  #fail(error: ConduitError): void {
    const code = error.code === "CONDUIT_SCHEMA" ? AbortCode.schema : AbortCode.violation;
    this.#finish(error, { code, reason: error.message, retryAfterMs: 0 });
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof ConduitError)) throw error;
      if (this.#deframer) this.#flush(this.#deframer);
      this.#fail(error);
    }
  }

  #drop(error: ConduitError, graceful: boolean): void {
    if (!this.hasLink || this.#parting) return;
    this.#parting = true;
    this.#dropQueue();
    this.#events.push({ type: "drop", error, graceful });
    if (!graceful) {
      this.#deframer = null;
      this.#hello = null;
    }
  }

  /** The one way out. */
  #finish(
    error: ConduitError | null,
    abort?: { code: AbortCode; reason: string; retryAfterMs: number },
  ): void {
    if (this.#state === "ended") return;
    if (abort && this.profile === "extended" && this.#state === "open") {
      this.#queue(abortRecord(abort.code, abort.reason, abort.retryAfterMs));
    }
    this.#finalReceived = this.lastReceived;
    this.#signal("finished");
    this.#deframer = null;
    this.#hello = null;
    this.#held.clear();
    this.#handshakeBy = this.#graceEndsAt = this.#emptySince = this.#ackAt = NEVER;
    this.#events.push({ type: "finished", error, undelivered: NONE });
  }

  /** The block lives until the end was polled and as long as pending writes read the ring. */
  #free(): void {
    if (this.#freed || !this.#endPolled || this.#writes.includes(true)) return;
    this.#freed = true;
    this.#core.freeBlock(this.ring.block);
  }
  #freed = false;
  #endPolled = false;

  get #maxMessage(): number {
    return this.#maxSend + 15;
  }

  #field(offset: number): number {
    return this.#core.memory.u32[this.#word + (offset >>> 2)];
  }

  #setField(offset: number, value: number): void {
    this.#core.memory.u32[this.#word + (offset >>> 2)] = value;
  }
}

function concatenated(items: readonly Bytes[]): Bytes {
  const all = new Uint8Array(items.reduce((sum, item) => sum + item.length, 0));
  let at = 0;
  for (const item of items) {
    all.set(item, at);
    at += item.length;
  }
  return all;
}

const NOTHING: Bytes = new Uint8Array(0);
const NONE: Undelivered = { items: [], firstUnsent: 0 };
