// @ts-check
// The page: joins through a conduit, has a plain WebSocket told the same, and plays both worlds side by side.
import { init } from "stable-conduit";
import { FIELD } from "../shared/field.js";
import { ConduitSide } from "./conduit-side.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { PlainSide } from "./plain-side.js";

const STEER_MS = 50;
const FIGURES_MS = 500;
const CUTS_MS = 2_000;
/** How far ahead of the ship the arrow keys point. */
const AHEAD = 200;

/** Names this page's connections to the server, which can cut them. Nobody else knows it. */
const page = [...crypto.getRandomValues(new Uint8Array(16))]
  .map((byte) => byte.toString(16).padStart(2, "0"))
  .join("");
const name =
  new URLSearchParams(location.search).get("name") ?? `Pilot ${10 + Math.floor(Math.random() * 90)}`;
const server = location.origin.replace(/^http/, "ws");

await init(); // old browsers of phones do not compile WebAssembly synchronously
const conduit = new ConduitSide(`${server}/conduit?page=${page}`, name);
conduit.closed.then(showEnd);
await conduit.joined;
const plain = new PlainSide(`${server}/plain?page=${page}`);
conduit.closed.then(() => plain.leave());

// ------------------------------------------------------------------ showing

const shown = [conduit, plain].map((side) => {
  const root = element(side === conduit ? "conduit" : "plain");
  const canvas = /** @type {HTMLCanvasElement} */ (root.querySelector("canvas"));
  return { canvas, panel: new Panel(root, side), picture: new Picture(canvas, side.world) };
});

requestAnimationFrame(function draw(now) {
  for (const { panel, picture } of shown) {
    picture.draw(now);
    panel.showLink();
  }
  requestAnimationFrame(draw);
});

setInterval(() => {
  conduit.ping();
  plain.ping();
  for (const { panel } of shown) panel.show();
}, FIGURES_MS);

// ------------------------------------------------------------------ playing

/** @type {{ x: number, y: number } | null} */
let target = null;
/** @type {Set<string>} */
const held = new Set();

for (const { canvas, picture } of shown) {
  const point = (/** @type {PointerEvent} */ event) => (target = picture.pointOf(event));
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("pointermove", point);
}

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

addEventListener("keydown", (event) => {
  const { target, code, repeat } = event;
  if (target instanceof HTMLInputElement) return;
  if (code === "Space" && target instanceof HTMLButtonElement) return; // it presses the button
  if (code === "Space" && !repeat) act({ type: "Pulse" });
  if (code in ARROWS) held.add(code);
  if (code === "Space" || code in ARROWS) event.preventDefault();
});
addEventListener("keyup", ({ code }) => held.delete(code));
addEventListener("blur", () => held.clear());

setInterval(() => {
  const at = conduit.world.ships.get(conduit.world.you)?.at;
  if (held.size > 0 && at) {
    target = { ...at };
    for (const key of held) {
      target.x += ARROWS[key][0] * AHEAD;
      target.y += ARROWS[key][1] * AHEAD;
    }
  }
  if (target) conduit.steer({ x: within(target.x, FIELD.width), y: within(target.y, FIELD.height) });
}, STEER_MS);

element("pulse").addEventListener("click", () => act({ type: "Pulse" }));
element("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = /** @type {HTMLInputElement} */ (element("say").querySelector("input"));
  if (input.value.trim() !== "") act({ type: "Say", value: input.value.trim() });
  input.value = "";
});

/** @param {import("../shared/messages.js").Action} action */
function act(action) {
  conduit.act(action);
  plain.act(action);
}

// ------------------------------------------------------------------ cutting

element("cut").addEventListener("click", () => cut(0));
element("offline").addEventListener("click", () => cut(3_000));
const keepCutting = /** @type {HTMLInputElement} */ (element("keep-cutting"));
setInterval(() => {
  if (keepCutting.checked) cut(0);
}, CUTS_MS);

/** @param {number} offlineMs how long the server refuses new connections of this page */
function cut(offlineMs) {
  fetch(`/network?page=${page}&offlineMs=${offlineMs}`, { method: "POST" }).catch(() => {}); // there is no network
}

// ------------------------------------------------------------------ the end

// The page that is loaded next knows nothing of this world, so it joins anew. One that may be shown again keeps its session.
addEventListener("pagehide", ({ persisted }) => {
  if (!persisted) conduit.leave();
});

/**
 * Sessions survive links; not the server's process, and no absence that is longer than the server waits.
 * @param {Awaited<ConduitSide["closed"]>} close
 */
function showEnd(close) {
  element("why").textContent = close.clean ? "The arena has closed." : close.error.message;
  element("again").addEventListener("click", () => location.reload());
  /** @type {HTMLDialogElement} */ (element("over")).showModal();
}

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * @param {number} value
 * @param {number} size of the field
 */
function within(value, size) {
  return Math.round(Math.min(size, Math.max(0, value)));
}
