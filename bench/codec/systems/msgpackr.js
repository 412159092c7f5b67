// msgpackr with records: both sides share the structures, so that names are not in the messages.
import { Packr } from "msgpackr";

/** @type {import("../system.js").CodecSystem} */
const system = {
  name: "msgpackr",
  coder() {
    const packr = new Packr({ structures: [], useRecords: true, encodeUndefinedAsNil: true });
    return {
      bytes: (value) => new Uint8Array(packr.pack(value)),
      // A view of its own buffer, which it makes anew now and then.
      encode: (value) => packr.pack(value).length,
      decode: ({ alone }) => packr.unpack(alone),
    };
  },
};

export default system;
