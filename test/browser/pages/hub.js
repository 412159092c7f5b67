// A page of hub-worker.js.
import { connect, messagePort } from "stable-conduit";

/** @type {Promise<import("stable-conduit").StableConduit> | undefined} */
let hub;

/**
 * Joins the hub; resolves when it says that so many pages are there, and says all that it had said until then.
 * @param {number} count
 */
export default async (count) => {
  hub ??= connect(
    messagePort(() => new SharedWorker("/test/browser/pages/hub-worker.js", { type: "module" }).port),
  );
  const told = [];
  while (told.at(-1) !== count) told.push((await (await hub).recv({ timeoutMs: 10_000 }))?.[0]);
  return told;
};
