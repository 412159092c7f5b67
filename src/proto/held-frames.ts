// Frames that came before their turn, in the base profile [recv.gap]: the reference loses frames at a reconnect and
// permutes them when several tasks send. What is late fills the gap; what is lost has to be sent again, which a
// new link makes the peer do. Both need these frames, or the knowledge that one is missing.
import type { Bytes } from "../link/link.js";
import type { ItemBatch } from "./deframer.js";

const MAX_FRAMES = 1_024;
const MAX_STRIKES = 3;

export class HeldFrames {
  /** Made with the first frame: few sessions ever hold one. */
  #frames: Map<number, ItemBatch> | null = null;
  readonly #maxBytes: number;
  #bytes = 0;
  #struckSeq = -1;
  #strikes = 0;

  /** @param maxBytes of record bytes that may be held */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#frames?.size ?? 0;
  }

  /** Record bytes of all frames. */
  get bytes(): number {
    return this.#bytes;
  }

  /** More than may be held has come behind the gap. */
  get full(): boolean {
    return this.size > MAX_FRAMES || this.#bytes > this.#maxBytes;
  }

  has(seq: number): boolean {
    return this.#frames?.has(seq) ?? false;
  }

  /** Keeps a copy of the item; a seq that is held already stays as it is. */
  hold(seq: number, item: Uint8Array, recordBytes: number): void {
    if (this.has(seq)) return;
    this.#frames ??= new Map();
    const bytes = item.slice() as Bytes;
    this.#frames.set(seq, { bytes, spans: Uint32Array.of(0, bytes.length), recordBytes, shared: false });
    this.#bytes += recordBytes;
  }

  /** The frame that is due, taken out; null = it is not here. */
  take(seq: number): ItemBatch | null {
    const frame = this.#frames?.get(seq);
    if (!frame) return null;
    this.#frames!.delete(seq);
    this.#bytes -= frame.recordBytes;
    return frame;
  }

  /** Forgets what came again in its place: everything before `next`. */
  forgetBefore(next: number): void {
    for (const seq of this.#frames?.keys() ?? []) if (seq < next) this.take(seq);
  }

  clear(): void {
    this.#frames = null;
    this.#bytes = 0;
  }

  /** The last seq of the gap that begins at `missing`. */
  gapEnd(): number {
    return Math.min(...(this.#frames?.keys() ?? [])) - 1;
  }

  /** How many links in a row were given up for the gap at `missing`. */
  strikesAt(missing: number): number {
    return missing === this.#struckSeq ? this.#strikes : 0;
  }

  /** A link is given up for the gap at `missing`. true = too many in a row were, without progress. */
  strike(missing: number): boolean {
    this.#strikes = this.strikesAt(missing) + 1;
    this.#struckSeq = missing;
    return this.#strikes >= MAX_STRIKES;
  }
}
