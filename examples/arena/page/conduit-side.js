// @ts-check
// Playing through a conduit. There is nothing here about cuts but what is shown of them.
import { StableConduit, webSocket } from "stable-conduit";
import { ToPage, ToServer } from "../shared/messages.js";
import { Side } from "./side.js";

/** @typedef {import("stable-conduit").WebSocketOptions} WebSocketOptions */

export class ConduitSide extends Side {
  #conduit;

  /**
   * @param {string} url
   * @param {string} name of the player
   * @param {WebSocketOptions} [options]
   */
  constructor(url, name, options) {
    super();
    const conduit = StableConduit.create(webSocket(url, options), {
      schema: { send: ToServer, recv: ToPage },
      retry: { capMs: 500 },
    });
    conduit.onItems = (batch) => {
      for (const message of batch) this.take(message);
    };
    conduit.on("volatile", (message) => this.take(message));
    conduit.on("linkUp", ({ resumed, downMs }) => {
      this.connected = true;
      if (resumed) this.resumeMs = downMs;
    });
    conduit.on("linkDown", () => this.lostLink());
    conduit.send({ type: "Join", name }); // goes out with the first link
    this.#conduit = conduit;
    /** How it ended: with the server, or because it was away for too long. */
    this.closed = conduit.closed;
    this.closed.then(() => (this.connected = false));
  }

  /** @param {import("../shared/messages.js").Action} action arrives once, now or after the next resume */
  act(action) {
    this.#conduit.send(this.numbered(action));
  }

  /** @param {{ x: number, y: number }} target soon replaced by another: without a link it is dropped */
  steer({ x, y }) {
    this.#sendVolatile({ type: "Steer", x, y });
  }

  ping() {
    this.#sendVolatile({ type: "Ping", at: performance.now() });
  }

  leave() {
    this.#conduit.abort("left");
  }

  /** @param {import("../shared/messages.js").ToServer} message */
  #sendVolatile(message) {
    if (this.#conduit.status.state === "open") this.#conduit.sendVolatile(message);
  }
}
