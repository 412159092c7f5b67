// The asking process of a latency measurement: keeps so many requests under way and takes the time of each answer.
import { leave, next, task, tell } from "../child.js";
import { percentile } from "../statistics.js";
import { loadSystem } from "../system.js";

const { system, size, address, inFlight, warmupSeconds, seconds } = task();
/** Answers that are kept at most: eight seconds of them, where a system is very fast. */
const MAX_ANSWERS = 2_000_000;

/** When the requests that are under way were sent: a ring, because answers come in order. */
const sentAt = new Float64Array(inFlight);
let oldest = 0;
const taken = new Float64Array(MAX_ANSWERS);
let count = 0;
let phase = "warm-up";
let done = () => {};
const payload = new Uint8Array(size).fill(1);

const sender = await (await loadSystem(system)).send(address, { size, answered });

/** @param {number} messages */
function answered(messages) {
  const at = performance.now();
  for (let i = 0; i < messages; i++) {
    if (phase === "measuring" && count < MAX_ANSWERS) taken[count++] = at - sentAt[oldest];
    sentAt[oldest] = at;
    oldest = (oldest + 1) % inFlight;
  }
  if (phase === "over") done();
  else sender.push(payload, messages);
}

const over = new Promise((resolve) => (done = () => resolve(undefined)));
sentAt.fill(performance.now());
sender.push(payload, inFlight);
await sleep(warmupSeconds);
phase = "measuring";
const startAt = performance.now();
await sleep(seconds);
phase = "over";
const elapsed = performance.now() - startAt;
await over;

const sorted = taken.subarray(0, count).sort();
/** @param {number} share */
const us = (share) => percentile(sorted, share) * 1_000;
tell({ p50: us(0.5), p99: us(0.99), p999: us(0.999), requestsPerSecond: (count * 1_000) / elapsed });

await next();
await sender.close();
leave();

/** @param {number} time seconds */
function sleep(time) {
  return new Promise((resolve) => setTimeout(resolve, time * 1_000));
}
