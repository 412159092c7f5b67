// Copies out of shared memory, and chunks that are given back.
import { expect, test } from "vitest";
import { freeChunk, ownedChunk, plainCopy, plainView } from "../../src/link/chunk.js";
import { Random, seeds } from "../wasm/random.js";

test.for(seeds(1))(
  "plainCopy() copies every size at every alignment, from shared and plain memory, seed %i",
  (seed) => {
    const random = new Random(seed);
    const shared = new Uint8Array(new SharedArrayBuffer(300_000));
    shared.set(random.bytes(shared.length));
    const plain = new Uint8Array(shared);
    for (const size of [0, 1, 1_023, 1_024, 65_535, 65_536, 65_537, 131_080, 200_001]) {
      for (let phase = 0; phase < 8; phase++) {
        for (const memory of [shared, plain]) {
          const bytes = memory.subarray(phase, phase + size);
          const copy = plainCopy(bytes);
          expect(Buffer.compare(copy, plain.subarray(phase, phase + size)), `${size} at ${phase}`).toBe(0);
          expect(copy.buffer).toBeInstanceOf(ArrayBuffer);
          expect(copy.buffer.byteLength).toBe(size);
          expect(copy.buffer).not.toBe(memory.buffer);
        }
      }
    }
  },
);

test("plainView() copies what is shared and nothing else", () => {
  const plain = new Uint8Array(10).subarray(2, 5);
  expect(plainView(plain)).toBe(plain);
  const shared = new Uint8Array(new SharedArrayBuffer(10)).fill(7);
  const view = plainView(shared);
  shared.fill(0);
  expect([view, view.buffer]).toEqual([new Uint8Array(10).fill(7), expect.any(ArrayBuffer)]);
});

test("ownedChunk() takes over memory that the bytes fill, and copies views of something larger", () => {
  const whole = Uint8Array.of(1, 2, 3);
  expect(ownedChunk(whole).buffer).toBe(whole.buffer);
  const part = ownedChunk(whole.subarray(1));
  expect([part, part.buffer.byteLength]).toEqual([Uint8Array.of(2, 3), 2]);
  const pooled = ownedChunk(Buffer.from("ab"));
  expect([pooled, pooled.buffer.byteLength]).toEqual([Uint8Array.of(97, 98), 2]);
  expect(Object.getPrototypeOf(ownedChunk(Buffer.alloc(100_000)))).toBe(Uint8Array.prototype);
});

// In Node 20 by another way than in newer ones: npm run test:runtimes.
test("freeChunk() empties a chunk and all its views, and leaves parts, empty ones and those that are not worth it", () => {
  for (let i = 0; i < 3; i++) {
    const chunk = new Uint8Array(65_536).fill(7);
    const views = [chunk.subarray(0, 10), new Uint8Array(chunk.buffer, 100, 5)];
    freeChunk(views[0]);
    expect([chunk.length, views[1][0]]).toEqual([65_536, 7]);
    freeChunk(chunk);
    freeChunk(chunk);
    expect([chunk, ...views, chunk.buffer].map(({ byteLength }) => byteLength)).toEqual([0, 0, 0, 0]);
  }
  freeChunk(new Uint8Array(0));
  const small = new Uint8Array(1_000).fill(7);
  freeChunk(small);
  expect([small.length, small[999]]).toEqual([1_000, 7]);
});

// Only newer versions than Node 20 refuse by throwing.
test("freeChunk() leaves memory that cannot be given away as it is, as a custom transport's may be", () => {
  const memory = new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer).fill(7);
  freeChunk(memory);
  expect([memory.length, memory[65_535]]).toEqual([65_536, 7]);
});
