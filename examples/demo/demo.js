// The demo: two processes exchange numbered messages, both ways at once, over a TCP link that is cut again and
// again. It counts what was lost, repeated, reordered or changed, and fails when anything was.
//
//   initiator (peer.js) <--> proxy that cuts (in this process) <--> acceptor (peer.js)
//
//   npm run demo -- --help
import { startChaosProxy } from "./chaos-proxy.js";
import { planByBytes, planByTime } from "./cut-plan.js";
import { HELP, readOptions, UsageError } from "./options.js";
import { PeerProcess } from "./peer-process.js";
import { failures, LiveLine, summarize, table } from "./report.js";

/** @typedef {import("./options.js").Options} Options */
/** @typedef {import("./report.js").Outcome} Outcome */

const LOOK_MS = 100;
/** Nothing moved for so long: a failure. */
const STALLED_MS = 30_000;
/** What a message costs on the wire besides its own bytes, at least. */
const FRAME_BYTES = 10;

try {
  const options = readOptions();
  if (options.help) console.log(HELP);
  else await main(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}

/** @param {Options} options */
async function main(options) {
  const summary = summarize(options, await run(options));
  console.log(options.json ? JSON.stringify(summary) : table(summary));
  process.exitCode = failures(summary).length === 0 ? 0 : 1;
}

/**
 * @param {Options} options
 * @returns {Promise<Outcome>}
 */
async function run(options) {
  const { messages, milliseconds, size, cuts, seed, profile } = options;
  const settings = { profile, size, messages, milliseconds };
  const acceptor = new PeerProcess({ role: "acceptor", port: 0, ...settings });
  const { port } = await acceptor.next("listening");
  const proxy = await startChaosProxy({
    target: { host: "127.0.0.1", port },
    seed,
    cutAfterBytes: () => plan.nextLink(),
  });
  const initiator = new PeerProcess({ role: "initiator", port: proxy.port, ...settings });
  const peers = [initiator, acceptor];
  const arrived = () => initiator.progress.distinct + acceptor.progress.distinct;
  const plan =
    messages === null
      ? planByTime({
          cuts,
          seed,
          milliseconds: milliseconds ?? 0,
          cutsSoFar: () => proxy.cuts,
          cutNow: proxy.cutAll,
        })
      : planByBytes({
          cuts,
          seed,
          totalBytes: 2 * messages * (size + FRAME_BYTES),
          arrivedBytes: () => arrived() * (size + FRAME_BYTES),
          passedBytes: () => proxy.bytes,
        });

  /** @param {"up" | "delivered" | "ended"} type */
  const both = (type) => Promise.all(peers.map((peer) => peer.next(type)));
  const live = new LiveLine(options);
  /** @type {Outcome} */
  const outcome = { initiator, acceptor, cuts: 0, wireBytes: 0, seconds: 0, error: null };
  /** @type {NodeJS.Timeout | undefined} */
  let looking;
  try {
    await both("up");
    const startedAt = performance.now();
    let moved = { arrived: 0, at: startedAt };
    const look = () => {
      const at = performance.now();
      if (arrived() > moved.arrived) moved = { arrived: arrived(), at };
      else if (at - moved.at > STALLED_MS) for (const peer of peers) peer.kill();
      outcome.seconds = (at - startedAt) / 1_000;
      outcome.cuts = proxy.cuts;
      outcome.wireBytes = proxy.bytes;
      live.show(outcome);
    };
    looking = setInterval(look, LOOK_MS);
    const delivered = both("delivered");
    for (const peer of peers) peer.tell("start");
    await delivered;
    look();
    clearInterval(looking);
    plan.stop();
    const ended = both("ended");
    for (const peer of peers) peer.tell("close");
    await ended;
    outcome.cuts = proxy.cuts;
  } catch (error) {
    outcome.error = /** @type {Error} */ (error).message;
  } finally {
    clearInterval(looking);
    plan.stop();
    live.end();
    for (const peer of peers) peer.kill();
    await proxy.close();
  }
  return outcome;
}
