// Feeds chunks to deframe as src/proto does: what is unfinished joins the next chunk, a scan sees at most a
// scratch buffer full, every status is acted upon and the scan goes on. The scratch ends where the memory ends:
// a read beyond what was shown traps. Guards around block, result and table show writes.
import assert from "node:assert/strict";
import {
  BLOCK_BYTES,
  EXTENDED,
  INVALID_ACK,
  INVALID_END,
  INVALID_FRAME,
  INVALID_MAX,
  INVALID_TAG,
  INVALID_VARINT,
  RECV_MAX_ITEM,
  RECV_NEXT,
  RESULT_BYTES,
  RING_ACKED_SEQ,
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
  SCAN_UNSEEN,
  SEND_MAX_ITEM,
} from "../../assembly/abi.js";
import type { Core } from "../../src/wasm/core.js";
import { RESULT } from "../../src/wasm/memory.js";
import { bytesAt, peek, poke } from "./builds.js";
import type { DeframeState, Happening, Invalid, Outcome } from "./deframe-model.js";
import { readU32 } from "./reference.js";

const WHY: Record<number, Invalid> = {
  [INVALID_MAX]: "max",
  [INVALID_FRAME]: "frame",
  [INVALID_VARINT]: "varint",
  [INVALID_ACK]: "ack",
  [INVALID_TAG]: "tag",
  [INVALID_END]: "end",
};
const GUARD = 256;
const GUARD_BYTE = 0xc5;
const RING_BYTES = 1_024;

export interface FeedOptions {
  /** What a scan may see; at least 19, the largest header. */
  scratch?: number;
  tableEntries?: number;
  /** Added to every origin. */
  bias?: number;
}

/** A receiving conduit, with a ring of small frames for acks to release. */
export class DeframeDriver {
  readonly block: number;
  readonly #core: Core;
  readonly #guarded: number;

