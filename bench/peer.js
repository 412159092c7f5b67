// A child process with one side of a measurement (child.js is its end). The two tell each other JSON, in turns.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const PATIENCE_MS = 60_000;

export class Peer {
  /** @type {any[]} */
  #messages = [];
  /** @type {Error | null} */
  #failure = null;
  #wake = () => {};
  #child;
  /** @type {Promise<void>} */
  exited;

  /**
   * @param {string} module relative to bench/
   * @param {object} task the child's argument
   * @param {string[]} execArgv options for the child's Node
   */
  constructor(module, task, execArgv = []) {
    const path = fileURLToPath(new URL(module, import.meta.url));
    this.#child = fork(path, [JSON.stringify(task)], {
      execArgv,
      stdio: ["ignore", "ignore", "inherit", "ipc"], // stdout is for results only
    });
    this.#child.on("message", (message) => {
      this.#messages.push(message);
      this.#wake();
    });
    this.exited = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => {
        this.#failure = new Error(`${module} ended with ${signal ?? code}`);
        this.#wake();
        resolve();
      });
    });
  }

  /**
   * The child's next message. Rejects when the child has ended or says nothing for too long.
   * @returns {Promise<any>}
   */
  async next() {
    const timer = setTimeout(() => {
      this.#failure = new Error(`no answer within ${PATIENCE_MS} ms`);
      this.#wake();
    }, PATIENCE_MS);
    try {
      while (this.#messages.length === 0) {
        if (this.#failure) throw this.#failure;
        await new Promise((resolve) => (this.#wake = () => resolve(undefined)));
      }
      return this.#messages.shift();
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {object} message */
  tell(message) {
    this.#child.send(message);
  }

  /** After exit it has no effect. */
  kill() {
    this.#child.kill("SIGKILL");
  }
}
