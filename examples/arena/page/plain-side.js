// @ts-check
// The same over a plain WebSocket, as it is often done: when it is lost, another one is opened, and what was said meanwhile
// is nobody's business. (It does not steer, its actions are counted and not done: one player is enough.)
import { codecOf } from "stable-conduit/schema";
import { ToPage, ToServer } from "../shared/messages.js";
import { Side } from "./side.js";

const RETRY_MS = 100;

const toPage = codecOf(ToPage);
const toServer = codecOf(ToServer);

export class PlainSide extends Side {
  #url;
  #WebSocket;
  /** @type {WebSocket} */
  #socket;
  #lostAt = performance.now();
  #leaving = false;

  /**
   * @param {string} url
   * @param {{ WebSocket?: new (url: string) => WebSocket }} [options]
   */
  constructor(url, { WebSocket = globalThis.WebSocket } = {}) {
    super();
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#socket = this.#open();
  }

  /** @param {import("../shared/messages.js").Action} action arrives when the socket is open, and stays so long enough */
  act(action) {
    this.#send(this.numbered(action));
  }

  ping() {
    this.#send({ type: "Ping", at: performance.now() });
  }

  leave() {
    this.#leaving = true;
    this.#socket.close();
  }

  /** @param {import("../shared/messages.js").ToServer} message */
  #send(message) {
    if (this.#socket.readyState === 1) this.#socket.send(toServer.encode(message));
  }

  #open() {
    const socket = new this.#WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      this.connected = true;
      if (this.cuts > 0) this.resumeMs = performance.now() - this.#lostAt;
    });
    socket.addEventListener("message", ({ data }) => this.take(toPage.decode(new Uint8Array(data))));
    socket.addEventListener("error", () => {}); // close follows
    socket.addEventListener("close", () => {
      if (this.connected) this.#lostAt = performance.now();
      this.lostLink();
      if (!this.#leaving) setTimeout(() => (this.#socket = this.#open()), RETRY_MS);
    });
    return socket;
  }
}
