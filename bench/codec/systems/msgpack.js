// @msgpack/msgpack, the format's own JavaScript implementation, with its objects kept.
import { Decoder, Encoder } from "@msgpack/msgpack";

/** @type {import("../system.js").CodecSystem} */
const system = {
  name: "msgpack",
  coder() {
    const encoder = new Encoder({ ignoreUndefined: true });
    const decoder = new Decoder();
    return {
      bytes: (value) => encoder.encode(value),
      encode: (value) => encoder.encodeSharedRef(value).length,
      decode: ({ alone }) => decoder.decode(alone),
    };
  },
};

export default system;
