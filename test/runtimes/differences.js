// What other runtimes than Node do otherwise, and the tests that show it: these may fail there, and no others.
// npm run test:runtimes compares, and prints the reasons into README.md. A test that starts to pass is told as well.

/**
 * @typedef {object} Difference
 * @property {"bun" | "deno"} runtime
 * @property {string} why one line for README.md
 * @property {string} [issue] the runtime's own, or its repair: owner/repository#number
 * @property {RegExp[]} tests full names
 */

/** @type {Difference[]} */
export const DIFFERENCES = [];
