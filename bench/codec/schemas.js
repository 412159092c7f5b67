// The cases as schemas of this package.
import {
  bool,
  bytes,
  enumOf,
  f32,
  f64,
  i32,
  list,
  option,
  string,
  struct,
  u8,
  u16,
  u32,
} from "stable-conduit/schema";

/** @typedef {import("./cases.js").Case} Case */

const State = struct("State", {
  tick: u32,
  player: u32,
  name: string,
  team: enumOf("Team", ["Red", "Blue", "Spectator"]),
  alive: bool,
  x: f32,
  y: f32,
  z: f32,
  yaw: f32,
  pitch: f32,
  health: u8,
  armor: u8,
  weapon: u8,
  ammo: u16,
  score: i32,
});

const Order = struct("Order", {
  id: string,
  placed: f64,
  customer: struct("Customer", {
    name: string,
    email: string,
    street: string,
    city: string,
    country: string,
  }),
  lines: list(
    struct("Line", { sku: string, title: string, quantity: u32, cents: u32, discount: option(u32) }),
  ),
  tags: list(string),
  note: option(string),
});

const Blob = struct("Blob", { id: u32, data: bytes });

/** @type {Record<Case, import("stable-conduit/schema").AnySchema>} */
export const SCHEMAS = { state: State, order: Order, blob: Blob };
