// The same for values that are used and let go: byte strings are views of the chunk and strings share its text, which is
// what msgpackr and protobufjs do in any case.
import { codecOf } from "stable-conduit/schema";
import { SCHEMAS } from "../schemas.js";
import owned from "./stable-conduit.js";

/** @type {import("../system.js").CodecSystem} */
const system = {
  name: "stable-conduit-borrowed",
  coder(name) {
    const coder = owned.coder(name);
    if (coder === null) return null;
    const codec = codecOf(SCHEMAS[name]);
    return { ...coder, decode: ({ chunk, start, end }) => codec.decodeBorrowed(chunk, start, end) };
  },
};

export default system;
