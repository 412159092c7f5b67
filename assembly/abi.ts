// The memory that AssemblyScript and TypeScript share, as offsets. This file is compiled by both:
// plain constants only, no types. All fields are u32, little endian.
//
// One block per conduit, BLOCK_BYTES long:
//
//      0          replay ring                     72        receiving
//      +--------------------------------------- ~ +----------------------------+
//      | region, positions, seqs, byte counts     | next seq, handed, limits   |
//      +--------------------------------------- ~ +----------------------------+
//
// The ring's region, not wrapped and wrapped (tail <= acked <= sent <= head in the order of seqs):
//
//      0        tail   acked    sent        head             capacity
//      |  free  | pinned | in flight | unsent |     free         |
//
//      0           head        tail            limit         capacity
//      |  newer     |   free     |   older       | unused gap     |
//
// A slot is what a byte stream carries: u32 length, then the frame. Slots never wrap: a slot that does not
// fit before the capacity starts at 0, and `limit` marks the end of the older part.

export const RING_BASE = 0; // address of the region; 0 = the ring has none
export const RING_CAPACITY = 4; // bytes
export const RING_LIMIT = 8; // wrap mark; 0 = not wrapped
export const RING_TAIL = 12; // first offset that may not be overwritten: min(acked, pinned)
export const RING_ACKED = 16; // offset of the oldest unacknowledged slot
export const RING_SENT = 20; // offset of the next slot to write
export const RING_HEAD = 24; // offset behind the newest slot
export const RING_RESERVED = 28; // offset that ringReserve chose for the next slot
export const RING_ACKED_SEQ = 32; // seq at `acked`
export const RING_SENT_SEQ = 36; // seq at `sent`
export const RING_WRITTEN_SEQ = 40; // one beyond the newest seq ever written to a link
export const RING_HEAD_SEQ = 44; // seq of the next commit
export const RING_WRAP_SEQ = 48; // seq of the slot at offset 0, when wrapped
export const RING_IN_FLIGHT = 52; // bytes in slots acked..sent
export const RING_UNSENT = 56; // bytes in slots sent..head
export const RING_PIN = 60; // offset of the oldest slot that a pending write still reads
export const RING_PIN_SEQ = 64; // its seq
export const RING_PINNED = 68; // 1 = the two fields above hold

export const RECV_NEXT = 72; // next seq to accept
export const RECV_HANDED = 76; // next seq to hand over: one beyond what an ack may say
export const RECV_CARRIED = 80; // RECV_HANDED as the newest committed frame carries it (base)
export const RECV_MAX_ITEM = 84; // larger items are a violation
export const SEND_MAX_ITEM = 88; // larger items are refused
export const EXTENDED = 92; // 1 = extended profile: serial seqs, acks travel as records

export const BLOCK_BYTES = 128;

// Answers of ringAck.
export const ACK_OLD = 0;
export const ACK_NEW = 1;
export const ACK_INVALID = 2;

// Answers of deframe.
export const SCAN_DONE = 0; // the chunk ends with a record
export const SCAN_PARTIAL = 1; // the chunk ends within a record
export const SCAN_CONTROL = 2; // a whole control record follows
export const SCAN_FULL = 3; // no room in the table
export const SCAN_GAP = 4; // a whole frame with a seq beyond the next follows
export const SCAN_UNSEEN = 5; // the next frame's header lies outside of the copied part
export const SCAN_INVALID = 6; // a violation follows; SCAN_DETAIL says which

// What is invalid (SCAN_DETAIL).
export const INVALID_MAX = 1; // [link.max]
export const INVALID_FRAME = 2; // [frame.exact]
export const INVALID_VARINT = 3; // [frame.minimal]
export const INVALID_ACK = 4; // [ack.invalid]
export const INVALID_TAG = 5; // [ext.data]
export const INVALID_END = 6; // [seq.serial], the sequence is used up

// The result of deframe and of the readers, RESULT_BYTES long.
export const SCAN_CONSUMED = 0; // bytes of whole records that were read
export const SCAN_COUNT = 4; // entries now in the table
export const SCAN_NEED = 8; // bytes of the record that follows, its length included; 0 = not known yet
export const SCAN_DETAIL = 12; // INVALID_*, or the seq of a gap
export const SCAN_ITEM = 16; // gap: offset of the item in the chunk
export const SCAN_LENGTH = 20; // gap: its length
export const SCAN_BYTES = 24; // bytes of the records that were entered into the table
export const SCAN_ACKED = 28; // 1 = an ack released something
export const SCAN_FRAMES = 32; // frames read, duplicates included
export const RESULT_BYTES = 64;

// The result of frameParse.
export const FRAME_SEQ = 0;
export const FRAME_HAS_ACK = 4;
export const FRAME_ACK = 8;
export const FRAME_ITEM = 12; // address
export const FRAME_LENGTH = 16;

/** Frame overhead at most: link length 4, seq 5, tag 1, ack 5, item length 4. */
export const MAX_OVERHEAD = 19;

/** A control record may always be as long as this, however small the items are [link.max]. */
export const MIN_CONTROL_BYTES = 1024;

// Scatter plan: entries of PLAN_ENTRY bytes.
export const PLAN_SOURCE = 0; // address of staged bytes; 0 = a referenced segment that the caller copies
export const PLAN_LENGTH = 4;
export const PLAN_TARGET = 8; // out: the segment's final address
export const PLAN_ENTRY = 12;
