// @ts-check
// The plain WebSocket beside a player's conduit, for comparison: it is told the same, in the same encoding, and keeps nothing.
// The actions that come through it are counted and not done, because the conduit brings them, too.
import { codecOf } from "stable-conduit/schema";
import { WebSocket } from "ws";
import { Arrivals } from "../shared/arrivals.js";
import { ToPage, ToServer } from "../shared/messages.js";

/** @typedef {import("../shared/messages.js").ToPage} Message */

const toPage = codecOf(ToPage);
const toServer = codecOf(ToServer);
/** A WebSocket knows no bound: with more than this waiting to be sent it is given up. */
const MAX_BUFFERED_BYTES = 262_144;

export class PlainTwin {
  /** @type {WebSocket | null} */
  #socket = null;
  #welcomed = false;
  #actions = new Arrivals();

  /**
   * The first one, or the next after a cut.
   * @param {WebSocket} socket
   * @param {Message} welcome for the first
   */
  connect(socket, welcome) {
    this.#socket?.terminate();
    this.#socket = socket;
    socket.on("message", (data) => {
      if (socket === this.#socket) this.#take(/** @type {Buffer} */ (data));
    });
    socket.on("error", () => socket.terminate());
    if (!this.#welcomed) this.send(welcome);
    this.#welcomed = true;
  }

  /** @param {Message} message */
  send(message) {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return; // that is how things get lost
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) socket.terminate();
    else socket.send(toPage.encode(message));
  }

  close() {
    this.#socket?.terminate();
  }

  /** @param {Buffer} data */
  #take(data) {
    try {
      const message = toServer.decode(data);
      if (message.type === "Act") this.#actions.note(message.n);
      if (message.type === "Ping") this.send({ type: "Pong", at: message.at, ...this.#actions.sum() });
    } catch {
      this.#socket?.terminate(); // not of the type
    }
  }
}
