// Text as in a browser: no Buffers, and TextEncoder and TextDecoder refuse views of shared memory.
import { afterAll, beforeAll, expect, it, vi } from "vitest";

type Codecs = typeof import("../../src/codec/codec.js");
type Schemas = typeof import("../../src/codec/schema.js");
let codecs: Codecs;
let schemas: Schemas;

function refuseShared(bytes: ArrayBufferView | undefined): void {
  if (bytes?.buffer instanceof SharedArrayBuffer) throw new TypeError("must not be shared");
}

class BrowserEncoder extends TextEncoder {
  override encodeInto(text: string, target: Uint8Array<ArrayBuffer>) {
    refuseShared(target);
    return super.encodeInto(text, target);
  }
}

class BrowserDecoder extends TextDecoder {
  override decode(bytes?: ArrayBufferView<ArrayBuffer>) {
    refuseShared(bytes);
    return super.decode(bytes);
  }
}

beforeAll(async () => {
  vi.resetModules();
  vi.stubGlobal("Buffer", undefined);
  vi.stubGlobal("TextEncoder", BrowserEncoder);
  vi.stubGlobal("TextDecoder", BrowserDecoder);
  codecs = await import("../../src/codec/codec.js");
  schemas = await import("../../src/codec/schema.js");
  // Whether shared memory is refused is asked at the first text that needs the platform.
  codecs.codecOf(schemas.string).encode("x".repeat(50));
  vi.unstubAllGlobals();
});
afterAll(() => vi.resetModules());

const TEXTS = [
  "",
  "plain",
  "é",
  "世".repeat(30),
  "x".repeat(60),
  "x".repeat(127),
  "é".repeat(64),
  "🦀".repeat(900),
];

it.each([true, false])("is the same, shared memory or not; generated code: %s", (generate) => {
  const codec = codecs.codecOf(schemas.list(schemas.string), { generate });
  const encoded = codec.encode(TEXTS);
  const expected = TEXTS.flatMap((text) => {
    const utf8 = [...new TextEncoder().encode(text)];
    const { length } = utf8;
    return [...(length < 128 ? [length] : [(length & 127) | 128, length >> 7]), ...utf8];
  });
  expect(encoded).toEqual(Uint8Array.of(TEXTS.length, ...expected));
  const shared = new Uint8Array(new SharedArrayBuffer(codec.maxSize(TEXTS)));
  const end = codec.encodeInto(shared, 0, shared.length, TEXTS);
  expect(shared.slice(0, end)).toEqual(encoded);
  for (const decode of [codec.decode, codec.decodeBorrowed]) {
    expect(decode(shared, 0, end)).toEqual(TEXTS);
    expect(decode(encoded)).toEqual(TEXTS);
  }
  const room = new Uint8Array(new SharedArrayBuffer(encoded.length));
  expect(codec.encodeInto(room, 0, room.length - 1, TEXTS)).toBe(-1);
  expect(() => codec.encode([`${"x".repeat(50)}\ud800`])).toThrow("lone surrogate");
});
