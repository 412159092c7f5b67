// This package with a backoff that begins at 2 ms instead of 50: for peers that few others dial at the same time.
import perItem, { dialling, sending } from "./stable-conduit.js";

/** @type {import("../system.js").System} */
const system = {
  ...perItem,
  name: "stable-conduit-eager",
  send: (address, context) => dialling(address, context, sending, { retry: { baseMs: 2 } }),
};

export default system;
