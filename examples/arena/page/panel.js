// @ts-check
// What is written about a side: whether it has a link, what it lost, its figures, what was said.

/** @typedef {import("./side.js").Side} Side */

export class Panel {
  #root;
  #side;
  #messages = 0;
  #shownAt = performance.now();
  #lines = "";

  /**
   * @param {HTMLElement} root
   * @param {Side} side
   */
  constructor(root, side) {
    this.#root = root;
    this.#side = side;
  }

  /** Twice a second or so. */
  show() {
    const { events, actions, messages, rttMs, resumeMs, cuts } = this.#side;
    const now = performance.now();
    const rate = ((messages - this.#messages) * 1_000) / (now - this.#shownAt);
    this.#messages = messages;
    this.#shownAt = now;

    this.#count("lost", events.lost, actions.lost);
    this.#count("repeated", events.repeated, actions.repeated);
    this.#write("rate", `${Math.round(rate)}/s`);
    this.#write("rtt", time(rttMs));
    this.#write("resume", time(resumeMs));
    this.#write("cuts", String(cuts));
    this.#showLines();
  }

  /** At once: cuts are shorter than the time between two show(). */
  showLink() {
    const { connected } = this.#side;
    this.#root.classList.toggle("cut-off", !connected);
    this.#text(".link", connected ? "connected" : "no link");
  }

  /**
   * @param {"lost" | "repeated"} name
   * @param {number} events
   * @param {number} actions
   */
  #count(name, events, actions) {
    const figure = this.#write(name, String(events + actions));
    figure.parentElement?.classList.toggle("some", events + actions > 0);
    this.#write(`${name}Parts`, `${events} events, ${actions} actions`);
  }

  #showLines() {
    const { lines } = this.#side.world;
    const all = JSON.stringify(lines);
    if (all === this.#lines) return;
    this.#lines = all;
    this.#find(".lines").replaceChildren(
      ...lines.map(({ by, text }) => {
        const line = document.createElement("li");
        const who = document.createElement("b");
        who.textContent = by;
        line.append(who, ` ${text}`);
        return line;
      }),
    );
  }

  /**
   * @param {string} figure
   * @param {string} text
   */
  #write(figure, text) {
    return this.#text(`[data-figure=${figure}]`, text);
  }

  /**
   * @param {string} selector
   * @param {string} text
   */
  #text(selector, text) {
    const element = this.#find(selector);
    if (element.textContent !== text) element.textContent = text;
    return element;
  }

  /** @param {string} selector */
  #find(selector) {
    return /** @type {HTMLElement} */ (this.#root.querySelector(selector));
  }
}

/** @param {number | null} ms */
function time(ms) {
  if (ms === null) return "–";
  return ms < 1_000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
