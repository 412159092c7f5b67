// The WebAssembly exports behind the same calls as the twin, driven as src/ drives them: bytes go to a staging area at
// their own alignment first, scans copy the chunk in.
import { readFileSync } from "node:fs";

const SMALL_BYTES = 256; // from here on the alignment of a copy matters
const LARGE_RECORD_BYTES = 8_192; // then only headers are copied
const HEADER_WINDOW = 64;

/** abi.ts has nothing but constants, and no types: it runs as it is. */
const source = readFileSync(new URL("../../assembly/abi.ts", import.meta.url), "utf8");
/** @type {Record<string, number>} */
const abi = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const RESULT = 64;
const BLOCK = 1_024;
const STAGE = 65_536;
const STAGE_BYTES = 131_072;
const TABLE = STAGE + STAGE_BYTES;

const setBytes = Uint8Array.prototype.set;

/**
 * @param {"shared" | "plain"} build
 * @param {{ capacity: number, maxItem: number, entries: number }} options
 */
export function wasmCore(build, { capacity, maxItem, entries }) {
  const ring = TABLE + entries * 8;
  const memory = new WebAssembly.Memory({
    initial: Math.ceil((ring + capacity) / 65_536),
    maximum: 32_768,
    shared: build === "shared",
  });
  const binary = readFileSync(new URL(`../../build/wasm/${build}.wasm`, import.meta.url));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } });
  /** @type {any} */
  const core = exports;
  const u8 = new Uint8Array(memory.buffer);
  const u32 = new Uint32Array(memory.buffer);
  /** @param {number} field */
  const word = (field) => (BLOCK + field) >>> 2;
  u32[word(abi.RING_BASE)] = ring;
  u32[word(abi.RING_CAPACITY)] = capacity;
  u32[word(abi.SEND_MAX_ITEM)] = maxItem;
  u32[word(abi.RECV_MAX_ITEM)] = maxItem;
  u32[word(abi.EXTENDED)] = 1;

  /** @param {Uint8Array} bytes */
  const stage = (bytes) => {
    const at = STAGE + (bytes.byteOffset & 7);
    setBytes.call(u8, bytes, at);
    return at;
  };
  let large = false;
  return {
    /** The ring's bytes, for comparison. */
    bytes: u8.subarray(ring, ring + capacity),
    /** @param {Uint8Array} item */
    enter(item) {
      const { length } = item;
      const staged = length < SMALL_BYTES ? STAGE : STAGE + (item.byteOffset & 7);
      setBytes.call(u8, item, staged);
      return core.frameEnter(BLOCK, staged, length) !== 0;
    },
    /**
     * @param {Uint8Array} items
     * @param {Uint32Array} lengths
     */
    enterBatch(items, lengths) {
      u32.set(lengths, TABLE >>> 2);
      return core.batchCommit(BLOCK, stage(items), TABLE, lengths.length);
    },
    /** @param {number} max */
    take: (max) => core.ringTake(BLOCK, max, 0x7fff_ffff),
    /** @param {number} ack */
    ack: (ack) => core.ringAck(BLOCK, ack) === abi.ACK_NEW,
    rewind: () => core.ringRewind(BLOCK),
    /** @param {Uint8Array} chunk */
    scan(chunk) {
      let count = 0;
      let status = abi.SCAN_UNSEEN;
      for (let at = 0; status === abi.SCAN_UNSEEN; ) {
        const to = large ? Math.min(chunk.length, at + HEADER_WINDOW) : chunk.length;
        const part = at === 0 && to === chunk.length ? chunk : chunk.subarray(at, to);
        const staged = stage(part);
        status = core.deframe(
          BLOCK,
          staged,
          part.length,
          chunk.length - at,
          at,
          RESULT,
          TABLE,
          count,
          entries,
        );
        const consumed = u32[(RESULT + abi.SCAN_CONSUMED) >>> 2];
        const frames = u32[(RESULT + abi.SCAN_FRAMES) >>> 2];
        count = u32[(RESULT + abi.SCAN_COUNT) >>> 2];
        if (frames > 0) large = consumed >= frames * LARGE_RECORD_BYTES;
        at += consumed;
      }
      if (status === abi.SCAN_GAP || status === abi.SCAN_INVALID || status === abi.SCAN_CONTROL) {
        throw new Error(`scan: status ${status}`);
      }
      return u32.slice(TABLE >>> 2, (TABLE >>> 2) + 2 * count);
    },
    /** The next seq that a scan accepts. */
    get next() {
      return u32[word(abi.RECV_NEXT)];
    },
    set next(seq) {
      u32[word(abi.RECV_NEXT)] = seq;
    },
  };
}
