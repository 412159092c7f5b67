// What a link hands to its sink: a chunk with memory of its own. It can be kept, changed and transferred to a worker.
import type { Bytes } from "./link.js";

/**
 * Takes over `bytes` without a copy where they fill an ArrayBuffer of their own, as the chunks of Node's sockets do.
 * A view of shared memory, or of a part of something larger (Buffer's pool, a receive buffer), is copied.
 */
export function ownedChunk(bytes: Uint8Array): Bytes {
  const { buffer } = bytes;
  const whole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
  // A Buffer is wrapped anew: its slice() means something else than a Uint8Array's.
  return whole ? new Uint8Array(buffer) : new Uint8Array(bytes);
}
