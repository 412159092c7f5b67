// From one runtime's test report to a verdict: what passed, what may fail there, what must not.

/**
 * What is read of vitest's JSON report.
 * @typedef {{ fullName: string, status: string, failureMessages?: string[] | null }} Assertion
 * @typedef {{ name: string, status: string, message?: string, assertionResults: Assertion[] }} File
 * @typedef {{ testResults: File[] }} Report
 * @typedef {import("./differences.js").Difference} Difference
 */

/**
 * @typedef {object} Verdict
 * @property {number} passed tests
 * @property {Map<Difference, number>} differing how many of its tests failed, for each difference that showed
 * @property {string[]} unexpected failures that no difference explains: names, with the first line of the message
 * @property {Difference[]} gone differences whose tests ran and passed
 */

/**
 * @param {Report} report
 * @param {Difference[]} differences of this runtime
 * @returns {Verdict}
 */
export function verdictOf(report, differences) {
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  /** @type {Verdict} */
  const verdict = { passed: 0, differing: new Map(), unexpected: [], gone: [] };
  for (const { fullName, status, failureMessages } of tests) {
    if (status === "passed") {
      verdict.passed++;
      continue;
    }
    const difference = differences.find((difference) => shows(difference, fullName));
    if (difference) verdict.differing.set(difference, (verdict.differing.get(difference) ?? 0) + 1);
    else verdict.unexpected.push(`${fullName}: ${firstLine(failureMessages?.[0] ?? status)}`);
  }
  // A file that could not be loaded has no tests to fail.
  for (const { name, status, message, assertionResults } of report.testResults) {
    if (status === "failed" && assertionResults.every((test) => test.status !== "failed")) {
      verdict.unexpected.push(`${name}: ${firstLine(message ?? "failed")}`);
    }
  }
  verdict.gone = differences.filter(
    (difference) =>
      !verdict.differing.has(difference) && tests.some((test) => shows(difference, test.fullName)),
  );
  return verdict;
}

/**
 * @param {Difference} difference
 * @param {string} fullName
 */
function shows({ tests }, fullName) {
  return tests.some((test) => test.test(fullName));
}

/** @param {string} text */
function firstLine(text) {
  return text.split("\n", 1)[0];
}
