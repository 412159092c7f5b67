// The life of real pages: reloaded in the middle of a stream, into the back/forward cache and out again, duplicated,
// frozen. Whatever becomes of the page, its peer has each item once, and so has the page.
import { expect, test } from "vitest";
import { type Acceptor, type Bytes, listen, type StableConduit } from "../../src/node.js";
import { webSocketServer } from "../../src/ws.js";
import { blankPage, later, newContext, openPage, type Page, site } from "./harness.js";

const APP = `${blankPage()}<script type="module" src="/test/browser/pages/page-life-app.js"></script>`;

/** One session of a page, as its server has it. */
class Peer {
  received = 0;
  sent = 0;
  links: string[] = [];
  readonly wrong: string[] = [];
  readonly conduit: StableConduit<Uint8Array, Bytes, unknown>;

  constructor(conduit: StableConduit<Uint8Array, Bytes, unknown>) {
    this.conduit = conduit;
    conduit.onItems = (batch) => {
      for (const item of batch) {
        const number = new DataView(item.buffer, item.byteOffset).getUint32(0, true);
        if (number !== this.received) this.wrong.push(`${number} where ${this.received} was due`);
        this.received++;
      }
    };
    conduit.on("linkDown", () => this.links.push("down"));
    conduit.on("linkUp", () => this.links.push("up"));
  }

  send(count: number): void {
    for (let i = 0; i < count; i++) {
      const item = new Uint8Array(30);
      new DataView(item.buffer).setUint32(0, this.sent++, true);
      this.conduit.send(item);
    }
  }
}

async function world() {
  const { origin, server } = await site({
    pages: { "/app.html": APP, "/elsewhere.html": "<!doctype html><link rel=icon href=data:,>elsewhere" },
  });
  const acceptor: Acceptor<Uint8Array, Bytes, unknown> = await listen(
    webSocketServer({ server, path: "/conduit" }),
  );
  const peers: Peer[] = [];
  (async () => {
    for await (const conduit of acceptor) peers.push(new Peer(conduit));
  })();
  const timer = setInterval(() => {
    for (const peer of peers)
      if (peer.conduit.status.state !== "closed" && !peer.conduit.congested) peer.send(10);
  }, 3);
  later(() => acceptor.close({ timeoutMs: 1 }));
  later(() => clearInterval(timer));
  return { origin, peers, stopSending: () => clearInterval(timer) };
}

async function until(what: () => unknown, timeoutMs = 20_000): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  while (!(await what())) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

interface Seen {
  sent: number;
  received: number;
  wrong: string[];
  life: string[];
  state: string;
}

function seen(page: Page): Promise<Seen> {
  return page.evaluate(
    "({ sent: app.sent, received: app.received, wrong: app.wrong, life: app.life, state: app.conduit?.status.state })",
  ) as Promise<Seen>;
}

/** Stops both streams, and looks at everything that came, on both sides. */
async function settle(page: Page, peer: Peer, stopSending: () => void): Promise<Seen> {
  stopSending();
  await page.evaluate("app.sending = false");
  const { sent } = await seen(page);
  await until(() => peer.received === sent);
  await until(async () => (await seen(page)).received === peer.sent);
  expect(peer.wrong).toEqual([]);
  expect((await seen(page)).wrong).toEqual([]);
  return seen(page);
}

test("a page that is reloaded in the middle of both streams goes on with its session: 0 lost, 0 repeated [resume.suspend]", async () => {
  const { origin, peers, stopSending } = await world();
  const page = await openPage(`${origin}/app.html`);
  for (let reload = 0; reload < 8; reload++) {
    const before = peers[0]?.received ?? 0;
    await until(() => (peers[0]?.received ?? 0) > before + 100);
    await page.reload();
  }
  const before = peers[0].received;
  await until(() => peers[0].received > before + 100);
  const { life } = await settle(page, peers[0], stopSending);
  expect(life).toEqual(["pageshow false"]);
  expect(peers).toHaveLength(1);
  expect(peers[0].links.filter((what) => what === "up").length).toBeGreaterThanOrEqual(8);
});

test("a page goes into the back/forward cache without a link, and comes out with its session", async () => {
  const { origin, peers, stopSending } = await world();
  const page = await openPage(`${origin}/app.html`);
  for (let trip = 0; trip < 3; trip++) {
    const before = peers[0]?.received ?? 0;
    await until(() => (peers[0]?.received ?? 0) > before + 100);
    const downs = peers[0].links.length;
    await page.goto(`${origin}/elsewhere.html`);
    await until(() => peers[0].links.length > downs);
    await page.evaluate("setTimeout(() => history.back())"); // goBack() waits for a load event, which a cached page has not
    await until(() => peers[0].links.length > downs + 1);
  }
  const before = peers[0].received;
  await until(() => peers[0].received > before + 100);
  const { life } = await settle(page, peers[0], stopSending);
  expect(life.filter((event) => event === "pageshow true")).toHaveLength(3); // it is the same page
  expect(life).toContain("resume"); // it was frozen, too
  expect(peers).toHaveLength(1);
});

test("of a duplicated tab one goes on with the session, the other begins a new one", async () => {
  const { origin, peers, stopSending } = await world();
  const context = await newContext();
  const page = await openPage(`${origin}/app.html`, context);
  await until(() => (peers[0]?.received ?? 0) > 100);
  await page.goto(`${origin}/elsewhere.html`);
  // What a duplicated tab gets is a copy of the storage, the state in it; so does a window that a page opens.
  const opening = context.waitForEvent("page");
  await page.evaluate(`void open("${origin}/app.html")`);
  const duplicate = await opening;
  const before = peers[0].received;
  await until(() => peers[0].received > before + 100);
  // The first tab forgets its counts, but not the state, which by now is in use in the other one.
  await page.evaluate("sessionStorage.removeItem('sent'), sessionStorage.removeItem('received')");
  await page.goto(`${origin}/app.html`);
  await until(() => (peers[1]?.received ?? 0) > 100);
  const both = [await settle(duplicate, peers[0], stopSending), await settle(page, peers[1], stopSending)];
  expect(both.map(({ life }) => life.filter((event) => event.startsWith("state")))).toEqual([
    [],
    ["state lost: another tab"],
  ]);
  expect(peers).toHaveLength(2);
});

// Headless Chromium hides and freezes no tab. These events are made; real ones come in the test of the cache above.
test("a tab that is told of its freezing gives its link up, and has one at once when it is thawed", async () => {
  const { origin, peers, stopSending } = await world();
  const page = await openPage(`${origin}/app.html`);
  await until(() => (peers[0]?.received ?? 0) > 100);
  expect(peers[0].links).toEqual([]); // the first link was there before we listened
  await page.evaluate("void document.dispatchEvent(new Event('freeze'))");
  await until(() => peers[0].links.length === 1);
  await page.evaluate("void document.dispatchEvent(new Event('resume'))");
  await until(() => peers[0].links.length === 2);
  expect(peers[0].links).toEqual(["down", "up"]);
  await settle(page, peers[0], stopSending);
});

test("a page whose network is gone dials at once when it is back", async () => {
  const { origin, peers, stopSending } = await world();
  const context = await newContext();
  const page = await openPage(`${origin}/app.html`, context);
  await until(() => (peers[0]?.received ?? 0) > 100);
  await context.setOffline(true);
  await page.evaluate("app.conduit.reconnect()"); // what follows is a backoff of two minutes
  await until(async () => /connecting/.test((await seen(page)).state));
  await context.setOffline(false);
  await until(async () => (await seen(page)).state === "open");
  await settle(page, peers[0], stopSending);
  expect(peers).toHaveLength(1);
});
