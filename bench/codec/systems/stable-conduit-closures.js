// The same without generated code, for pages whose policy forbids it.
import { codecOf } from "stable-conduit/schema";
import { SCHEMAS } from "../schemas.js";

const ring = new Uint8Array(1 << 20);

/** @type {import("../system.js").CodecSystem} */
const system = {
  name: "stable-conduit-closures",
  coder(name) {
    const codec = codecOf(SCHEMAS[name], { generate: false });
    return {
      bytes: (value) => codec.encode(value),
      encode: (value) => codec.encodeInto(ring, 0, ring.length, value),
      decode: ({ chunk, start, end }) => codec.decode(chunk, start, end),
    };
  },
};

export default system;
