// The conformance list of test/facade, in a page: against its own WebSocket, or against StableWebSocket over that.
import { StableWebSocket } from "stable-conduit/stable-websocket";
import { LINES } from "../../facade/conformance-list.js";

class Once extends StableWebSocket {
  /**
   * @param {string | URL} url
   * @param {string | string[]} [protocols]
   */
  constructor(url, protocols) {
    super(url, protocols, { retry: { shouldRetry: () => false } });
  }
}

/**
 * @param {{ stable: boolean, url: string, nobody: string }} given
 * @returns {Promise<{ lines: number, failed: string[] }>}
 */
export default async ({ stable, url, nobody }) => {
  const env = { WebSocket: stable ? Once : WebSocket, url, nobody };
  /** @type {string[]} */
  const failed = [];
  for (const { title, run } of LINES) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("not within 5 s")), 5_000);
    });
    try {
      await Promise.race([run(env), late]);
    } catch (error) {
      failed.push(`${title}: ${/** @type {Error} */ (error).message}`);
    }
    clearTimeout(timer);
  }
  return { lines: LINES.length, failed };
};
