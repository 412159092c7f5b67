// Measures one implementation of the hot path with items of one size, in a process of its own: engines optimise for
// what a process did before. Each operation is taken in short slices, of which one among the fastest counts: what else
// the machine does only ever adds.
import { leave, task, tell } from "../child.js";
import { percentile } from "../statistics.js";
import { coreOf } from "./core.js";

const { system, size, seconds } = task();

const SLICE_MS = 1;
/** What a flush gathers, and what a socket read brings. */
const RUN_BYTES = 65_536;
const TAKE_BYTES = 262_144;

const core = coreOf(system);
/** Items of different places in one block, as they come from a program. */
const perRun = Math.max(1, Math.floor(RUN_BYTES / size));
const block = new Uint8Array(perRun * size).map((_, i) => i);
const items = Array.from({ length: perRun }, (_, i) => block.subarray(i * size, (i + 1) * size));
const lengths = new Uint32Array(perRun).fill(size);
let sent = 0;

/** Makes the ring empty again. */
function drain() {
  while (core.take(TAKE_BYTES) > 0);
  core.ack(sent - 1);
}

/** One pass: a run of items, each with its own call. */
function encode() {
  for (let i = 0; i < perRun; i++) {
    if (core.enter(items[i])) sent++;
    else {
      drain();
      i--;
    }
  }
}

/** The same with one call. */
function batch() {
  for (let left = perRun; left > 0; ) {
    const whole = left === perRun;
    const done = core.enterBatch(
      whole ? block : block.subarray((perRun - left) * size),
      whole ? lengths : lengths.subarray(perRun - left),
    );
    sent += done;
    left -= done;
    if (left > 0) drain();
  }
}

/** Fills the ring, and gives it all to a link. */
function fill() {
  drain();
  while (core.enter(items[0])) sent++;
  while (core.take(TAKE_BYTES) > 0);
}

const results = {
  encode: nanoseconds(encode, perRun),
  batch: nanoseconds(batch, perRun),
  scan: scan(),
  ...ackAndRewind(),
};
tell(results);
leave();

/** A chunk of the ring's own bytes, as large as a socket read, again and again. */
function scan() {
  drain();
  const first = sent;
  encode();
  const chunk = core.bytes.slice(0, core.take(2 ** 30));
  const pass = () => {
    core.next = first;
    if (core.scan(chunk).length !== 2 * perRun) throw new Error("items are missing");
  };
  return nanoseconds(pass, perRun);
}

/** Of a full ring: an ack for each run, as the other side sends them; and writing it all again. */
function ackAndRewind() {
  const acks = [];
  const rewinds = [];
  for (let until = performance.now() + 2 * seconds * 1_000; performance.now() < until; ) {
    fill();
    const first = sent;
    let startedAt = performance.now();
    core.rewind();
    let bytes = 0;
    for (let run = core.take(TAKE_BYTES); run > 0; run = core.take(TAKE_BYTES)) bytes += run;
    const slots = Math.floor(bytes / (size + 10)); // about; a seq may have more bytes
    rewinds.push(((performance.now() - startedAt) * 1e6) / slots);
    startedAt = performance.now();
    let acked = 0;
    for (let seq = first - slots + perRun; seq < first; seq += perRun) if (core.ack(seq)) acked += perRun;
    if (acked > 0) acks.push(((performance.now() - startedAt) * 1e6) / acked);
  }
  return { ack: fast(acks), rewind: fast(rewinds) };
}

/**
 * Per item.
 * @param {() => void} pass
 * @param {number} perPass items of a pass
 */
function nanoseconds(pass, perPass) {
  let passes = 1;
  const warmUntil = performance.now() + Math.min(300, seconds * 500);
  for (let took = 0; took < SLICE_MS || performance.now() < warmUntil; ) {
    const startedAt = performance.now();
    for (let i = 0; i < passes; i++) pass();
    took = performance.now() - startedAt;
    if (took < SLICE_MS) passes *= 2;
  }
  const slices = [];
  for (let until = performance.now() + seconds * 1_000; performance.now() < until; ) {
    const startedAt = performance.now();
    for (let i = 0; i < passes; i++) pass();
    slices.push(((performance.now() - startedAt) * 1e6) / (passes * perPass));
  }
  return fast(slices);
}

/** @param {number[]} slices */
function fast(slices) {
  return percentile(Float64Array.from(slices).sort(), 0.1);
}
