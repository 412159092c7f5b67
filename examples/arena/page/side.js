// @ts-check
// What the two ways of playing have in common: a copy of the world, and figures about how it is kept up to date. The ways
// themselves are conduit-side.js and plain-side.js, to be read side by side.
import { Arrivals } from "../shared/arrivals.js";
import { WorldCopy } from "./world-copy.js";

/** @typedef {import("../shared/messages.js").Action} Action */
/** @typedef {import("../shared/messages.js").ToPage} Message */
/** @typedef {import("../shared/messages.js").ToServer} ToServer */

export class Side {
  world = new WorldCopy();
  /** Events on their way here. */
  events = new Arrivals();
  /** Actions of this page on their way to the server, as the server counts them. */
  actions = { lost: 0, repeated: 0 };
  /** @type {number | null} */
  rttMs = null;
  /** From the loss of the last link to the next one. @type {number | null} */
  resumeMs = null;
  connected = false;
  cuts = 0;
  messages = 0;
  /** Resolves with the Welcome. @type {Promise<void>} */
  joined;
  #joined = () => {};
  #nextAction = 0;

  constructor() {
    this.joined = new Promise((resolve) => {
      this.#joined = resolve;
    });
  }

  /**
   * Numbered, because the server counts what comes.
   * @param {Action} action
   * @returns {ToServer}
   */
  numbered(action) {
    return { type: "Act", n: this.#nextAction++, action };
  }

  /** @param {Message} message */
  take(message) {
    this.messages++;
    switch (message.type) {
      case "Welcome":
        this.world.begin(message);
        this.events = new Arrivals(message.nextEvent);
        this.#joined();
        break;
      case "Happened":
        this.events.note(message.n);
        this.world.apply(message.event);
        break;
      case "Snapshot":
        this.world.place(message.value);
        break;
      case "Pong":
        this.rttMs = performance.now() - message.at;
        this.actions = { lost: message.lost, repeated: message.repeated };
        break;
    }
  }

  lostLink() {
    if (!this.connected) return;
    this.connected = false;
    this.cuts++;
  }
}
