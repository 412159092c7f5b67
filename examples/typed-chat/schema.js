// @ts-check
// What the chat's two sides say to each other. Each says what it reads when they meet, so a client of another version
// joins as long as one can be read as the other: see docs/typed-messages.md.
import { asNumber, enumOf, list, string, struct, u64 } from "stable-conduit/schema";

/** @typedef {import("stable-conduit/schema").Infer<typeof Event>} Event */
/** @typedef {import("stable-conduit/schema").Infer<typeof ToServer>} ToServer */
/** @typedef {import("stable-conduit/schema").Infer<typeof ToClient>} ToClient */

const What = enumOf("What", { Came: null, Said: string, Left: null });

/** `at`: milliseconds since the epoch. */
export const Event = struct("Event", { at: asNumber(u64), who: string, what: What });

export const ToServer = enumOf("ToServer", { Enter: { name: string }, Say: string });

/** What was before you came, once, and then what happens. */
export const ToClient = enumOf("ToClient", { History: list(Event), Happened: Event });
