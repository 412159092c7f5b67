// The hot path of assembly/ in TypeScript's own terms: the same ring, the same frames, the same checks, over the same
// bytes, written as one would who has no WebAssembly. It shows what that is worth; the package does not contain it.
// Extended profile only, where frames carry no acks.

/** As in assembly/abi.ts. */
const MAX_OVERHEAD = 19;
const CONTROL = 0x8000_0000;
/** An item this small is copied faster by a loop than by a call. */
const LOOP_BYTES = 32;

/** Found here, not through the prototypes for each item. */
const setBytes = Uint8Array.prototype.set;

export class TwinRing {
  /** @type {Uint8Array} */
  bytes;
  #view;
  #capacity;
  #maxItem;

  #limit = 0; // wrap mark; 0 = not wrapped
  #acked = 0;
  #sent = 0;
  #head = 0;
  #ackedSeq = 0;
  #sentSeq = 0;
  #writtenSeq = 0;
  #headSeq = 0;
  #wrapSeq = 0;
  #inFlight = 0;
  #unsent = 0;
  #end = 0; // result of #slots()

  /**
   * @param {number} capacity bytes
   * @param {number} maxItem larger ones are refused
   */
  constructor(capacity, maxItem) {
    this.bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.bytes.buffer);
    this.#capacity = capacity;
    this.#maxItem = maxItem;
  }

  /**
   * Commits a frame with a copy of `item`. false = no room, or it is too large.
   * @param {Uint8Array} item
   */
  enter(item) {
    const { length } = item;
    const at = this.#frame(length);
    if (at < 0) return false;
    const { bytes } = this;
    if (length <= LOOP_BYTES) for (let i = 0; i < length; i++) bytes[at + i] = item[i];
    else setBytes.call(bytes, item, at);
    return true;
  }

  /**
   * Commits items that lie one after another; returns how many were accepted.
   * @param {Uint8Array} items
   * @param {Uint32Array} lengths
   */
  enterBatch(items, lengths) {
    const { bytes } = this;
    let from = 0;
    for (let n = 0; n < lengths.length; n++) {
      const length = lengths[n];
      const at = this.#frame(length);
      if (at < 0) return n;
      if (length <= LOOP_BYTES) for (let i = 0; i < length; i++) bytes[at + i] = items[from + i];
      else setBytes.call(bytes, items.subarray(from, from + length), at);
      from += length;
    }
    return lengths.length;
  }

  /**
   * Room for a frame, its header written and the slot entered; returns the item's offset, or -1.
   * @param {number} length of the item
   */
  #frame(length) {
    if (length > this.#maxItem) return -1;
    const seq = this.#headSeq;
    const seqBytes = seq < 0x80 ? 1 : seq < 0x4000 ? 2 : seq < 0x20_0000 ? 3 : seq < 0x1000_0000 ? 4 : 5;
    const size = 4 + seqBytes + 5 + length;
    const head = this.#head;
    let slot = head;
    if (this.#limit !== 0) {
      if (this.#acked - head < size) return -1;
    } else if (this.#capacity - head < size) {
      if (this.#acked < size) return -1;
      slot = 0;
    }
    const view = this.#view;
    const { bytes } = this;
    view.setUint32(slot, size - 4, true);
    let at = slot + 4;
    let rest = seq;
    while (rest >= 0x80) {
      bytes[at++] = rest | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    bytes[at++] = 0; // no ack
    view.setUint32(at, length, true);
    if (slot !== head) {
      this.#limit = head;
      this.#wrapSeq = seq;
      if (this.#sentSeq === seq) this.#sent = 0;
      if (this.#ackedSeq === seq) this.#acked = 0;
    }
    this.#head = slot + size;
    this.#headSeq = (seq + 1) >>> 0;
    this.#unsent += size;
    return at + 4;
  }

  /**
   * The length of the next run to write, which begins at `sent`; whole slots, at most `max` bytes, at least one.
   * @param {number} max
   */
  take(max) {
    if (this.#sentSeq === this.#headSeq) return 0;
    const sent = this.#sent;
    const older = this.#limit !== 0 && sent >= this.#acked;
    const end = older ? this.#limit : this.#head;
    let to = end;
    let seq = this.#sentSeq;
    if (end - sent > max) {
      to = sent + this.#slotSize(sent);
      seq = (seq + 1) >>> 0;
      const last = sent + max;
      while (to < end) {
        const next = to + this.#slotSize(to);
        if (next > last) break;
        to = next;
        seq = (seq + 1) >>> 0;
      }
    }
    if (to === end) {
      seq = older ? this.#wrapSeq : this.#headSeq;
      this.#sent = older ? 0 : end;
    } else {
      this.#sent = to;
    }
    this.#sentSeq = seq;
    if (before(this.#writtenSeq, seq)) this.#writtenSeq = seq;
    const length = to - sent;
    this.#inFlight += length;
    this.#unsent -= length;
    return length;
  }

  /**
   * Releases everything up to and including seq `ack`. false = old or invalid.
   * @param {number} ack
   */
  ack(ack) {
    if (!before(ack, this.#writtenSeq) || before(ack, this.#ackedSeq)) return false;
    const next = (ack + 1) >>> 0;
    let at = this.#sent;
    if (next === this.#sentSeq) {
      this.#inFlight = 0;
    } else if (before(this.#sentSeq, next)) {
      // `sent` moves along: what an earlier link carried was acknowledged before it was written again.
      const bytes = this.#slots(at, this.#sentSeq, next);
      at = this.#end;
      this.#sent = at;
      this.#sentSeq = next;
      this.#inFlight = 0;
      this.#unsent -= bytes;
    } else {
      this.#inFlight -= this.#slots(this.#acked, this.#ackedSeq, next);
      at = this.#end;
    }
    // Positions only move forward: a smaller one has passed the wrap mark.
    if (at < this.#acked) this.#limit = 0;
    this.#acked = at;
    this.#ackedSeq = next;
    if (next === this.#headSeq) this.#limit = this.#acked = this.#sent = this.#head = 0;
    return true;
  }

  /** Everything unacknowledged is to be written again. */
  rewind() {
    this.#sent = this.#acked;
    this.#sentSeq = this.#ackedSeq;
    this.#unsent += this.#inFlight;
    this.#inFlight = 0;
  }

  /**
   * The bytes of the slots from the offset `at` on; #end is behind them then.
   * @param {number} at
   * @param {number} from seq of the first
   * @param {number} to seq behind the last
   */
  #slots(at, from, to) {
    const limit = this.#limit;
    let bytes = 0;
    let end = at;
    for (let seq = from; seq !== to; seq = (seq + 1) >>> 0) {
      const size = this.#slotSize(end);
      bytes += size;
      end += size;
      if (end === limit) end = 0;
    }
    this.#end = end;
    return bytes;
  }

  /** @param {number} at */
  #slotSize(at) {
    return 4 + (this.#view.getUint32(at, true) & ~CONTROL);
  }
}

export class TwinScan {
  /** Next seq to accept. */
  next = 0;
  /** What of the last chunk was whole records. */
  consumed = 0;
  #maxItem;
  #table;

  /**
   * @param {number} maxItem larger ones are a violation
   * @param {number} entries that one scan can list
   */
  constructor(maxItem, entries) {
    this.#maxItem = maxItem;
    this.#table = new Uint32Array(2 * entries);
  }

  /**
   * Finds the items of a chunk: offset and length of each, in order, duplicates left out.
   * @param {Uint8Array} chunk
   * @returns {Uint32Array} the caller's
   * @throws Error for what is no data record of this profile, and for a gap
   */
  scan(chunk) {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    const table = this.#table;
    const capacity = table.length;
    const end = chunk.length;
    const maxItem = this.#maxItem;
    const maxRecord = maxItem + MAX_OVERHEAD - 4;
    let next = this.next;
    let at = 0;
    let entry = 0;
    while (end - at >= 4 && entry < capacity) {
      const length = view.getUint32(at, true);
      if (length > maxRecord) throw new Error("control, or larger than allowed");
      const to = at + 4 + length;
      if (to > end) break;
      if (length < 6) throw new Error("not even seq, tag and item length");
      let p = at + 4;
      let byte = chunk[p++];
      let seq = byte & 0x7f;
      for (let shift = 7; byte >= 0x80; shift += 7) {
        if (shift > 28 || p >= to) throw new Error("a bad varint");
        byte = chunk[p++];
        if (shift === 28 && byte > 0x0f) throw new Error("a varint of more than 32 bits");
        seq = (seq | ((byte & 0x7f) << shift)) >>> 0;
      }
      if (to - p < 5 || chunk[p] !== 0) throw new Error("a frame with an ack, or none");
      const size = to - p - 5;
      if (view.getUint32(p + 1, true) !== size || size > maxItem) throw new Error("not the item's length");
      if (seq === next) {
        table[entry] = p + 5;
        table[entry + 1] = size;
        entry += 2;
        next = (next + 1) >>> 0;
      } else if (before(next, seq)) {
        throw new Error("a gap");
      }
      at = to;
    }
    this.next = next;
    this.consumed = at;
    return table.slice(0, entry);
  }
}

/**
 * a comes before b, modulo 2^32.
 * @param {number} a
 * @param {number} b
 */
function before(a, b) {
  return ((a - b) | 0) < 0;
}
