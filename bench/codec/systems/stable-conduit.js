// This package, as a conduit uses it: into memory that is there (the replay ring), out of the chunk that came.
import { codecOf } from "stable-conduit/schema";
import { SCHEMAS } from "../schemas.js";

const ring = new Uint8Array(1 << 20);

/** @type {import("../system.js").CodecSystem} */
const system = {
  name: "stable-conduit",
  coder(name) {
    const codec = codecOf(SCHEMAS[name]);
    let at = 0;
    return {
      bytes: (value) => codec.encode(value),
      encode(value) {
        let end = codec.encodeInto(ring, at, ring.length, value);
        if (end < 0) end = codec.encodeInto(ring, (at = 0), ring.length, value);
        const size = end - at;
        at = end;
        return size;
      },
      decode: ({ chunk, start, end }) => codec.decode(chunk, start, end),
    };
  },
};

export default system;
