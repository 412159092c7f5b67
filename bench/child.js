// The child's end of a Peer.

/** @type {unknown[]} */
const messages = [];
let wake = () => {};
process.on("message", (message) => {
  messages.push(message);
  wake();
});
// A parent that is gone has no use for us.
process.once("disconnect", () => process.exit());

/**
 * The task that the parent gave.
 * @returns {any}
 */
export function task() {
  return JSON.parse(process.argv[2]);
}

/** @param {object} message */
export function tell(message) {
  process.send?.(message);
}

/**
 * The parent's next message.
 * @returns {Promise<any>}
 */
export async function next() {
  while (messages.length === 0) await new Promise((resolve) => (wake = () => resolve(undefined)));
  return messages.shift();
}

/** Ends the process, whatever is still open. */
export function leave() {
  process.disconnect();
}
