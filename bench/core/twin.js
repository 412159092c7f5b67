// The twin behind the same calls as wasm.js.
import { TwinRing, TwinScan } from "../core-twin.js";

/** @param {{ capacity: number, maxItem: number, entries: number }} options */
export function twinCore({ capacity, maxItem, entries }) {
  const ring = new TwinRing(capacity, maxItem);
  const scanner = new TwinScan(maxItem, entries);
  return {
    bytes: ring.bytes,
    /** @param {Uint8Array} item */
    enter: (item) => ring.enter(item),
    /**
     * @param {Uint8Array} items
     * @param {Uint32Array} lengths
     */
    enterBatch: (items, lengths) => ring.enterBatch(items, lengths),
    /** @param {number} max */
    take: (max) => ring.take(max),
    /** @param {number} ack */
    ack: (ack) => ring.ack(ack),
    rewind: () => ring.rewind(),
    /** @param {Uint8Array} chunk */
    scan: (chunk) => scanner.scan(chunk),
    get next() {
      return scanner.next;
    },
    set next(seq) {
      scanner.next = seq;
    },
  };
}
