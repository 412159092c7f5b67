// @ts-check
// The game: ships fly where they are steered, pick up gems, and push each other away with pulses. It knows no network. What
// happens goes to `onEvent`; where the ships are, and only that, is to be looked at after each step.
import { FIELD, GEM_RADIUS, PULSE_RADIUS, SHIP_RADIUS, TICK_MS } from "../shared/field.js";

/** @typedef {import("../shared/messages.js").Event} Event */

/**
 * @typedef {object} Ship
 * @property {number} id
 * @property {string} name
 * @property {number} score
 * @property {number} x
 * @property {number} y
 * @property {number} vx units per second
 * @property {number} vy
 * @property {{ x: number, y: number }} target
 * @property {number} readyAt the tick from which it can pulse again
 */

/** @typedef {{ gem: number, x: number, y: number }} Gem */

const GEMS = 10;
const SPEED = 380; // units per second
const AGILITY = 5; // per second: how fast it comes to the speed that it wants
const PUSH = 1_100; // units per second, from a pulse
const REST_TICKS = 1_000 / TICK_MS; // after a pulse
const IDS = 65_536; // what a u16 has

export class World {
  tick = 0;
  /** @type {Map<number, Ship>} by id */
  ships = new Map();
  /** @type {Map<number, Gem>} by number */
  gems = new Map();
  #onEvent;
  #random;
  #lastShip = 0;
  #lastGem = 0;

  /**
   * @param {(event: Event) => void} onEvent
   * @param {() => number} [random] from 0 up to 1
   */
  constructor(onEvent, random = Math.random) {
    this.#onEvent = onEvent;
    this.#random = random;
    for (let i = 0; i < GEMS; i++) this.#grow();
  }

  /**
   * @param {string} name
   * @returns {Ship}
   */
  enter(name) {
    do this.#lastShip = (this.#lastShip + 1) % IDS;
    while (this.ships.has(this.#lastShip));
    const place = this.#place(SHIP_RADIUS);
    const ship = { id: this.#lastShip, name, score: 0, ...place, vx: 0, vy: 0, target: place, readyAt: 0 };
    this.ships.set(ship.id, ship);
    this.#onEvent({ type: "Came", id: ship.id, name });
    return ship;
  }

  /** @param {Ship} ship */
  leave(ship) {
    if (this.ships.delete(ship.id)) this.#onEvent({ type: "Left", id: ship.id });
  }

  /** @param {Ship} ship */
  pulse(ship) {
    if (this.tick < ship.readyAt) return;
    ship.readyAt = this.tick + REST_TICKS;
    const hit = [];
    for (const other of this.ships.values()) {
      const distance = between(ship, other);
      if (other === ship || distance > PULSE_RADIUS) continue;
      other.vx += (PUSH * (other.x - ship.x)) / (distance || 1);
      other.vy += (PUSH * (other.y - ship.y)) / (distance || 1);
      if (other.score > 0) {
        other.score--;
        ship.score++;
      }
      hit.push(other.id);
    }
    this.#onEvent({ type: "Pulsed", by: ship.id, hit });
  }

  /**
   * @param {Ship} ship
   * @param {string} text
   */
  say(ship, text) {
    this.#onEvent({ type: "Said", by: ship.id, text });
  }

  /** One tick. */
  step() {
    this.tick++;
    for (const ship of this.ships.values()) {
      fly(ship, TICK_MS / 1_000);
      for (const gem of this.gems.values()) {
        if (between(ship, gem) < SHIP_RADIUS + GEM_RADIUS) this.#pick(ship, gem);
      }
    }
  }

  /**
   * @param {Ship} ship
   * @param {Gem} gem
   */
  #pick(ship, gem) {
    this.gems.delete(gem.gem);
    ship.score++;
    this.#onEvent({ type: "Picked", gem: gem.gem, by: ship.id });
    this.#grow();
  }

  #grow() {
    const gem = { gem: ++this.#lastGem, ...this.#place(4 * GEM_RADIUS) };
    this.gems.set(gem.gem, gem);
    this.#onEvent({ type: "Grew", ...gem });
  }

  /** @param {number} margin */
  #place(margin) {
    return {
      x: Math.round(margin + this.#random() * (FIELD.width - 2 * margin)),
      y: Math.round(margin + this.#random() * (FIELD.height - 2 * margin)),
    };
  }
}

/**
 * @param {{ x: number, y: number }} a
 * @param {{ x: number, y: number }} b
 */
export function between(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/**
 * @param {Ship} ship
 * @param {number} seconds
 */
function fly(ship, seconds) {
  const distance = between(ship, ship.target);
  const wanted = Math.min(SPEED, distance * 4) / (distance || 1); // slower when it is nearly there
  const share = Math.min(1, AGILITY * seconds);
  ship.vx += (wanted * (ship.target.x - ship.x) - ship.vx) * share;
  ship.vy += (wanted * (ship.target.y - ship.y) - ship.vy) * share;
  ship.x = within(ship.x + ship.vx * seconds, FIELD.width);
  ship.y = within(ship.y + ship.vy * seconds, FIELD.height);
}

/**
 * @param {number} value
 * @param {number} size of the field
 */
function within(value, size) {
  return Math.min(size - SHIP_RADIUS, Math.max(SHIP_RADIUS, value));
}
