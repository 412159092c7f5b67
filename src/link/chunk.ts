// Copies between the replay ring's memory, which may be shared, and memory that its holder can keep, change and transfer;
// and how a chunk's memory is given back before the garbage collector comes.
import type { Bytes } from "./link.js";

/**
 * What a link hands to its sink. Takes over `bytes` without a copy where they fill an ArrayBuffer of their own, as the chunks of Node's sockets do.
 * A view of shared memory, or of a part of something larger (Buffer's pool, a receive buffer), is copied.
 */
export function ownedChunk(bytes: Uint8Array): Bytes {
  const { buffer } = bytes;
  const whole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
  // A Buffer is wrapped anew: its slice() means something else than a Uint8Array's.
  return whole ? new Uint8Array(buffer) : plainCopy(bytes);
}

/** For what refuses views of shared memory, as browsers' WebSockets do: they are copied, others are not. */
export function plainView(bytes: Uint8Array): Bytes {
  return isShared(bytes) ? plainCopy(bytes) : (bytes as Bytes);
}

// The engine copies out of shared memory byte by byte where the alignments differ, at a fifth of the speed. So bytes
// go to `stage` at their own alignment first, and from there to their place. Used within one call only.
let stage: Uint8Array | undefined;
const STAGE_BYTES = 65_536;
/** Below this the detour costs more than it saves. */
const STAGE_FROM_BYTES = 1_024;

/** A copy in memory of its own. */
export function plainCopy(bytes: Uint8Array): Bytes {
  const { length, byteOffset } = bytes;
  if (length < STAGE_FROM_BYTES || !isShared(bytes)) return new Uint8Array(bytes);
  const copy = new Uint8Array(length);
  if ((byteOffset & 7) === 0) {
    copy.set(bytes);
    return copy;
  }
  stage ??= new Uint8Array(STAGE_BYTES + 8);
  for (let from = 0; from < length; from += STAGE_BYTES) {
    const piece = bytes.subarray(from, from + STAGE_BYTES);
    const staged = stage.subarray(byteOffset & 7, (byteOffset & 7) + piece.length);
    staged.set(piece);
    copy.set(staged, from);
  }
  return copy;
}

function isShared(bytes: Uint8Array): boolean {
  // The name may be missing: pages that are not isolated have none.
  return typeof SharedArrayBuffer !== "undefined" && bytes.buffer instanceof SharedArrayBuffer;
}

/** Less is not worth the call, which takes up to 1 us: the garbage collector has it soon. */
const LEAST_FREED_BYTES = 4_096;

/**
 * Gives a chunk's memory back now: the next chunk is read into it while it is in the cache. All its views are empty
 * afterwards. What is a part of something larger is left to the garbage collector.
 */
export function freeChunk({ buffer, length }: Bytes): void {
  if (length < LEAST_FREED_BYTES || buffer.byteLength !== length) return;
  try {
    drop(buffer);
  } catch {
    // Some memory of a custom transport cannot be given away: linear memory, or what an addon keeps.
  }
}

/** ES2024; Node has it from version 21 on. */
interface TransferableBuffer extends ArrayBuffer {
  transfer(byteLength: number): ArrayBuffer;
}

/** Detaches the buffer, so that its memory belongs to nobody. */
const drop: (buffer: ArrayBuffer) => void =
  "transfer" in ArrayBuffer.prototype
    ? (buffer) => void (buffer as TransferableBuffer).transfer(0)
    : (buffer) => {
        // A port that leads nowhere takes over what is transferred to it, and drops it.
        if (!nowhere) {
          nowhere = new MessageChannel().port1;
          nowhere.close();
        }
        nowhere.postMessage(null, [buffer]);
      };
let nowhere: MessagePort | undefined;
