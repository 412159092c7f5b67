// What the pages and the server say to each other.
import { string, struct } from "stable-conduit/schema";

export const Line = struct("Line", { text: string });
