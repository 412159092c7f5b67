// A page whose conduit is to outlive it: sends numbered items and counts what comes, in its tab's storage, so that the page
// after it can tell whether something was lost or repeated. The test looks at `app`.
import { persistent, webSocket } from "stable-conduit";

/** @param {string} name */
const count = (name) => Number(sessionStorage.getItem(name) ?? 0);
/** @param {Uint8Array} item */
const numberOf = (item) => new DataView(item.buffer, item.byteOffset).getUint32(0, true);

const app = {
  /** @type {string[]} */
  wrong: [],
  /** @type {string[]} */
  life: [],
  sending: true,
  get sent() {
    return count("sent");
  },
  get received() {
    return count("received");
  },
  /** @type {unknown} */
  conduit: null,
};
Object.assign(globalThis, { app });

addEventListener("pageshow", ({ persisted }) => app.life.push(`pageshow ${persisted}`));
document.addEventListener("resume", () => app.life.push("resume"));

const conduit = await persistent(webSocket("/conduit"), "app", {
  // Nothing here is to come of a backoff that happens to be short.
  retry: { baseMs: 120_000, capMs: 120_000 },
  onStateLost: (error) => app.life.push(`state lost: ${error?.code ?? "another tab"}`),
});
app.conduit = conduit;
conduit.onItems = (/** @type {import("stable-conduit").Batch<Uint8Array>} */ batch) => {
  for (const item of batch) {
    const due = app.received;
    if (numberOf(item) !== due) app.wrong.push(`${numberOf(item)} where ${due} was due`);
    sessionStorage.setItem("received", String(due + 1));
  }
};

/** Some items, then again after other tasks had their turn; in one task with the count of them. */
function burst() {
  for (let i = 0; i < 20 && app.sending && conduit.status.state !== "suspended"; i++) {
    if (conduit.congested) break;
    const item = new Uint8Array(40);
    new DataView(item.buffer).setUint32(0, app.sent, true);
    conduit.send(item);
    sessionStorage.setItem("sent", String(app.sent + 1));
  }
  if (app.sending) setTimeout(burst, 2);
}
burst();
