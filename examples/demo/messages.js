// What flows in the demo: numbered messages with a checksum over all of their content, and the one who checks that
// each arrives once, in order and unchanged.
//
//   0        4          8         12                       size
//   | number | sender   | checksum | content, from the number |     u32 little endian each
//
// Every byte of every message is made from its number, and every byte is checked: a wrong one cannot hide.

/** @typedef {{ bytes: Uint8Array, spans: Uint32Array, length: number }} Batch what is used of a conduit's batch */

/**
 * @typedef {object} Verdict counts of messages in one direction
 * @property {number} received all that came, repeated ones too
 * @property {number} missing numbers below the highest that came, which did not come
 * @property {number} duplicated
 * @property {number} reordered came after a message with a higher number
 * @property {number} corrupted wrong size, sender or checksum
 */

export const SMALLEST = 16;
const HEADER = 12;

/** Makes messages: each is written over the one before, because send() has copied that one. */
export class Writer {
  #next = 0;
  /** @type {Uint8Array} */
  #message;
  /** @type {DataView} */
  #view;
  /** @type {number} */
  #sender;

  /**
   * @param {number} size bytes of each message
   * @param {number} sender a number that tells the directions apart
   */
  constructor(size, sender) {
    this.#message = new Uint8Array(size);
    this.#view = viewOf(this.#message);
    this.#sender = sender;
  }

  /** How many were made. */
  get count() {
    return this.#next;
  }

  /** @returns {Uint8Array} valid until the next call */
  next() {
    const view = this.#view;
    const number = this.#next++;
    view.setUint32(0, number, true);
    view.setUint32(4, this.#sender, true);
    let random = number;
    let at = HEADER;
    for (const end = view.byteLength - 3; at < end; at += 4) {
      random = Math.imul(random ^ (random >>> 15), 0x2c1b3c6d) + at;
      view.setUint32(at, random, true);
    }
    for (; at < view.byteLength; at++) view.setUint8(at, random >>> 24);
    view.setUint32(8, checksum(view, 0, view.byteLength), true);
    return this.#message;
  }
}

/** Checks what comes in from one sender. */
export class Checker {
  received = 0;
  duplicated = 0;
  reordered = 0;
  corrupted = 0;
  #next = 0;
  /** @type {Set<number>} numbers that were skipped */
  #missing = new Set();
  /** @type {number} */
  #size;
  /** @type {number} */
  #sender;

  /**
   * @param {number} size
   * @param {number} sender
   */
  constructor(size, sender) {
    this.#size = size;
    this.#sender = sender;
  }

  /** @param {Batch} batch */
  check({ bytes, spans, length }) {
    const view = viewOf(bytes);
    for (let i = 0; i < length; i++) this.#checkOne(view, spans[2 * i], spans[2 * i + 1]);
  }

  /**
   * @param {DataView} view
   * @param {number} at
   * @param {number} size
   */
  #checkOne(view, at, size) {
    this.received++;
    if (
      size !== this.#size ||
      view.getUint32(at + 4, true) !== this.#sender ||
      view.getUint32(at + 8, true) !== checksum(view, at, size)
    ) {
      this.corrupted++;
      return;
    }
    const number = view.getUint32(at, true);
    if (number === this.#next) this.#next++;
    else this.#unexpected(number);
  }

  /** @param {number} number */
  #unexpected(number) {
    if (number > this.#next) {
      for (let n = this.#next; n < number; n++) this.#missing.add(n);
      this.#next = number + 1;
    } else if (this.#missing.delete(number)) {
      this.reordered++;
    } else {
      this.duplicated++;
    }
  }

  /** @returns {Verdict} */
  get verdict() {
    const { received, duplicated, reordered, corrupted } = this;
    return { received, missing: this.#missing.size, duplicated, reordered, corrupted };
  }

  /** How many different messages came unchanged. */
  get distinct() {
    return this.#next - this.#missing.size;
  }
}

/**
 * Over everything but itself.
 * @param {DataView} view
 * @param {number} at
 * @param {number} size
 */
function checksum(view, at, size) {
  let sum = mix(view.getUint32(at, true), view.getUint32(at + 4, true));
  const end = at + size;
  let i = at + HEADER;
  for (; i + 4 <= end; i += 4) sum = mix(sum, view.getUint32(i, true));
  for (; i < end; i++) sum = mix(sum, view.getUint8(i));
  return sum >>> 0;
}

/**
 * One step of the checksum. Every step is one to one, so that a change of a single word always shows.
 * @param {number} sum
 * @param {number} word
 */
function mix(sum, word) {
  const mixed = Math.imul(sum ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** @param {Uint8Array} bytes */
function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
