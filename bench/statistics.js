// Figures from samples. Where a machine does other things too, the median says more than the mean, and the range
// says how far it can be trusted.

/** @param {readonly number[]} values at least one */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/**
 * @param {readonly number[]} values at least one
 * @returns {[number, number]} smallest and largest
 */
export function range(values) {
  return [Math.min(...values), Math.max(...values)];
}

/**
 * The value that `share` of all samples do not exceed.
 * @param {Float64Array} sorted ascending, at least one
 * @param {number} share 0 to 1
 */
export function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/**
 * The median of the rounds' ratios: a round's figures were taken one right after the other.
 * @param {readonly number[]} rounds
 * @param {readonly number[]} others of the same rounds
 */
export function ratio(rounds, others) {
  return median(rounds.map((value, round) => value / others[round]));
}

/**
 * Three digits are all that a measurement has.
 * @param {number} value
 */
export function rounded(value) {
  return Number(value.toPrecision(3));
}
