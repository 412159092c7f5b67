// The in-memory pair.
import { expect, test } from "vitest";
import { pair } from "../../src/link/pair.js";
import { End, linkContract } from "./contract.js";

for (const framing of ["stream", "message"] as const) {
  linkContract(
    `pair (${framing})`,
    { framing, pausable: true, drains: true, info: { transport: "pair", encrypted: false } },
    async () => {
      const [a, b] = pair({ framing });
      return { a, b };
    },
  );
}

test("pair() is a stream unless told otherwise", () => {
  expect(pair().map((link) => link.framing)).toEqual(["stream", "stream"]);
});

test("a pair copies in write(): the memory may change or be detached at once", async () => {
  const [a, b] = pair();
  const bytes = Uint8Array.of(1, 2, 3);
  a.write(bytes);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  const end = new End(b).start();
  await end.until(() => end.received === 3);
  expect([...end.all]).toEqual([1, 2, 3]);
});

test("destroy() of one side of a pair loses what the other has not taken", async () => {
  const [a, b] = pair();
  const end = new End(b).start();
  a.write(Uint8Array.of(1));
  a.destroy();
  await end.closedOnce();
  expect(end.received).toBe(0);
});

test("two sides of a pair that never stop answering leave timers their turn", async () => {
  const [a, b] = [...pair()].map((link) => new End(link).start());
  let on = true;
  const answer = (end: End) => () => {
    if (on) end.write(Uint8Array.of(1));
  };
  a.onChunk = answer(a);
  b.onChunk = answer(b);
  a.write(Uint8Array.of(1));
  await new Promise((resolve) => setTimeout(resolve, 1));
  on = false;
  expect(a.received).toBeGreaterThan(0);
});
