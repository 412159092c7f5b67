// Only ratios of one run can be trusted on a machine that does other things too: all systems take turns, round by round.
import { loadSystem } from "./system.js";

/**
 * @typedef {object} Entry
 * @property {string} module what loadSystem() takes
 * @property {import("./system.js").System} system
 */

/**
 * Which of the systems can run here, and why the others cannot.
 * @param {readonly string[]} modules
 */
export async function availableOf(modules) {
  /** @type {Record<string, string>} */
  const skipped = {};
  /** @type {Entry[]} */
  const systems = [];
  for (const module of modules) {
    const system = await loadSystem(module);
    const available = await system.available();
    if (available === true) systems.push({ module, system });
    else skipped[system.name] = available;
  }
  return { systems, skipped };
}

/**
 * Measures each case once a round.
 * @template Case, Figures
 * @param {number} rounds
 * @param {readonly Case[]} cases in the order in which they take turns
 * @param {(measured: Case) => Promise<Figures>} measure
 * @param {(line: string) => void} progress
 * @param {(measured: Case, figures: Figures) => string} describe a line for the terminal
 * @returns {Promise<{ measured: Case, rounds: Figures[] }[]>}
 */
export async function inRounds(rounds, cases, measure, progress, describe) {
  const results = cases.map((measured) => ({ measured, rounds: /** @type {Figures[]} */ ([]) }));
  for (let round = 1; round <= rounds; round++) {
    for (const result of results) {
      const figures = await measure(result.measured);
      result.rounds.push(figures);
      progress(`round ${round}/${rounds}  ${describe(result.measured, figures)}`);
    }
  }
  return results;
}
