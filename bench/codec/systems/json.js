// JSON as text in UTF-8; bytes as base64.
const buffer = Buffer.alloc(1 << 20);

/** @type {import("../system.js").CodecSystem} */
const system = {
  name: "json",
  coder(name) {
    const text =
      name === "blob"
        ? (/** @type {any} */ { id, data }) =>
            JSON.stringify({
              id,
              data: Buffer.from(data.buffer, data.byteOffset, data.length).toString("base64"),
            })
        : JSON.stringify;
    return {
      bytes: (value) => Buffer.from(text(value)),
      encode: (value) => buffer.write(text(value)),
      decode({ alone }) {
        const value = JSON.parse(alone.toString());
        if (name === "blob") value.data = Buffer.from(value.data, "base64");
        return value;
      },
    };
  },
};

export default system;
