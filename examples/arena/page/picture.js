// @ts-check
// Draws a copy of the world on a canvas. Snapshots come 20 times a second, pictures more often: what is shown glides to where
// ships were seen last.
import { FIELD, GEM_RADIUS, PULSE_RADIUS, SHIP_RADIUS } from "../shared/field.js";

/** @typedef {import("./world-copy.js").WorldCopy} WorldCopy */
/** @typedef {{ x: number, y: number, angle: number }} Shown */

/** Told apart also with colour blindness; names are beside the ships anyway. */
const COLOURS = ["#5cc8ff", "#f2b134", "#4fd1a1", "#ff8f70", "#e79ad2", "#f4e66a", "#8fa8ff"];
const GEM_COLOUR = "#a8f0e4";
const GROUND = "#070c18";
const GRID = 100;
const TEXT_SIZE = 28; // units of the field; on a small screen it would be too small
const MIN_TEXT_PX = 11;
const GLIDE_MS = 70;
const EFFECT_MS = 600;

export class Picture {
  #world;
  #canvas;
  #context;
  /** @type {Map<number, Shown>} */
  #shown = new Map();
  /** What is seen for a moment. @type {{ at: number, draw: (progress: number) => void }[]} */
  #effects = [];
  #drawnAt = 0;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {WorldCopy} world
   */
  constructor(canvas, world) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.#world = world;
    world.onEvent = (event) => {
      if (event.type === "Pulsed") this.#pulse(event);
      if (event.type === "Picked") this.#pick(event);
    };
    new ResizeObserver(() => {
      canvas.width = canvas.clientWidth * devicePixelRatio;
      canvas.height = canvas.clientHeight * devicePixelRatio;
    }).observe(canvas);
  }

  /**
   * Where the pointer is, in the field.
   * @param {PointerEvent} event
   */
  pointOf({ offsetX, offsetY }) {
    return {
      x: (offsetX / this.#canvas.clientWidth) * FIELD.width,
      y: (offsetY / this.#canvas.clientHeight) * FIELD.height,
    };
  }

  /** @param {number} now milliseconds */
  draw(now) {
    const context = this.#context;
    const scale = this.#canvas.width / FIELD.width;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, FIELD.width, FIELD.height);
    this.#drawGrid();
    for (const gem of this.#world.gems.values()) this.#drawGem(gem);
    this.#effects = this.#effects.filter(({ at }) => now - at < EFFECT_MS);
    for (const { at, draw } of this.#effects) draw(Math.max(0, now - at) / EFFECT_MS);
    this.#glide(now - this.#drawnAt);
    this.#drawnAt = now;
    for (const [id, shown] of this.#shown) this.#drawShip(id, shown);
  }

  /** @param {number} ms */
  #glide(ms) {
    const share = 1 - Math.exp(-ms / GLIDE_MS);
    for (const id of this.#shown.keys()) if (!this.#world.ships.has(id)) this.#shown.delete(id);
    for (const { id, at } of this.#world.ships.values()) {
      if (!at) continue;
      const shown = this.#shown.get(id) ?? { ...at, angle: 0 };
      const [dx, dy] = [at.x - shown.x, at.y - shown.y];
      if (Math.hypot(dx, dy) > 3) shown.angle = Math.atan2(dy, dx);
      shown.x += dx * share;
      shown.y += dy * share;
      this.#shown.set(id, shown);
    }
  }

  #drawGrid() {
    const context = this.#context;
    context.fillStyle = "#26344f";
    for (let x = GRID; x < FIELD.width; x += GRID) {
      for (let y = GRID; y < FIELD.height; y += GRID) context.fillRect(x - 1.5, y - 1.5, 3, 3);
    }
  }

  /** @param {{ x: number, y: number }} gem */
  #drawGem({ x, y }) {
    const context = this.#context;
    context.fillStyle = GEM_COLOUR;
    for (const [radius, alpha] of [
      [GEM_RADIUS * 1.9, 0.14],
      [GEM_RADIUS, 1],
    ]) {
      context.globalAlpha = alpha;
      context.beginPath();
      context.moveTo(x, y - radius);
      context.lineTo(x + radius, y);
      context.lineTo(x, y + radius);
      context.lineTo(x - radius, y);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  /**
   * @param {number} id
   * @param {Shown} shown
   */
  #drawShip(id, { x, y, angle }) {
    const ship = this.#world.ships.get(id);
    if (!ship) return;
    const context = this.#context;
    const own = id === this.#world.you;
    context.save();
    context.translate(x, y);
    if (own) {
      context.strokeStyle = "#ffffff";
      context.lineWidth = 3;
      context.beginPath();
      context.arc(0, 0, SHIP_RADIUS * 1.5, 0, 2 * Math.PI);
      context.stroke();
    }
    context.fillStyle = colourOf(id);
    this.#write(`${ship.name}  ${ship.score}`, 0, y > 80 ? -SHIP_RADIUS - 20 : SHIP_RADIUS + 40);
    context.rotate(angle);
    context.beginPath();
    context.moveTo(SHIP_RADIUS * 1.15, 0);
    context.lineTo(-SHIP_RADIUS * 0.9, SHIP_RADIUS * 0.8);
    context.lineTo(-SHIP_RADIUS * 0.45, 0);
    context.lineTo(-SHIP_RADIUS * 0.9, -SHIP_RADIUS * 0.8);
    context.closePath();
    context.lineJoin = "round";
    context.lineWidth = 6;
    context.strokeStyle = colourOf(id);
    context.stroke();
    context.fill();
    context.restore();
  }

  /** A ring that grows. @param {{ by: number }} event */
  #pulse({ by }) {
    const shown = this.#shown.get(by);
    if (!shown) return;
    const { x, y } = shown;
    this.#effect((progress) => {
      const context = this.#context;
      context.globalAlpha = 1 - progress;
      context.strokeStyle = colourOf(by);
      context.lineWidth = 10 * (1 - progress) + 1;
      context.beginPath();
      context.arc(x, y, PULSE_RADIUS * (1 - (1 - progress) ** 3), 0, 2 * Math.PI);
      context.stroke();
      context.globalAlpha = 1;
    });
  }

  /** A +1 that rises. @param {{ gem: number, by: number }} event */
  #pick({ gem, by }) {
    const place = this.#world.gems.get(gem);
    if (!place) return;
    this.#effect((progress) => {
      const context = this.#context;
      context.globalAlpha = 1 - progress;
      context.fillStyle = colourOf(by);
      this.#write("+1", place.x, place.y + 70 - 50 * progress);
      context.globalAlpha = 1;
    });
  }

  /**
   * Text that can be read on whatever is below it.
   * @param {string} text
   * @param {number} x of its middle, as far as it then fits the width
   * @param {number} y
   */
  #write(text, x, y) {
    const context = this.#context;
    const size = Math.max(TEXT_SIZE, (MIN_TEXT_PX * FIELD.width) / this.#canvas.clientWidth);
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.lineJoin = "round";
    context.lineWidth = 6;
    context.strokeStyle = GROUND;
    const half = context.measureText(text).width / 2 + context.lineWidth;
    const inside = Math.min(Math.max(x, half), FIELD.width - half);
    context.strokeText(text, inside, y);
    context.fillText(text, inside, y);
  }

  /** @param {(progress: number) => void} draw with 0 to 1 */
  #effect(draw) {
    this.#effects.push({ at: performance.now(), draw });
  }
}

/** @param {number} id of a ship */
function colourOf(id) {
  return COLOURS[id % COLOURS.length];
}