  constructor(core: Core, state: DeframeState) {
    this.#core = core;
    // guard | block | guard | ring | guard
    this.#guarded = core.memory.allocate(3 * GUARD + BLOCK_BYTES + RING_BYTES);
    this.block = this.#guarded + GUARD;
    const { u8 } = core.memory;
    u8.fill(GUARD_BYTE, this.#guarded, this.#guarded + 3 * GUARD + BLOCK_BYTES + RING_BYTES);
    u8.fill(0, this.block, this.block + BLOCK_BYTES);
    core.exports.ringMove(this.block, this.block + BLOCK_BYTES + GUARD, RING_BYTES);
    poke(core, this.block + SEND_MAX_ITEM, 100);
    for (let seq = 0; seq < state.written; seq++)
      assert.notEqual(core.frameEnter(this.block, core.chunk, 0), 0);
    core.exports.ringTake(this.block, RING_BYTES, RING_BYTES);
    if (state.acked > 0) core.exports.ringAck(this.block, state.acked - 1);
    poke(core, this.block + EXTENDED, state.extended ? 1 : 0);
    poke(core, this.block + RECV_NEXT, state.next);
    poke(core, this.block + RECV_MAX_ITEM, state.maxItem);
  }

  /** What came out of the chunks, as the model says it: offsets are those of the whole stream. */
  feed(
    chunks: readonly Uint8Array[],
    { scratch = 65_536, tableEntries = 64, bias = 0 }: FeedOptions = {},
  ): Outcome {
    const { exports, memory, table } = this.#core;
    const happenings: Happening[] = [];
    let frames = 0;
    let bytes = 0;
    let acks = this.#peek(RING_ACKED_SEQ);
    let rest: Uint8Array = new Uint8Array(0);
    /** Offset in the stream of the first byte of `rest`. */
    let offset = 0;
    let need = 0;
    const tableEnd = table + 8 * tableEntries;
    const finish = () => {
      this.#checkGuards();
      return { happenings, frames, bytes, next: this.#peek(RECV_NEXT), acked: this.#peek(RING_ACKED_SEQ) };
    };
    memory.u8.fill(GUARD_BYTE, tableEnd, tableEnd + GUARD);
    memory.u8.fill(GUARD_BYTE, RESULT, RESULT + RESULT_BYTES);

    for (const chunk of chunks) {
      const joined = new Uint8Array(rest.length + chunk.length);
      joined.set(rest);
      joined.set(chunk, rest.length);
      let at = 0;
      let index = 0;
      /** Entries of the table whose items are not reported yet. */
      const report = () => {
        for (let i = 0; i < index; i++) {
          const position = peek(this.#core, table + 8 * i) - bias;
          happenings.push({
            what: "item",
            at: offset + position,
            length: peek(this.#core, table + 8 * i + 4),
          });
        }
        index = 0;
      };
      for (let scans = 0; at < joined.length; scans++) {
        assert.ok(scans < 20 + 2 * joined.length, "the loop ends");
        const available = joined.length - at;
        const visible = Math.min(available, scratch);
        const from = memory.totalBytes - visible;
        memory.u8.set(joined.subarray(at, at + visible), from);
        const status = exports.deframe(
          this.block,
          from,
          visible,
          available,
          at + bias,
          RESULT,
          table,
          index,
          tableEntries,
        );
        const consumed = this.#result(SCAN_CONSUMED);
        need = this.#result(SCAN_NEED);
        assert.ok(consumed <= available && this.#result(SCAN_COUNT) >= index);
        index = this.#result(SCAN_COUNT);
        frames += this.#result(SCAN_FRAMES);
        bytes += this.#result(SCAN_BYTES);
        assert.equal(this.#result(SCAN_ACKED), this.#peek(RING_ACKED_SEQ) === acks ? 0 : 1);
        acks = this.#peek(RING_ACKED_SEQ);
        assert.ok(
          bytesAt(this.#core, tableEnd, GUARD).every((byte) => byte === GUARD_BYTE),
          "behind the table",
        );
        at += consumed;
        if (at < joined.length) assert.equal(need, this.#needAt(joined, at, status), "SCAN_NEED");
        else assert.equal(need, 0, "nothing follows");
        if (status === SCAN_DONE) {
          assert.equal(at, joined.length);
        } else if (status === SCAN_PARTIAL) {
          assert.ok(need === 0 || need > joined.length - at);
          break;
        } else if (status === SCAN_UNSEEN) {
          assert.ok(consumed > 0, "a scan that sees a header makes progress");
        } else if (status === SCAN_FULL) {
          assert.equal(index, tableEntries);
          report();
        } else if (status === SCAN_CONTROL) {
          report();
          happenings.push({ what: "control", at: offset + at + 4, length: need - 4 });
          at += need;
        } else if (status === SCAN_GAP) {
          report();
          const position = this.#result(SCAN_ITEM) - bias;
          const length = this.#result(SCAN_LENGTH);
          happenings.push({ what: "gap", seq: this.#result(SCAN_DETAIL), at: offset + position, length });
          at += need;
        } else {
          assert.equal(status, SCAN_INVALID);
          report();
          happenings.push({ what: "invalid", why: WHY[this.#result(SCAN_DETAIL)], at: offset + at });
          return finish();
        }
      }
      report();
      rest = joined.subarray(at);
      offset += at;
    }
    if (rest.length > 0) happenings.push({ what: "partial", at: offset, need });
    return finish();
  }

  release(): void {
    this.#core.memory.free(this.#guarded, 3 * GUARD + BLOCK_BYTES + RING_BYTES);
  }

  /** Bytes of the record at an offset, as far as its length is known and within bounds. */
  #needAt(bytes: Uint8Array, at: number, status: number): number {
    if (bytes.length - at < 4 || (status === SCAN_UNSEEN && this.#result(SCAN_NEED) === 0)) return 0;
    if (status === SCAN_INVALID && this.#result(SCAN_DETAIL) === INVALID_MAX) return this.#result(SCAN_NEED);
    const header = readU32(bytes, at);
    return 4 + (this.#peek(EXTENDED) ? header % 2 ** 31 : header);
  }

  #checkGuards(): void {
    const starts = [0, GUARD + BLOCK_BYTES, 2 * GUARD + BLOCK_BYTES + RING_BYTES];
    for (const start of starts) {
      const guard = bytesAt(this.#core, this.#guarded + start, GUARD);
      assert.ok(
        guard.every((byte) => byte === GUARD_BYTE),
        "written outside of the block and the ring",
      );
    }
    const beyond = bytesAt(this.#core, RESULT + SCAN_FRAMES + 4, RESULT_BYTES - SCAN_FRAMES - 4);
    assert.ok(
      beyond.every((byte) => byte === GUARD_BYTE),
      "written behind the result",
    );
  }

  #peek(field: number): number {
    return peek(this.#core, this.block + field);
  }

  #result(field: number): number {
    return peek(this.#core, RESULT + field);
  }
}
