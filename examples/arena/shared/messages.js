// @ts-check
// What the page and the server say to each other. Both sides import this file; the conduit checks with fingerprints that
// they have the same version, see docs/typed-messages.md.
//
// Two kinds of messages. What happens once (Join, Act, Welcome, Happened) goes as an item: it arrives, once, in order. What the
// next one makes worthless (Steer, Ping, Snapshot, Pong) goes as a volatile: it is never sent again.
import { enumOf, f64, list, string, struct, u16, u32 } from "stable-conduit/schema";

/** @typedef {import("stable-conduit/schema").Infer<typeof Action>} Action */
/** @typedef {import("stable-conduit/schema").Infer<typeof Event>} Event */
/** @typedef {import("stable-conduit/schema").Infer<typeof ToServer>} ToServer */
/** @typedef {import("stable-conduit/schema").Infer<typeof ToPage>} ToPage */

/** What a player can do, besides flying. */
export const Action = enumOf("Action", { Pulse: null, Say: string });

export const ToServer = enumOf("ToServer", {
  Join: { name: string },
  /** `n` counts the player's actions from 0: so the server sees which are missing. */
  Act: { n: u32, action: Action },
  /** Where the ship shall fly to. */
  Steer: { x: u16, y: u16 },
  /** `at` is the page's own clock, and comes back with the Pong. */
  Ping: { at: f64 },
});

/** What changes the world, besides ships that move. */
export const Event = enumOf("Event", {
  Came: { id: u16, name: string },
  Left: { id: u16 },
  Grew: { gem: u32, x: u16, y: u16 },
  Picked: { gem: u32, by: u16 },
  /** Who was hit hands over a point. */
  Pulsed: { by: u16, hit: list(u16) },
  Said: { by: u16, text: string },
});

const Ship = struct("Ship", { id: u16, name: string, score: u32 });
const Gem = struct("Gem", { gem: u32, x: u16, y: u16 });
const Place = struct("Place", { id: u16, x: u16, y: u16 });

export const ToPage = enumOf("ToPage", {
  /** The world as it is; the first event from now on has the number `nextEvent`. */
  Welcome: { you: u16, nextEvent: u32, ships: list(Ship), gems: list(Gem) },
  /** `n` counts the world's events: so the page sees which are missing. */
  Happened: { n: u32, event: Event },
  Snapshot: list(Place),
  /** With what the server has counted of this player's actions. */
  Pong: { at: f64, lost: u32, repeated: u32 },
});
