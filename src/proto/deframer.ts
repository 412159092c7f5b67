// From a link's chunks to items: runs the WASM scan over each chunk and keeps what lies between chunks. A record
// that straddles chunks is assembled in a buffer of its own. What the scan does not settle comes out as a status.
import {
  INVALID_ACK,
  INVALID_END,
  INVALID_FRAME,
  INVALID_MAX,
  INVALID_TAG,
  INVALID_VARINT,
  MAX_OVERHEAD,
  MIN_CONTROL_BYTES,
  SCAN_ACKED,
  SCAN_BYTES,
  SCAN_CONSUMED,
  SCAN_CONTROL,
  SCAN_COUNT,
  SCAN_DETAIL,
  SCAN_DONE,
  SCAN_FRAMES,
  SCAN_FULL,
  SCAN_GAP,
  SCAN_INVALID,
  SCAN_ITEM,
  SCAN_LENGTH,
  SCAN_NEED,
  SCAN_PARTIAL,
} from "../../assembly/abi.js";
import { type ConduitError, sessionLost, violation } from "../errors.js";
import type { Bytes, Framing } from "../link/link.js";
import { type Core, SCAN_BYTES_MAX, TABLE_ENTRIES } from "../wasm/core.js";
import { RESULT } from "../wasm/memory.js";

/** Items of one chunk, in order: offset and length pairs into its bytes. */
export interface ItemBatch {
  readonly bytes: Bytes;
  readonly spans: Uint32Array;
  /** Another batch refers to the same bytes. */
  readonly shared: boolean;
  /** Bytes of the records that carried the items, for the receive window. */
  readonly recordBytes: number;
}

/** A partial record's buffer starts with this much and doubles: a length alone makes nobody allocate. */
const FIRST_PARTIAL_BYTES = 65_536;
const CONTROL_BIT = 0x8000_0000;
/** The scan reads headers only: while records are this large, nothing but their headers is copied for it. */
const LARGE_RECORD_BYTES = 8_192;
const HEADER_WINDOW = 64;
const R = RESULT >>> 2;

export type Step = "done" | "batch" | "control" | "gap" | "invalid";

export class Deframer {
  /** After "batch". */
  batch: ItemBatch | null = null;
  /** After "control": the record's body, a view of the chunk. */
  control: Uint8Array = NOTHING;
  /** After "control" or "gap": the whole record's bytes. */
  recordBytes = 0;
  /** After "gap": the frame's seq, and its item as a view of the chunk. */
  gapSeq = 0;
  gapItem: Uint8Array = NOTHING;
  /** After "invalid". */
  error: ConduitError | null = null;
  /** Grows with each valid frame, duplicates included. */
  frames = 0;
  /** The link has brought an item, new or again; the machine adds volatile ones. */
  broughtItems = false;
  /** An ack released something since it was last cleared. */
  acked = false;

  readonly #core: Core;
  readonly #block: number;
  readonly #framing: Framing;
  readonly #extended: boolean;
  readonly #maxRecord: number;
  readonly #maxControl: number;

  // The chunk that is being scanned, what of it is done, and where it ends. A base message link carries no
  // lengths: for the scan one is put before the payload, so positions count these 4 bytes too (#shift).
  #chunk: Bytes = NOTHING;
  #at = 0;
  #end = 0;
  readonly #shift: number;
  // The part of the chunk that lies in linear memory, at copiedAt: chunk[copiedFrom .. copiedTo).
  #copiedAt = 0;
  #copiedFrom = 0;
  #copiedTo = 0;
  #large = false; // so were the records of the last scan
  // Items found in this chunk and not yet handed out as a batch.
  #chunkShared = false; // an earlier batch refers to this chunk too
  #count = 0;
  #batchBytes = 0;
  // A chunk that waits until the assembled record is scanned.
  #waiting: Bytes | null = null;
  #waitingAt = 0;

  // The record that straddles chunks: its length field, then the whole.
  readonly #lengthField = new Uint8Array(4);
  #filled = 0;
  #need = 0;
  #partial: Bytes = NOTHING;

  constructor(core: Core, block: number, framing: Framing, extended: boolean, maxItem: number) {
    this.#core = core;
    this.#block = block;
    this.#framing = framing;
    this.#extended = extended;
    this.#maxRecord = maxItem + MAX_OVERHEAD - 4;
    this.#maxControl = Math.max(this.#maxRecord, MIN_CONTROL_BYTES);
    this.#shift = framing === "message" && !extended ? 4 : 0;
  }

