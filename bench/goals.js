// What this package wants to reach, as ratios of one run wherever another system is the measure.
import { ratio } from "./statistics.js";
import { figure } from "./tables.js";

/** @typedef {Partial<Record<string, import("./bench.js").Report>>} Reports by suite */

/**
 * @typedef {object} Goal
 * @property {string} work
 * @property {string} goal
 * @property {string} measured "" = not measured
 * @property {boolean | null} met
 */

/**
 * @param {Reports} reports
 * @returns {Goal[]}
 */
export function goals(reports) {
  /**
   * A result of a suite.
   * @param {string} suite
   * @param {Record<string, unknown>} which
   */
  const result = (suite, which) =>
    reports[suite]?.results.find((candidate) =>
      Object.entries(which).every(([field, value]) => candidate[field] === value),
    );

  /**
   * The ratio of one field's rounds, ours to another's.
   * @param {string} suite
   * @param {Record<string, unknown>} ours
   * @param {Record<string, unknown>} other fields that differ
   */
  const times = (suite, ours, other) => {
    const [a, b] = [result(suite, ours), result(suite, { ...ours, ...other })];
    return a && b ? ratio(a.rounds, b.rounds) : undefined;
  };

  /**
   * @param {string} work
   * @param {string} goal
   * @param {number | undefined} value
   * @param {"at least" | "at most" | "below"} relation
   * @param {number} bound
   * @param {string} [unit]
   * @returns {Goal}
   */
  const check = (work, goal, value, relation, bound, unit = "") => {
    if (value === undefined || !Number.isFinite(value)) return { work, goal, measured: "", met: null };
    const met =
      relation === "at least" ? value >= bound : relation === "at most" ? value <= bound : value < bound;
    return { work, goal, measured: `${figure(value)}${unit}`, met };
  };

  const small = { system: "stable-conduit", size: 64 };
  const idle = { ...small, inFlight: 1 };
  const oneWay = "64 B one way, `send` per item, view per item";
  const cut = result("resume", { system: "stable-conduit", size: 0 });
  const batch = result("throughput", { system: "stable-conduit-batch", size: 64 });
  const detached = result("sessions", { system: "stable-conduit", size: 100_000, mode: "detached" });
  const replay = { system: "stable-conduit", size: 2 ** 26 };
  const formats = ["msgpackr", "protobufjs", "avsc", "json", "msgpack"];
  /**
   * How much less time one value takes than with the fastest other format.
   * @param {string} name
   * @param {"encode" | "decode"} operation
   */
  const formatTimes = (name, operation) => {
    const taken = [...formats, "stable-conduit"].map(
      (system) => result("codec", { system, case: name, operation })?.nsPerOp ?? Number.NaN,
    );
    const ours = taken.pop() ?? Number.NaN;
    return Math.min(...taken) / ours;
  };
  /** @param {"encode" | "decode"} operation */
  const copyTimes = (operation) =>
    (result("codec", { system: "stable-conduit", case: "blob", operation })?.nsPerOp ?? Number.NaN) /
    (result("codec", { system: "copy", case: "blob", operation })?.nsPerOp ?? Number.NaN);
  const over = (/** @type {number | undefined} */ value) => (value === undefined ? undefined : 1 / value);
  /** @param {string} operation */
  const twin = (operation) =>
    over(times("core", { system: "wasm-shared", size: 64, operation }, { system: "twin" }));
  return [
    check(oneWay, "≥ 60 × ws", times("throughput", small, { system: "ws" }), "at least", 60, " ×"),
    check(
      "",
      "≥ 150 × Socket.IO",
      times("throughput", small, { system: "socket.io" }),
      "at least",
      150,
      " ×",
    ),
    check("", "≥ 20 × vox-core", times("throughput", small, { system: "vox-core" }), "at least", 20, " ×"),
    check("", "≥ 0.45 × raw net", times("throughput", small, { system: "net" }), "at least", 0.45, " ×"),
    check(
      "64 B with `sendBatch` and spans",
      "≥ 0.6 × raw net",
      times("throughput", { system: "stable-conduit-batch", size: 64 }, { system: "net" }),
      "at least",
      0.6,
      " ×",
    ),
    check(
      "16 KiB one way",
      "≥ 0.95 × raw net",
      times("throughput", { system: "stable-conduit", size: 16_384 }, { system: "net" }),
      "at least",
      0.95,
      " ×",
    ),
    check(
      "64 B over WebSocket, towards the server",
      "≥ 15 × ws",
      times("websocket", { system: "stable-conduit-ws", size: 64 }, { system: "ws" }),
      "at least",
      15,
      " ×",
    ),
    check(
      "towards the client",
      "≥ 40 × ws",
      times("websocket", { system: "stable-conduit-ws-to-client", size: 64 }, { system: "ws-to-client" }),
      "at least",
      40,
      " ×",
    ),
    check(
      "64 B between threads, shared memory",
      "≥ 10 × MessagePort",
      times("threads", { system: "shared-memory", size: 64 }, { system: "postMessage" }),
      "at least",
      10,
      " ×",
    ),
    check(
      "Round trip of 64 B, p50",
      "≤ 1.10 × raw net",
      times("latency", idle, { system: "net" }),
      "at most",
      1.1,
      " ×",
    ),
    check("", "below ws", times("latency", idle, { system: "ws" }), "below", 1, " ×"),
    check("", "below Rust echoing", times("latency", idle, { system: "vox-core-echo" }), "below", 1, " ×"),
    check(
      "Hot path at 64 B, TypeScript twin / WASM: encode",
      "≥ 1.3 ×",
      twin("encode"),
      "at least",
      1.3,
      " ×",
    ),
    check("encode with one call for many", "≥ 1.3 ×", twin("batch"), "at least", 1.3, " ×"),
    check("scan", "≥ 2.5 ×", twin("scan"), "at least", 2.5, " ×"),
    check(
      "JavaScript heap per item, `sendBatch` and spans, both sides",
      "≤ 16 B",
      batch ? batch.senderHeapBytesPerItem + batch.receiverHeapBytesPerItem : undefined,
      "at most",
      16,
      " B",
    ),
    check("From a cut to the first replayed item, p50", "≤ 5 ms", cut?.ms, "at most", 5, " ms"),
    check(
      "Replay of 64 MiB",
      "≥ 0.7 × raw net",
      over(times("resume", replay, { system: "net" })),
      "at least",
      0.7,
      " ×",
    ),
    check(
      "100 k idle sessions without a link, RSS each",
      "≤ 10 KiB (aim: 2 KiB)",
      detached ? detached.rssBytes / 1_024 : undefined,
      "at most",
      10,
      " KiB",
    ),
    ...["state", "order"].flatMap((name) => [
      check(
        `Typed messages, ${name === "state" ? "a game's state of 46 B" : "an order of 45 strings"}: encode`,
        "≥ 2.5 × the fastest other format",
        formatTimes(name, "encode"),
        "at least",
        2.5,
        " ×",
      ),
      check("decode", "≥ 1.2 ×", formatTimes(name, "decode"), "at least", 1.2, " ×"),
    ]),
    check("64 KiB of bytes: encode", "≤ 1.3 × a copy in memory", copyTimes("encode"), "at most", 1.3, " ×"),
    check("decode", "≤ 1.3 ×", copyTimes("decode"), "at most", 1.3, " ×"),
  ];
}
