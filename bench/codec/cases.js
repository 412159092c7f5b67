// What is encoded and decoded: 64 different values of each case, because a decoder that sees one message again and
// again is measured on a branch predictor's terms. Floats are exact in 32 bits and short in decimal, integers fit all
// formats, so that no system is made to do what another is not.

export const VALUES = 64;

/**
 * @typedef {object} State
 * @property {number} tick
 * @property {number} player
 * @property {string} name
 * @property {"Red" | "Blue" | "Spectator"} team
 * @property {boolean} alive
 * @property {number} x
 * @property {number} y
 * @property {number} z
 * @property {number} yaw
 * @property {number} pitch
 * @property {number} health
 * @property {number} armor
 * @property {number} weapon
 * @property {number} ammo
 * @property {number} score
 */

/**
 * @typedef {object} Line
 * @property {string} sku
 * @property {string} title
 * @property {number} quantity
 * @property {number} cents
 * @property {number} [discount] percent
 */

/**
 * @typedef {object} Order
 * @property {string} id
 * @property {number} placed ms
 * @property {{ name: string, email: string, street: string, city: string, country: string }} customer
 * @property {Line[]} lines
 * @property {string[]} tags
 * @property {string} [note]
 */

/** @typedef {{ id: number, data: Uint8Array }} Blob */

const draw = (() => {
  let state = 0x2545f491;
  return (/** @type {number} */ bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
})();

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** @param {number} length */
function word(length) {
  return Array.from({ length }, () => LETTERS[draw(26)]).join("");
}

/** @param {number} words */
function sentence(words) {
  return Array.from({ length: words }, () => word(3 + draw(7))).join(" ");
}

/** @returns {State} */
function state() {
  return {
    tick: 100_000 + draw(500_000),
    player: draw(5_000),
    name: word(5 + draw(6)),
    team: /** @type {const} */ (["Red", "Blue", "Spectator"])[draw(3)],
    alive: draw(4) > 0,
    x: (draw(131_072) - 65_536) / 64,
    y: (draw(131_072) - 65_536) / 64,
    z: draw(8_192) / 64,
    yaw: draw(23_040) / 64,
    pitch: (draw(11_520) - 5_760) / 64,
    health: draw(101),
    armor: draw(101),
    weapon: draw(12),
    ammo: draw(400),
    score: draw(4_000) - 1_000,
  };
}

/** @returns {Order} */
function order() {
  return {
    id: `${word(4)}-${draw(1_000_000)}`,
    placed: 1_700_000_000_000 + draw(1_000_000_000),
    customer: {
      name: `${word(6)} ${draw(3) === 0 ? "Müller" : word(8)}`,
      email: `${word(8)}@${word(7)}.example`,
      street: `${sentence(2)} ${draw(200)}`,
      city: draw(4) === 0 ? "København" : word(9),
      country: word(2),
    },
    lines: Array.from({ length: 15 }, () => {
      const line = {
        sku: `${word(3)}-${draw(100_000)}`,
        title: sentence(5),
        quantity: 1 + draw(40),
        cents: draw(2_000_000),
      };
      return draw(3) === 0 ? { ...line, discount: 1 + draw(60) } : line;
    }),
    tags: Array.from({ length: 4 }, () => word(4 + draw(6))),
    ...(draw(2) === 0 ? { note: sentence(12) } : {}),
  };
}

/** @returns {Blob} */
function blob() {
  const data = new Uint8Array(65_536);
  for (let i = 0; i < data.length; i += 4) data[i] = draw(256);
  return { id: draw(1_000), data };
}

/** @template T @param {() => T} make */
function many(make) {
  return Array.from({ length: VALUES }, make);
}

/** @satisfies {Record<string, () => unknown[]>} */
export const CASES = {
  /** A game's state: 15 mixed fields, 46 bytes. */
  state: () => many(state),
  /** Strings and a list of structs, about 1 KiB. */
  order: () => many(order),
  /** 64 KiB of bytes. */
  blob: () => many(blob),
};

/** @typedef {keyof typeof CASES} Case */
