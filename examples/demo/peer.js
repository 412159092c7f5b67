// One of the demo's two processes. It holds one end of the session: it sends numbered messages, checks what comes
// in, and tells its parent. Everything that makes the messages survive the cuts is in the library.
import { connect, listen, tcp } from "stable-conduit/node";
import { Checker, Writer } from "./messages.js";

/** @typedef {import("stable-conduit/node").StableConduit} StableConduit */

/**
 * @typedef {object} Settings
 * @property {"initiator" | "acceptor"} role
 * @property {"base" | "extended"} profile
 * @property {number} port where the initiator connects; an acceptor takes any free one
 * @property {number} size bytes of a message
 * @property {number | null} messages to send, or else
 * @property {number | null} milliseconds to send for
 */

/**
 * @typedef {object} Progress
 * @property {number} sent messages
 * @property {number} received all that came, repeated ones too
 * @property {number} distinct different ones that came unchanged
 * @property {number} duplicated
 * @property {number} reordered
 * @property {number} corrupted
 * @property {number} ringBytes sent and not acknowledged
 * @property {number} maxRssMiB the most memory this process had
 */

/**
 * What a peer tells its parent.
 * @typedef {{ type: "listening", port: number }
 *   | { type: "up" }
 *   | { type: "progress", progress: Progress }
 *   | { type: "resumed", ms: number }
 *   | { type: "delivered" }
 *   | { type: "ended" }
 *   | { type: "failed", error: string }} Report
 */

/** @typedef {{ type: "start" } | { type: "close" }} Command what the parent tells a peer */

const PROGRESS_MS = 25;
/** Messages between two looks at the clock. */
const BURST = 256;

/** @type {Settings} */
const settings = JSON.parse(process.argv[2]);
const { role, profile, size } = settings;
const host = "127.0.0.1";

const started = command("start"); // both sides are up
const closing = command("close"); // everything was delivered, both ways

process.once("disconnect", () => process.exit()); // the parent may have been ended

try {
  await (role === "acceptor" ? accept() : initiate());
} catch (error) {
  tell({ type: "failed", error: describe(error) });
}
process.disconnect?.();

async function accept() {
  const acceptor = await listen(tcp.server({ host, port: 0 }), { profile });
  tell({ type: "listening", port: /** @type {{ port: number }} */ (acceptor.address).port });
  for await (const conduit of acceptor) {
    await run(conduit);
    break; // there is only one
  }
  await acceptor.close();
}

async function initiate() {
  // Short waits between attempts, because this link is meant to die often.
  const retry = { baseMs: 2, capMs: 100 };
  const conduit = await connect(tcp({ host, port: settings.port }), { profile, retry });
  // From the death of a link that was open to the next that is: attempts that fail in between count too.
  /** @type {number | null} */
  let downAt = null;
  conduit.on("linkDown", () => {
    downAt ??= performance.now();
  });
  conduit.on("linkUp", () => {
    if (downAt !== null) tell({ type: "resumed", ms: performance.now() - downAt });
    downAt = null;
  });
  await run(conduit);
}

/**
 * The same on both sides.
 * @param {StableConduit} conduit
 */
async function run(conduit) {
  const [mine, theirs] = role === "initiator" ? [1, 2] : [2, 1];
  const writer = new Writer(size, mine);
  const checker = new Checker(size, theirs);
  // A batch is acknowledged when this handler returns.
  conduit.onItems = (batch) => checker.check(batch);
  tell({ type: "up" });
  await started;

  const tellProgress = () => {
    const { received, distinct, duplicated, reordered, corrupted } = checker;
    tell({
      type: "progress",
      progress: {
        sent: writer.count,
        received,
        distinct,
        duplicated,
        reordered,
        corrupted,
        ringBytes: conduit.stats().ringBytes,
        maxRssMiB: process.resourceUsage().maxRSS / 1024,
      },
    });
  };
  const telling = setInterval(tellProgress, PROGRESS_MS);
  const stopTelling = conduit.on("linkDown", tellProgress);
  try {
    await send(conduit, writer);
    await conduit.delivered();
    tell({ type: "delivered" });
    await closing;
    await conduit.close();
  } finally {
    clearInterval(telling);
    stopTelling();
    tellProgress();
  }
  tell({ type: "ended" });
}

/**
 * As fast as the conduit takes it: send() does not wait, `congested` says when to.
 * @param {StableConduit} conduit
 * @param {Writer} writer
 */
async function send(conduit, writer) {
  const count = settings.messages ?? Number.POSITIVE_INFINITY;
  const end = performance.now() + (settings.milliseconds ?? Number.POSITIVE_INFINITY);
  while (writer.count < count && performance.now() < end) {
    for (let i = 0; i < BURST && writer.count < count && !conduit.congested; i++) conduit.send(writer.next());
    if (conduit.congested) await conduit.drained();
  }
}

/** @param {Report} report */
function tell(report) {
  process.send?.(report, undefined, undefined, () => {
    // Not delivered: the parent is gone, and "disconnect" comes next.
  });
}

/**
 * @param {Command["type"]} type
 * @returns {Promise<void>}
 */
function command(type) {
  return new Promise((resolve) => {
    process.on("message", (/** @type {Command} */ message) => {
      if (message.type === type) resolve();
    });
  });
}

/** @param {unknown} error */
function describe(error) {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
