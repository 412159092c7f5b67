// @ts-check
// One who plays: a ship, the conduit that steers it, and the plain WebSocket that is told the same.
import { Arrivals } from "../shared/arrivals.js";
import { FIELD } from "../shared/field.js";
import { Budget } from "./budget.js";
import { PlainTwin } from "./plain-twin.js";

/** @typedef {import("../shared/messages.js").ToServer} FromPage */
/** @typedef {import("../shared/messages.js").ToPage} Message */
/** @typedef {import("stable-conduit/node").StableConduit<Message, FromPage, { page: string }>} Conduit */

const TEXT_LENGTH = 80;

export class Player {
  ship;
  plain = new PlainTwin();
  #world;
  #conduit;
  #actions = new Arrivals();
  #budget = new Budget();

  /**
   * @param {import("./world.js").World} world
   * @param {import("./world.js").Ship} ship
   * @param {Conduit} conduit
   */
  constructor(world, ship, conduit) {
    this.#world = world;
    this.ship = ship;
    this.#conduit = conduit;
  }

  // ------------------------------------------------------------------ to the page

  /**
   * For what happens once: it waits in the conduit's ring until the page has it, with a link or without.
   * @param {Message} message
   */
  send(message) {
    this.plain.send(message);
    try {
      this.#conduit.send(message);
    } catch (error) {
      // One who does not read must not stop the others. (Who is leaving just now gets nothing more: CONDUIT_CLOSED.)
      const { code } = /** @type {import("stable-conduit/node").ConduitError} */ (error);
      if (code === "CONDUIT_REPLAY_FULL") this.#conduit.abort("reads too slowly");
    }
  }

  /**
   * For what is stale a moment later: without a link, or with a slow one, it is dropped.
   * @param {Message} message
   */
  sendVolatile(message) {
    this.plain.send(message);
    if (this.#conduit.status.state === "open") this.#conduit.sendVolatile(message);
  }

  // ------------------------------------------------------------------ from the page

  /**
   * What came through the conduit.
   * @param {FromPage} message
   */
  take(message) {
    if (message.type === "Act") this.#actions.note(message.n);
    if (!this.#budget.pay(message.type)) return;
    switch (message.type) {
      case "Act":
        if (message.action.type === "Pulse") this.#world.pulse(this.ship);
        else this.#world.say(this.ship, shortened(message.action.value, TEXT_LENGTH));
        break;
      case "Steer":
        this.ship.target = { x: Math.min(message.x, FIELD.width), y: Math.min(message.y, FIELD.height) };
        break;
      case "Ping":
        this.#conduit.sendVolatile({ type: "Pong", at: message.at, ...this.#actions.sum() });
        break;
    }
  }
}

/**
 * By characters: half of one could not be encoded.
 * @param {string} text
 * @param {number} length
 */
export function shortened(text, length) {
  return [...text].slice(0, length).join("");
}
