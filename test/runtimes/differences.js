// What other runtimes than Node do otherwise, and the tests that show it: these may fail there, and no others.
// npm run test:runtimes compares, and prints the reasons. A test that starts to pass is told as well.

/**
 * @typedef {object} Difference
 * @property {"bun" | "deno"} runtime
 * @property {string} why one line
 * @property {string} [issue] the runtime's own, or its repair: owner/repository#number
 * @property {RegExp[]} tests full names
 */

/** They ask process.getActiveResourcesInfo() what keeps the process alive. That it may end is tested with processes as well. */
const COUNTED = [
  /^(tcp\.server|webSocketServer|sharedMemory|messagePort)\(\) unref\(\) .*lets the process end/,
];

/** @type {Difference[]} */
export const DIFFERENCES = [
  {
    runtime: "bun",
    why: "what keeps a process alive cannot be counted, `process.getActiveResourcesInfo()` is always empty",
    issue: "oven-sh/bun#24538",
    tests: [
      ...COUNTED,
      /^abort\(\) a session that is aborted while the peer reads nothing gives its link up/,
    ],
  },
  {
    runtime: "bun",
    why: "`assert.deepStrictEqual` takes equal maps for different ones when their keys are objects; what is decoded is right",
    issue: "oven-sh/bun#28763",
    tests: [
      /^SEED=\d+ what is decoded is what was encoded$/,
      /^SEED=\d+ bytes that nobody encoded are a value or CONDUIT_DECODE$/,
    ],
  },
  {
    runtime: "bun",
    why: "what a socket brings at once can be 512 KiB, and be as much above `receiveWindow`",
    tests: [/ in the base profile a consumer that is stalled pauses the link \[ext\.window\]$/],
  },
  {
    runtime: "bun",
    why: "memory that was given back still counts in `process.memoryUsage()` until the garbage collector has come by",
    tests: [/^freeChunk\(\), which release\(\) calls, gives memory back before the garbage collector comes$/],
  },
  {
    runtime: "deno",
    why: "`process.getActiveResourcesInfo()` counts sockets that are unref'd, and no ports",
    issue: "denoland/deno#35071",
    tests: COUNTED,
  },
  {
    runtime: "deno",
    why: "a paused socket does not notice that the peer has ended; it does on resume, or when the peer lets go, after 2 s",
    tests: [/ link that is ended tells a paused peer so, when there are no bytes before it$/],
  },
  {
    runtime: "deno",
    why: "a paused TLS socket goes on taking what the peer sends: only the window of the extended profile bounds it",
    tests: [/^a TLS link holds the peer back while paused/],
  },
  {
    runtime: "deno",
    why: "a TLS socket does not report a write of no bytes; a session makes none",
    tests: [/^a TLS link reports each write once, also those of no bytes$/],
  },
  {
    runtime: "deno",
    why: "`tls` and `https` take a certificate that is none; handshakes fail instead",
    tests: [
      /^tcp\(\) with TLS refuses options that cannot be used with CONDUIT_OPTIONS/,
      /^webSocketServer\(\) refuses a path that is none and a limit out of range/,
    ],
  },
  {
    runtime: "deno",
    why: "what a port has kept is lost when the other side closes before it is started; conduits start theirs at once",
    tests: [/MessagePort.* link keeps a peer's last bytes and its end for start\(\)$/],
  },
  {
    runtime: "deno",
    why: "a session that waits for its next link keeps the memory of a link that was cut until it has one, or ends",
    tests: [/^a session that waits for its next link holds nothing of the dead one$/],
  },
];
