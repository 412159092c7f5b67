// What a typed array has, whatever properties it was given. Own ones and those of a class of its own may say anything, and a
// length that lies would make a copy into linear memory read or write beyond its place.
export const bytesOf = {
  length: /* @__PURE__ */ getterOf<number>("length"),
  buffer: /* @__PURE__ */ getterOf<ArrayBufferLike>("buffer"),
  byteOffset: /* @__PURE__ */ getterOf<number>("byteOffset"),
};

function getterOf<T>(name: string): (this: Uint8Array) => T {
  return Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), name)!.get as () => T;
}

/** A view of the same bytes with no properties of its own. */
export function plainBytes(bytes: Uint8Array, length = bytesOf.length.call(bytes)): Uint8Array {
  if (length === 0) return new Uint8Array(0); // a buffer that was transferred gives no views
  return new Uint8Array(bytesOf.buffer.call(bytes), bytesOf.byteOffset.call(bytes), length);
}
