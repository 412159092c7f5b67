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
   * @param {number} [patienceMs]
   * @returns {Promise<any>}
   */
  async next(patienceMs = PATIENCE_MS) {
    const timer = setTimeout(() => {
      this.#failure = new Error(`no answer within ${patienceMs} ms`);
      this.#wake();
    }, patienceMs);
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

/** @typedef {ConstructorParameters<typeof Peer>} PeerArguments */

/** A receiver, which tells its address first of all, and the sender that gets it. */
export class PeerPair {
  #receiver;
  #sender;

  /**
   * @param {PeerArguments} receiver
   * @param {PeerArguments} sender its task gets the receiver's `address`
   */
  constructor(receiver, sender) {
    this.#receiver = receiver;
    this.#sender = sender;
  }

  /**
   * Starts both, and ends them when `measure` is done, in good order when it succeeded: either side gets a last
   * message and leaves.
   * @template T
   * @param {(peers: { receiver: Peer, sender: Peer }) => Promise<T>} measure
   * @returns {Promise<T>}
   */
  async use(measure) {
    const receiver = new Peer(...this.#receiver);
    /** @type {Peer | null} */
    let sender = null;
    try {
      const { address } = await receiver.next();
      const [module, task, execArgv] = this.#sender;
      sender = new Peer(module, { ...task, address }, execArgv);
      const result = await Promise.race([measure({ receiver, sender }), failing(sender), failing(receiver)]);
      sender.tell({});
      await sender.exited;
      receiver.tell({});
      await receiver.exited;
      return result;
    } finally {
      sender?.kill();
      receiver.kill();
    }
  }
}

/**
 * Rejects when a peer ends too early.
 * @param {Peer} peer
 * @returns {Promise<never>}
 */
async function failing(peer) {
  await peer.exited;
  throw new Error("a process has ended before the measurement was done");
}

/**
 * Options for a child's Node that leave a CPU profile behind.
 * @param {string | undefined} directory undefined = none is wanted
 * @param {string} name of the file, without its suffix
 */
export function profiling(directory, name) {
  return directory ? ["--cpu-prof", `--cpu-prof-dir=${directory}`, `--cpu-prof-name=${name}.cpuprofile`] : [];
}
