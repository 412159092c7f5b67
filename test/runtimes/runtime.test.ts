// That the suites run where they are said to run, and how a runtime's report is judged.
import { expect, test } from "vitest";
import type { Difference } from "./differences.js";
import { type Report, verdictOf } from "./verdict.js";

test("the tests run in the runtime that was asked for", () => {
  const [name, version] = (process.env.CONDUIT_RUNTIME ?? `node ${process.versions.node}`).split(" ");
  expect(process.versions[name]).toBe(version);
  expect("Bun" in globalThis).toBe(name === "bun");
  expect("Deno" in globalThis).toBe(name === "deno");
});

const difference: Difference = { runtime: "bun", why: "it rains", tests: [/^a .*link .*stays dry$/] };
const other: Difference = { runtime: "bun", why: "it snows", tests: [/warm/] };

function report(...tests: [fullName: string, status: string][]): Report {
  const assertionResults = tests.map(([fullName, status]) => ({
    fullName,
    status,
    failureMessages: status === "failed" ? ["AssertionError: no\n  at x"] : [],
  }));
  const failed = tests.some(([, status]) => status === "failed");
  return { testResults: [{ name: "a.test.ts", status: failed ? "failed" : "passed", assertionResults }] };
}

test("a failure that a difference explains is counted for it, any other one is unexpected", () => {
  const verdict = verdictOf(
    report(
      ["a TCP link stays dry", "failed"],
      ["a link of ours stays dry", "failed"],
      ["a dry run", "passed"],
      ["the end stays dry", "failed"],
    ),
    [difference],
  );
  expect(verdict.passed).toBe(1);
  expect([...verdict.differing]).toEqual([[difference, 2]]);
  expect(verdict.unexpected).toEqual(["the end stays dry: AssertionError: no"]);
});

test("a difference is gone when its tests pass, not when they did not run", () => {
  const verdict = verdictOf(report(["a TCP link stays dry", "passed"]), [difference, other]);
  expect(verdict.gone).toEqual([difference]);
});

test("a skipped test and a file that could not be loaded are unexpected", () => {
  const { testResults } = report(["left out", "skipped"]);
  testResults.push({
    name: "b.test.ts",
    status: "failed",
    message: "gc is not defined",
    assertionResults: [],
  });
  expect(verdictOf({ testResults }, []).unexpected).toEqual([
    "left out: skipped",
    "b.test.ts: gc is not defined",
  ]);
});
