// Protocol Buffers by protobufjs. Its reflection writes the same functions at run time that its command line tool
// writes to files ("static code"); they are made before anything is measured.
import protobuf from "protobufjs";

const { root } = protobuf.parse(
  `
syntax = "proto3";
enum Team { Red = 0; Blue = 1; Spectator = 2; }
message state {
  uint32 tick = 1; uint32 player = 2; string name = 3; Team team = 4; bool alive = 5;
  float x = 6; float y = 7; float z = 8; float yaw = 9; float pitch = 10;
  uint32 health = 11; uint32 armor = 12; uint32 weapon = 13; uint32 ammo = 14; sint32 score = 15;
}
message Customer { string name = 1; string email = 2; string street = 3; string city = 4; string country = 5; }
message Line { string sku = 1; string title = 2; uint32 quantity = 3; uint32 cents = 4; optional uint32 discount = 5; }
message order {
  string id = 1; double placed = 2; Customer customer = 3; repeated Line lines = 4; repeated string tags = 5;
  optional string note = 6;
}
message blob { uint32 id = 1; bytes data = 2; }
`,
  { keepCase: true },
);

const TEAMS = ["Red", "Blue", "Spectator"];

/** @type {import("../system.js").CodecSystem} */
const system = {
  name: "protobufjs",
  coder(name) {
    const type = root.lookupType(name).setup();
    return {
      adapt: (value) => type.create(name === "state" ? { ...value, team: TEAMS.indexOf(value.team) } : value),
      bytes: (value) => type.encode(value).finish(),
      encode: (value) => type.encode(value).finish().length,
      decode: ({ alone }) => type.decode(alone),
      restore(message) {
        const value = type.toObject(message, { defaults: true, enums: String });
        if (name !== "order") return value;
        const lines = value.lines.map((/** @type {any} */ line) => ({
          ...line,
          discount: line.discount || undefined,
        }));
        return { ...value, lines, note: value.note || undefined };
      },
    };
  },
};

export default system;
