// What deframe and its caller should make of a stream, in plain TypeScript over the whole of it.
import { parseFrame, readU32, readVarint } from "./reference.js";

export interface DeframeState {
  extended: boolean;
  /** Next seq to accept. */
  next: number;
  /** Larger items are a violation. */
  maxItem: number;
  /** Base: the ring's acked and written seqs, which acks are checked against. */
  acked: number;
  written: number;
}

export type Invalid = "max" | "frame" | "varint" | "ack" | "tag" | "end";

/** One thing after another, at offsets of the stream. */
export type Happening =
  | { what: "item"; at: number; length: number }
  | { what: "control"; at: number; length: number }
  /** A frame beyond the next seq; the stream goes on behind it. */
  | { what: "gap"; seq: number; at: number; length: number }
  /** A violation by the record at this offset; nothing behind it is read. */
  | { what: "invalid"; why: Invalid; at: number }
  /** The stream ends within a record of `need` bytes, its length included; 0 = not even its length is there. */
  | { what: "partial"; at: number; need: number };

export interface Outcome {
  happenings: Happening[];
  /** Frames accepted or dropped as duplicates. */
  frames: number;
  /** Bytes of the records whose items were accepted. */
  bytes: number;
  next: number;
  acked: number;
}

export function deframeModel(stream: Uint8Array, state: DeframeState): Outcome {
  const { extended, maxItem, written } = state;
  const outcome: Outcome = { happenings: [], frames: 0, bytes: 0, next: state.next, acked: state.acked };
  const { happenings } = outcome;
  for (let at = 0; at < stream.length; ) {
    const invalid = (why: Invalid) => {
      happenings.push({ what: "invalid", why, at });
      return outcome;
    };
    if (stream.length - at < 4) {
      happenings.push({ what: "partial", at, need: 0 });
      return outcome;
    }
    const header = readU32(stream, at);
    const control = extended && header >= 2 ** 31;
    const length = control ? header - 2 ** 31 : header;
    if (length > (control ? Math.max(maxItem + 15, 1024) : maxItem + 15)) return invalid("max");
    const end = at + 4 + length;
    if (end > stream.length) {
      happenings.push({ what: "partial", at, need: 4 + length });
      return outcome;
    }
    if (control) {
      happenings.push({ what: "control", at: at + 4, length });
      at = end;
      continue;
    }
    // Even the shortest frame has a seq, a tag and an item length.
    if (length < 6) return invalid("frame");
    if (extended && hasTagOne(stream, at + 4, end)) return invalid("tag");
    const frame = parseFrame(stream, at + 4, end);
    if (typeof frame === "string") return invalid(frame);
    const { seq, ack, item } = frame;
    if (end - item > maxItem) return invalid("max");
    if (ack !== null) {
      if (ack >= written) return invalid("ack");
      outcome.acked = Math.max(outcome.acked, ack + 1);
    }
    const ahead = extended ? (seq - outcome.next) >>> 0 : seq - outcome.next;
    if (ahead === 0) {
      if (!extended && seq === 0xffff_ffff) return invalid("end");
      happenings.push({ what: "item", at: item, length: end - item });
      outcome.next = (outcome.next + 1) >>> 0;
      outcome.bytes += end - at;
      outcome.frames++;
    } else if (ahead > 0 && (!extended || ahead <= 2 ** 31)) {
      happenings.push({ what: "gap", seq, at: item, length: end - item });
    } else {
      outcome.frames++;
    }
    at = end;
  }
  return outcome;
}

function hasTagOne(bytes: Uint8Array, at: number, end: number): boolean {
  const seq = readVarint(bytes, at, end, 32);
  return typeof seq !== "string" && seq.end < end && bytes[seq.end] === 1;
}
