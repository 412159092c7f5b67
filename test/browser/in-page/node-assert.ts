// node:assert/strict in a page, as far as the suites use it. Millions of these pass: only what fails is worth an assertion
// of the library, which costs a hundred times more.
import { assert } from "vitest";

export default {
  equal(actual: unknown, expected: unknown, message?: string): void {
    if (!Object.is(actual, expected)) assert.strictEqual(actual, expected, message);
  },
  notEqual(actual: unknown, expected: unknown, message?: string): void {
    if (Object.is(actual, expected)) assert.notStrictEqual(actual, expected, message);
  },
  ok(value: unknown, message?: string): void {
    if (!value) assert.isOk(value, message);
  },
  deepEqual: assert.deepEqual,
};
