// The core suite, and that what it compares does the same: the twin is held to the WebAssembly exports, byte by byte.
import { expect, test } from "vitest";
import { coreOf } from "../../bench/core/core.js";
import { resultOf } from "./run.js";

const OPERATIONS = ["encode", "batch", "scan", "ack", "rewind"];

test("bench core has a time per implementation, size and operation", { timeout: 30_000 }, async () => {
  const { suite, results } = await resultOf("core", "--seconds=0.01", "--sizes=64");
  expect(suite).toBe("core");
  const found = results.map(
    ({ system, operation }: { system: string; operation: string }) => `${system} ${operation}`,
  );
  const systems = ["wasm-shared", "wasm-plain", "twin"];
  expect(found.sort()).toEqual(
    systems.flatMap((system) => OPERATIONS.map((operation) => `${system} ${operation}`)).sort(),
  );
  for (const { nsPerItem } of results) expect(nsPerItem).toBeGreaterThan(0);
});

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

test(`the twin does what the WebAssembly exports do, SEED=${SEED}`, () => {
  let state = SEED || 1;
  const draw = (bound: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
  const options = { capacity: 8_192, maxItem: 2_000, entries: 64 };
  const wasm = coreOf("wasm-plain", options);
  const twin = coreOf("twin", options);
  let [sent, taken] = [0, 0];
  const both = <T>(use: (core: typeof wasm) => T): T => {
    const expected = use(wasm);
    expect(use(twin)).toEqual(expected);
    return expected;
  };
  for (let step = 0; step < 20_000; step++) {
    const kind = draw(16);
    if (kind < 8) {
      const item = new Uint8Array(draw(kind === 0 ? 2_100 : 200)).fill(step);
      if (both((core) => core.enter(item))) sent++;
    } else if (kind < 10) {
      const lengths = Uint32Array.from({ length: draw(8) }, () => draw(100));
      const items = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0)).map((_, i) => i + step);
      sent += both((core) => core.enterBatch(items, lengths));
    } else if (kind < 12) {
      const max = draw(4_000);
      if (both((core) => core.take(max)) > 0) taken = sent;
    } else if (kind < 15) {
      const ack = Math.max(0, taken - draw(20));
      both((core) => core.ack(ack));
    } else {
      both((core) => core.rewind());
    }
    if (step % 64 === 0) expect(Buffer.from(twin.bytes).equals(Buffer.from(wasm.bytes))).toBe(true);
  }
  expect(sent).toBeGreaterThan(1_000);
});

test("the twin finds the items that the WebAssembly scan finds, and counts as far", () => {
  const options = { capacity: 65_536, maxItem: 20_000, entries: 64 };
  const wasm = coreOf("wasm-plain", options);
  const twin = coreOf("twin", options);
  for (const length of [0, 1, 64, 127, 128, 300, 16_000]) {
    for (let i = 0; i < 3; i++) expect(wasm.enter(new Uint8Array(length).fill(i))).toBe(true);
  }
  const chunk = wasm.bytes.slice(0, wasm.take(65_536));
  for (let end = 0; end <= chunk.length; end += end < 2_000 ? 1 : 997) {
    wasm.next = twin.next = 0;
    const part = chunk.subarray(0, end);
    const spans = wasm.scan(part);
    expect(twin.scan(part)).toEqual(spans);
    expect(twin.next).toBe(wasm.next);
  }
  // Again: duplicates, which nobody gets.
  wasm.next = twin.next = 21;
  expect(twin.scan(chunk)).toEqual(wasm.scan(chunk));
});
