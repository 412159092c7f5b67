// One of the demo's two processes (peer.js), as seen by the parent.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** @typedef {import("./peer.js").Command} Command */
/** @typedef {import("./peer.js").Progress} Progress */
/** @typedef {import("./peer.js").Report} Report */
/** @typedef {import("./peer.js").Settings} Settings */

const SCRIPT = fileURLToPath(new URL("peer.js", import.meta.url));

export class PeerProcess {
  /** @type {Progress} what it told last */
  progress = {
    sent: 0,
    received: 0,
    distinct: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    ringBytes: 0,
    maxRssMiB: 0,
  };
  /** @type {number[]} how long each resume took, milliseconds */
  resumes = [];

  #process;
  /** @type {Map<Report["type"], (report: any) => void>} */
  #awaited = new Map();
  /** @type {Promise<never>} */
  #failure;

  /** @param {Settings} settings */
  constructor(settings) {
    const child = fork(SCRIPT, [JSON.stringify(settings)]);
    this.#process = child;
    this.#failure = new Promise((_, reject) => {
      child.on("message", (/** @type {Report} */ report) => {
        if (report.type === "progress") this.progress = report.progress;
        else if (report.type === "resumed") this.resumes.push(report.ms);
        else if (report.type === "failed") reject(new Error(`the ${settings.role} failed: ${report.error}`));
        else this.#awaited.get(report.type)?.(report);
      });
      child.on("exit", (code, signal) => {
        reject(new Error(`the ${settings.role} ended early (${signal ?? code})`));
      });
    });
    this.#failure.catch(() => {}); // whoever awaits next() is told
  }

  /**
   * The report of this type, once; rejects when the process fails or ends instead.
   * @template {Report["type"]} T
   * @param {T} type
   * @returns {Promise<Extract<Report, { type: T }>>}
   */
  next(type) {
    return Promise.race([
      this.#failure,
      new Promise((resolve) => {
        this.#awaited.set(type, resolve);
      }),
    ]);
  }

  /** @param {Command["type"]} type */
  tell(type) {
    if (this.#process.connected) this.#process.send({ type });
  }

  kill() {
    this.#process.kill("SIGKILL");
  }
}
