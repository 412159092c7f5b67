// @ts-check
// Ships without a player: they go for the nearest gem that no other wants, pulse at who comes near, and make room for players.
import { PULSE_RADIUS, TICK_MS } from "../shared/field.js";
import { between } from "./world.js";

/** @typedef {import("./world.js").Ship} Ship */
/** @typedef {import("./world.js").World} World */

/** So many ships there are at least. */
const SHIPS = 6;
const NAMES = ["Ada", "Grace", "Edsger", "Barbara", "Leslie", "Radia"];
const REMARKS = ["well flown", "mine!", "too slow", "again?", "see you there", "nice one"];
/** How often a bot does what it might do, on average. */
const PULSE_SECONDS = 2;
const REMARK_SECONDS = 15;

export class Bots {
  #world;
  #random;
  /** @type {Ship[]} */
  #ships = [];

  /**
   * @param {World} world
   * @param {() => number} [random]
   */
  constructor(world, random = Math.random) {
    this.#world = world;
    this.#random = random;
  }

  /** Before each step of the world. */
  step() {
    while (this.#world.ships.size < SHIPS) this.#ships.push(this.#world.enter(this.#freeName()));
    while (this.#world.ships.size > SHIPS && this.#ships.length > 0) {
      this.#world.leave(/** @type {Ship} */ (this.#ships.pop()));
    }
    for (const ship of this.#ships) this.#think(ship);
  }

  /** @param {Ship} ship */
  #think(ship) {
    const wanted = new Set(this.#ships.map(({ target }) => target));
    wanted.delete(ship.target);
    const gem = nearest(
      ship,
      [...this.#world.gems.values()].filter((free) => !wanted.has(free)),
    );
    if (gem) ship.target = gem;
    const other = nearest(ship, this.#world.ships.values());
    if (other && between(ship, other) < PULSE_RADIUS * 0.8 && this.#now(PULSE_SECONDS)) {
      this.#world.pulse(ship);
    }
    if (this.#now(REMARK_SECONDS)) {
      this.#world.say(ship, REMARKS[Math.floor(this.#random() * REMARKS.length)]);
    }
  }

  /** @param {number} seconds on average between two times that this is true, asked at each tick */
  #now(seconds) {
    return this.#random() * seconds * 1_000 < TICK_MS;
  }

  #freeName() {
    const taken = this.#ships.map(({ name }) => name);
    return NAMES.find((name) => !taken.includes(name)) ?? "Bot";
  }
}

/**
 * @template {{ x: number, y: number }} T
 * @param {T | Ship} from is not near itself
 * @param {Iterable<T>} things
 * @returns {T | undefined}
 */
function nearest(from, things) {
  let best;
  for (const thing of things) {
    if (thing !== from && (!best || between(from, thing) < between(from, best))) best = thing;
  }
  return best;
}
