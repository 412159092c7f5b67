// @ts-check
// What a page knows of the world: made of a Welcome, kept up to date by events and snapshots. It is as right as what it is
// told is complete.

/** @typedef {import("../shared/messages.js").Event} Event */
/** @typedef {import("../shared/messages.js").ToPage} Message */

/**
 * @typedef {object} Ship
 * @property {number} id
 * @property {string} name
 * @property {number} score
 * @property {{ x: number, y: number } | null} at where it was last seen
 */

const LINES = 4;

export class WorldCopy {
  /** The id of this page's ship. */
  you = -1;
  /** @type {Map<number, Ship>} */
  ships = new Map();
  /** @type {Map<number, { x: number, y: number }>} */
  gems = new Map();
  /**
   * What was said last, the newest at the end.
   * @type {{ by: string, text: string }[]}
   */
  lines = [];
  /** Told of each event before the copy changes. @type {(event: Event) => void} */
  onEvent = () => {};

  /** @param {Extract<Message, { type: "Welcome" }>} welcome */
  begin({ you, ships, gems }) {
    this.you = you;
    for (const ship of ships) this.ships.set(ship.id, { ...ship, at: null });
    for (const gem of gems) this.gems.set(gem.gem, gem);
  }

  /** @param {Event} event */
  apply(event) {
    this.onEvent(event);
    switch (event.type) {
      case "Came":
        this.ships.set(event.id, { id: event.id, name: event.name, score: 0, at: null });
        break;
      case "Left":
        this.ships.delete(event.id);
        break;
      case "Grew":
        this.gems.set(event.gem, event);
        break;
      case "Picked":
        this.gems.delete(event.gem);
        this.#score(event.by, 1);
        break;
      case "Pulsed":
        for (const id of event.hit) if (this.#score(id, -1)) this.#score(event.by, 1);
        break;
      case "Said":
        this.lines.push({ by: this.ships.get(event.by)?.name ?? "somebody", text: event.text });
        if (this.lines.length > LINES) this.lines.shift();
        break;
    }
  }

  /** @param {Extract<Message, { type: "Snapshot" }>["value"]} places */
  place(places) {
    for (const { id, x, y } of places) {
      const ship = this.ships.get(id);
      if (ship) ship.at = { x, y };
    }
  }

  /**
   * @param {number} id
   * @param {1 | -1} change
   * @returns {boolean} whether it had a point to lose
   */
  #score(id, change) {
    const ship = this.ships.get(id);
    if (!ship || ship.score + change < 0) return false;
    ship.score += change;
    return true;
  }
}
