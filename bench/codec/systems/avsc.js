// Avro: like postcard, a schema on both sides and no names in the messages. Into a buffer that is there.
import avro from "avsc";

const buffer = Buffer.alloc(1 << 20);

/** @param {string} name @param {Record<string, unknown>} fields */
const record = (name, fields) => ({
  type: "record",
  name,
  fields: Object.entries(fields).map(([field, type]) => ({ name: field, type })),
});

const SCHEMAS = {
  state: record("State", {
    tick: "int",
    player: "int",
    name: "string",
    team: { type: "enum", name: "Team", symbols: ["Red", "Blue", "Spectator"] },
    alive: "boolean",
    x: "float",
    y: "float",
    z: "float",
    yaw: "float",
    pitch: "float",
    health: "int",
    armor: "int",
    weapon: "int",
    ammo: "int",
    score: "int",
  }),
  order: record("Order", {
    id: "string",
    placed: "double",
    customer: record("Customer", {
      name: "string",
      email: "string",
      street: "string",
      city: "string",
      country: "string",
    }),
    lines: {
      type: "array",
      items: record("Line", {
        sku: "string",
        title: "string",
        quantity: "int",
        cents: "int",
        discount: ["null", "int"],
      }),
    },
    tags: { type: "array", items: "string" },
    note: ["null", "string"],
  }),
  blob: record("Blob", { id: "int", data: "bytes" }),
};

/** @type {import("../system.js").CodecSystem} */
const system = {
  name: "avsc",
  coder(name) {
    const type = avro.Type.forSchema(/** @type {any} */ (SCHEMAS[name]), { wrapUnions: "never" });
    return {
      adapt(value) {
        if (name === "blob") return { id: value.id, data: Buffer.from(value.data) };
        if (name === "state") return value;
        const lines = value.lines.map((/** @type {any} */ line) => ({
          ...line,
          discount: line.discount ?? null,
        }));
        return { ...value, lines, note: value.note ?? null };
      },
      bytes: (value) => type.toBuffer(value),
      encode: (value) => type.encode(value, buffer, 0),
      decode: ({ alone }) => type.decode(alone, 0).value,
    };
  },
};

export default system;
