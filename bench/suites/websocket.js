// One way over WebSocket, between two processes of Node, in both directions: a client has to mask what it sends.
import { ratio } from "../statistics.js";
import { figure, short, size as sizeOf } from "../tables.js";

/** @typedef {import("./throughput.js").Result} Result */

export { run } from "./throughput.js";

/** Each system with what it is compared with. */
const PAIRS = [
  ["stable-conduit-ws", "ws"],
  ["stable-conduit-ws", "undici"],
  ["stable-conduit-ws-to-client", "ws-to-client"],
];

export const about =
  "One way over WebSocket between two processes. Towards the server the client masks every byte in JavaScript, which " +
  "bounds all of them; towards the client (`-to-client`) nothing is masked. `stable-conduit-ws` uses the `ws` package on both sides.";

export const defaults = {
  systems: ["stable-conduit-ws", "ws", "undici", "stable-conduit-ws-to-client", "ws-to-client"],
  sizes: [64, 1024, 16_384],
  rounds: 5,
  seconds: 1.5,
  quick: { sizes: [64], rounds: 3, seconds: 1 },
};

/**
 * @param {Result[]} results
 * @returns {import("../tables.js").Table[]}
 */
export function tables(results) {
  const sizes = [...new Set(results.map(({ size }) => size))];
  /** @param {string} system @param {number} size */
  const find = (system, size) => results.find((result) => result.system === system && result.size === size);
  return [
    {
      title: "Over WebSocket, items per second, and how many times as many",
      head: ["system, item", "items/s", "range", "against", "items/s", "range", "ratio"],
      rows: sizes.flatMap((size) =>
        PAIRS.flatMap(([ours, theirs]) => {
          const [a, b] = [find(ours, size), find(theirs, size)];
          if (!a || !b) return [];
          const cells = [a, b].map(({ messagesPerSecond, messagesPerSecondRange }) => [
            short(messagesPerSecond),
            messagesPerSecondRange.map(short).join(" - "),
          ]);
          return [
            [`${ours}, ${sizeOf(size)}`, ...cells[0], theirs, ...cells[1], figure(ratio(a.rounds, b.rounds))],
          ];
        }),
      ),
    },
  ];
}
