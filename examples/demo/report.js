// What the demo shows: a live line while it runs, then a table or an object of JSON.

/** @typedef {import("./options.js").Options} Options */
/** @typedef {import("./peer-process.js").PeerProcess} PeerProcess */

/**
 * @typedef {object} Outcome how a run stands, or ended
 * @property {PeerProcess} initiator
 * @property {PeerProcess} acceptor
 * @property {number} cuts
 * @property {number} wireBytes through the proxy, what was sent again included
 * @property {number} seconds since the first message
 * @property {string | null} error why it came to no end
 */

/** @typedef {ReturnType<typeof summarize>} Summary */

const WRONG = /** @type {const} */ (["lost", "duplicated", "reordered", "corrupted"]);

/**
 * The figures; counts are summed over both directions.
 * @param {Options} options
 * @param {Outcome} outcome
 */
export function summarize(
  { profile, size, seed, cuts: cutsAsked },
  { initiator, acceptor, cuts, wireBytes, seconds, error },
) {
  const there = direction(initiator, acceptor);
  const back = direction(acceptor, initiator);
  const sum = /** @param {keyof typeof there} name */ (name) => there[name] + back[name];
  const resumes = initiator.resumes.toSorted((a, b) => a - b);
  return {
    sent: sum("sent"),
    received: sum("received"),
    lost: sum("lost"),
    duplicated: sum("duplicated"),
    reordered: sum("reordered"),
    corrupted: sum("corrupted"),
    cuts,
    resumeP50Ms: percentile(resumes, 0.5),
    resumeP99Ms: percentile(resumes, 0.99),
    messagesPerSecond: Math.round(sum("received") / seconds),
    peakRssMiB: rounded(Math.max(initiator.progress.maxRssMiB, acceptor.progress.maxRssMiB)),

    profile,
    size,
    seed,
    cutsAsked,
    seconds: rounded(seconds),
    resumes: resumes.length,
    wireBytes,
    initiatorRssMiB: rounded(initiator.progress.maxRssMiB),
    acceptorRssMiB: rounded(acceptor.progress.maxRssMiB),
    directions: { toAcceptor: there, toInitiator: back },
    error,
  };
}

/**
 * @param {PeerProcess} sender
 * @param {PeerProcess} receiver
 */
function direction(sender, receiver) {
  const { sent } = sender.progress;
  const { received, distinct, duplicated, reordered, corrupted } = receiver.progress;
  return { sent, received, lost: sent - distinct, duplicated, reordered, corrupted };
}

/**
 * @param {Summary} summary
 * @returns {string[]} what went wrong; empty = nothing
 */
export function failures(summary) {
  const { cuts, cutsAsked, error } = summary;
  const wrong = WRONG.filter((name) => summary[name] > 0).map((name) => `${grouped(summary[name])} ${name}`);
  if (cuts < cutsAsked) wrong.push(`only ${cuts} of ${cutsAsked} cuts happened`);
  if (error) wrong.push(error);
  return wrong;
}

/** @param {Summary} summary */
export function table(summary) {
  const { toAcceptor, toInitiator } = summary.directions;
  const { messagesPerSecond, size, resumeP50Ms, resumeP99Ms } = summary;
  const rows = /** @type {const} */ (["sent", "received", ...WRONG]).map((name) =>
    row(name, grouped(toAcceptor[name]), grouped(toInitiator[name]), grouped(summary[name])),
  );
  const wrong = failures(summary);
  return [
    row("", "to the acceptor", "to the initiator", "both ways"),
    ...rows,
    "",
    `cuts          ${summary.cuts}, ${megabytes(summary.wireBytes)} on the wire for ${megabytes(summary.sent * size)} of messages`,
    `resume time   p50 ${milliseconds(resumeP50Ms)}, p99 ${milliseconds(resumeP99Ms)}, of ${summary.resumes} resumes`,
    `throughput    ${grouped(messagesPerSecond)} messages/s, ${megabytes(messagesPerSecond * size)}/s, in ${summary.seconds.toFixed(1)} s`,
    `peak RSS      initiator ${summary.initiatorRssMiB.toFixed(0)} MiB, acceptor ${summary.acceptorRssMiB.toFixed(0)} MiB`,
    `seed          ${summary.seed}`,
    "",
    wrong.length === 0
      ? "Every message arrived once, in order and unchanged."
      : `FAILED: ${wrong.join("; ")}.`,
  ].join("\n");
}

/**
 * @param {string} name
 * @param {string[]} cells
 */
function row(name, ...cells) {
  return name.padEnd(12) + cells.map((cell) => cell.padStart(18)).join("");
}

/** The line that changes in place: on stderr, so that stdout has only the result, and only for a person. */
export class LiveLine {
  #out = process.stderr;
  #on = process.stderr.isTTY;
  #rate = 0;
  #before = { received: 0, seconds: 0 };
  #cutsAsked;

  /** @param {Options} options */
  constructor({ messages, milliseconds, size, cuts, profile }) {
    this.#cutsAsked = cuts;
    if (!this.#on) return;
    const what =
      messages === null ? `${(milliseconds ?? 0) / 1_000} s of messages` : `${grouped(messages)} messages`;
    this.#out.write(`${what} each way, ${size} bytes each, ${cuts} cuts, ${profile} profile\n`);
  }

  /** @param {Outcome} outcome */
  show({ initiator, acceptor, cuts, seconds }) {
    if (!this.#on) return;
    const received = initiator.progress.received + acceptor.progress.received;
    const rate = (received - this.#before.received) / Math.max(0.001, seconds - this.#before.seconds);
    this.#before = { received, seconds };
    this.#rate += (rate - this.#rate) * (this.#rate === 0 ? 1 : 0.2);
    const ringKiB = (initiator.progress.ringBytes + acceptor.progress.ringBytes) / 1_024;
    const line = [
      `${grouped(received).padStart(11)} messages`,
      `${grouped(this.#rate).padStart(10)}/s`,
      `${cuts} of ${this.#cutsAsked} cuts survived`,
      `${grouped(ringKiB).padStart(7)} KiB in the rings`,
    ].join("   ");
    this.#out.write(`\r${line}\x1b[K`);
  }

  end() {
    if (this.#on) this.#out.write("\r\x1b[K");
  }
}

/**
 * @param {number[]} sorted
 * @param {number} p from 0 to 1
 * @returns {number | null}
 */
function percentile(sorted, p) {
  if (sorted.length === 0) return null;
  return rounded(sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]);
}

/** @param {number} value */
function rounded(value) {
  return Math.round(value * 100) / 100;
}

/** @param {number | null} value */
function milliseconds(value) {
  return value === null ? "-" : `${value.toFixed(1)} ms`;
}

/** @param {number} value */
function grouped(value) {
  return Math.round(value).toLocaleString("en-US").replaceAll(",", " ");
}

/** @param {number} bytes */
function megabytes(bytes) {
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${grouped(bytes / 1e6)} MB`;
}