  /** The next chunk. All steps of the one before must have been taken. */
  push(chunk: Bytes): void {
    this.#chunk = chunk;
    this.#at = 0;
    this.#end = chunk.length + this.#shift;
    this.#copiedFrom = this.#copiedTo = 0;
    this.#chunkShared = false;
  }

  /**
   * Items that the scan found so far in this chunk, as a batch of their own; null = none.
   * @param last no further item of this chunk will follow
   */
  flush(last = false): ItemBatch | null {
    if (this.#count === 0) return null;
    if (!last) this.#chunkShared = true;
    const table = this.#core.table >>> 2;
    const batch = {
      bytes: this.#chunk,
      spans: this.#core.memory.u32.slice(table, table + 2 * this.#count) as Uint32Array,
      recordBytes: this.#batchBytes,
      shared: this.#chunkShared,
    };
    this.#count = 0;
    this.#batchBytes = 0;
    return batch;
  }

  /** Goes on with the chunk until there is something to do. After "done" it waits for the next chunk. */
  next(): Step {
    if (this.#filled > 0 && this.#framing === "stream" && this.#waiting === null) {
      if (!this.#fillPartial()) return this.error ? "invalid" : "done";
    }
    if (this.#framing === "message" && this.#at === 0 && this.#chunk.length > 4 + this.#maxControl) {
      return this.#invalid(violation("link.max", "a message is larger than maxFrameBytes allows"));
    }
    for (;;) {
      if (this.#at === this.#end) {
        if (this.#count > 0) return this.#emit(true);
        if (this.#waiting === null) {
          this.#release();
          return "done";
        }
        // The assembled record is done: back to the chunk that completed it.
        this.push(this.#waiting);
        this.#at = this.#waitingAt;
        this.#waiting = null;
        continue;
      }
      const step = this.#scan();
      if (step !== null) return step;
    }
  }

  /** After "gap": the frame was kept elsewhere, go on behind it. Otherwise the next scan meets it again. */
  skip(): void {
    this.#at += this.recordBytes;
  }

  #emit(last: boolean): Step {
    this.batch = this.flush(last);
    return "batch";
  }

  #scan(): Step | null {
    const { memory, deframe, table } = this.#core;
    if (this.#at >= this.#copiedTo) this.#copy();
    const from = this.#copiedAt + this.#at - this.#copiedFrom;
    const visible = this.#copiedTo - this.#at;
    const available = this.#end - this.#at;
    const origin = this.#at - this.#shift;
    const status = deframe(
      this.#block,
      from,
      visible,
      available,
      origin,
      RESULT,
      table,
      this.#count,
      TABLE_ENTRIES,
    );

    const u32 = memory.u32;
    this.#at += u32[R + (SCAN_CONSUMED >>> 2)];
    this.#count = u32[R + (SCAN_COUNT >>> 2)];
    this.#batchBytes += u32[R + (SCAN_BYTES >>> 2)];
    const frames = u32[R + (SCAN_FRAMES >>> 2)];
    this.frames += frames;
    if (frames > 0) this.broughtItems = true;
    if (frames > 0) this.#large = u32[R + (SCAN_CONSUMED >>> 2)] >= frames * LARGE_RECORD_BYTES;
    if (u32[R + (SCAN_ACKED >>> 2)] !== 0) this.acked = true;
    const need = u32[R + (SCAN_NEED >>> 2)];
    const detail = u32[R + (SCAN_DETAIL >>> 2)];

    switch (status) {
      case SCAN_DONE:
        return null;
      case SCAN_PARTIAL:
        if (this.#framing === "message")
          return this.#invalid(violation("link.message", "a message ends within a record"));
        if (this.#count > 0) return this.#emit(true); // the batch holds this chunk; the rest is scanned again
        this.#startPartial(need);
        return null;
      case SCAN_CONTROL:
        this.control = this.#chunk.subarray(this.#at + 4, this.#at + need);
        this.recordBytes = need;
        this.#at += need;
        return "control";
      case SCAN_GAP: {
        const item = u32[R + (SCAN_ITEM >>> 2)];
        this.gapSeq = detail;
        this.gapItem = this.#chunk.subarray(item, item + u32[R + (SCAN_LENGTH >>> 2)]);
        this.recordBytes = need;
        return "gap";
      }
      case SCAN_FULL:
        return this.#emit(false);
      case SCAN_INVALID:
        return this.#invalid(invalidError(detail));
      default: // SCAN_UNSEEN: the header lies outside of the copied part
        this.#copiedTo = 0;
        return null;
    }
  }

  /**
   * Copies the next part of the chunk into linear memory: to an address with the source's alignment, because the
   * engine copies into shared memory byte by byte otherwise, eight times slower.
   */
  #copy(): void {
    const { memory, chunk: target } = this.#core;
    const prefix = this.#at === 0 ? this.#shift : 0;
    const from = this.#at === 0 ? 0 : this.#at - this.#shift;
    const phase = (this.#chunk.byteOffset + from - prefix) & 7;
    const window = this.#large ? HEADER_WINDOW : SCAN_BYTES_MAX;
    const to = Math.min(this.#chunk.length, from + window - phase - prefix);
    const part = from === 0 && to === this.#chunk.length ? this.#chunk : this.#chunk.subarray(from, to);
    if (prefix > 0) new DataView(memory.u8.buffer).setUint32(target + phase, this.#chunk.length, true);
    memory.u8.set(part, target + phase + prefix);
    this.#copiedAt = target + phase;
    this.#copiedFrom = this.#at;
    this.#copiedTo = to + this.#shift;
  }

  #invalid(error: ConduitError): Step {
    this.error = error;
    return "invalid";
  }

  /** Keeps the rest of the chunk, the beginning of a record of `need` bytes (0 = not even its length is there). */
  #startPartial(need: number): void {
    const rest = this.#chunk.subarray(this.#at);
    this.#at = this.#end;
    this.#need = need;
    this.#filled = rest.length;
    if (need === 0) {
      this.#lengthField.set(rest);
    } else {
      this.#partial = new Uint8Array(Math.min(need, Math.max(FIRST_PARTIAL_BYTES, rest.length)));
      this.#partial.set(rest);
    }
  }

  /** Adds the chunk's beginning to the unfinished record. true = it is whole and takes the chunk's place; or see error. */
  #fillPartial(): boolean {
    const chunk = this.#chunk;
    let at = 0;
    if (this.#need === 0) {
      while (this.#filled < 4 && at < chunk.length) this.#lengthField[this.#filled++] = chunk[at++];
      if (this.#filled < 4) return this.#chunkTaken();
      const header = new DataView(this.#lengthField.buffer).getUint32(0, true);
      const length = this.#extended ? header & ~CONTROL_BIT : header;
      if (length > (this.#extended && header >>> 31 ? this.#maxControl : this.#maxRecord)) {
        this.error = invalidError(INVALID_MAX);
        return false;
      }
      this.#need = 4 + length;
      this.#partial = new Uint8Array(Math.min(this.#need, FIRST_PARTIAL_BYTES));
      this.#partial.set(this.#lengthField);
    }
    const taken = Math.min(chunk.length - at, this.#need - this.#filled);
    if (this.#filled + taken > this.#partial.length) {
      const size = Math.min(this.#need, Math.max(this.#partial.length * 2, this.#filled + taken));
      const larger = new Uint8Array(size);
      larger.set(this.#partial.subarray(0, this.#filled));
      this.#partial = larger;
    }
    this.#partial.set(
      at === 0 && taken === chunk.length ? chunk : chunk.subarray(at, at + taken),
      this.#filled,
    );
    this.#filled += taken;
    at += taken;
    if (this.#filled < this.#need) return this.#chunkTaken();

    this.#waiting = at < chunk.length ? chunk : null;
    this.#waitingAt = at;
    const record = this.#partial.length === this.#need ? this.#partial : this.#partial.slice(0, this.#need);
    this.#partial = NOTHING;
    this.#filled = this.#need = 0;
    this.push(record);
    return true;
  }

  #chunkTaken(): false {
    this.#release();
    return false;
  }

  /** Between chunks none is held. */
  #release(): void {
    this.#chunk = NOTHING;
    this.#at = this.#end = 0;
  }
}

const NOTHING: Bytes = new Uint8Array(0);

function invalidError(detail: number): ConduitError {
  switch (detail) {
    case INVALID_MAX:
      return violation("link.max", "a record is larger than maxFrameBytes allows");
    case INVALID_FRAME:
      return violation("frame.exact", "a frame does not fill its record exactly");
    case INVALID_VARINT:
      return violation("frame.minimal", "a varint has more than 32 bits");
    case INVALID_ACK:
      return violation("ack.invalid", "an ack lies beyond everything that was ever written");
    case INVALID_TAG:
      return violation("ext.data", "a data record of the extended profile carries an ack");
    case INVALID_END:
      return sessionLost("sequence-exhausted", "the peer's sequence numbers are used up [seq.serial]");
    default:
      return violation("frame.exact", `invalid record (${detail})`);
  }
}
