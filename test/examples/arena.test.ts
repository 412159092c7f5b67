// The arena: what its counters show has to be true. The server runs as its users start it; the two ways of playing are the
// page's own modules, here with the WebSocket of `ws`.
import { once } from "node:events";
import http from "node:http";
import { afterEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { ConduitSide } from "../../examples/arena/page/conduit-side.js";
import { PlainSide } from "../../examples/arena/page/plain-side.js";
import { World } from "../../examples/arena/server/world.js";
import { Arrivals } from "../../examples/arena/shared/arrivals.js";
import type { Event } from "../../examples/arena/shared/messages.js";
import { randomFrom } from "../../examples/demo/chaos-proxy.js";
import type { WebSocketOptions } from "../../src/index.js";
import { Program } from "./program.js";

const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function startArena(): Promise<{ server: Program; origin: string }> {
  const server = new Program("arena/server/server.js", ["0", "127.0.0.1"]);
  const [, origin] = await server.until(/(http:\/\/127\.0\.0\.1:\d+)\//);
  return { server, origin };
}

/** In place of the random name that a page gives itself. */
const pageOf = (name: string) => `the-page-called-${name.replace(/\W+/, "")}`;

/** One who plays, as a page does it. */
class Pilot {
  readonly conduit: ConduitSide;
  readonly plain: PlainSide;
  /** What everybody said, as this one heard it. */
  readonly heard: string[] = [];
  readonly #origin: string;
  readonly #page: string;

  private constructor(origin: string, name: string, page: string) {
    const socket = (path: string) => `${origin.replace("http", "ws")}${path}?page=${page}`;
    this.#origin = origin;
    this.#page = page;
    this.conduit = new ConduitSide(socket("/conduit"), name, { WebSocket });
    cleanups.push(() => this.conduit.leave());
    this.conduit.world.onEvent = (event: Event) => {
      if (event.type === "Said") this.heard.push(event.text);
    };
    this.plain = new PlainSide(socket("/plain"), { WebSocket: WebSocket as never });
    cleanups.push(() => this.plain.leave());
  }

  static async join(origin: string, name: string): Promise<Pilot> {
    const pilot = new Pilot(origin, name, pageOf(name));
    await Promise.all([pilot.conduit.joined, pilot.plain.joined]);
    return pilot;
  }

  say(text: string): void {
    this.conduit.act({ type: "Say", value: text });
    this.plain.act({ type: "Say", value: text });
  }

  async cut(offlineMs: number): Promise<void> {
    const url = `${this.#origin}/network?page=${this.#page}&offlineMs=${offlineMs}`;
    expect((await fetch(url, { method: "POST" })).status).toBe(204);
  }

  /** Until both have a link again, after so many cuts. */
  async back(cuts: number): Promise<void> {
    await vi.waitFor(
      () => {
        for (const side of [this.conduit, this.plain]) expect(side).toMatchObject({ connected: true, cuts });
      },
      { timeout: 20_000, interval: 2 },
    );
  }
}

const until = (condition: () => void) => vi.waitFor(condition, { timeout: 20_000, interval: 5 });

test(`through the conduit no event and no action is lost or repeated over 25 cuts (SEED=${SEED})`, async () => {
  const random = randomFrom(SEED);
  const { server, origin } = await startArena();
  const [ann, bob] = await Promise.all([Pilot.join(origin, "ann"), Pilot.join(origin, "bob")]);
  const said: string[] = [];
  for (let cuts = 1; cuts <= 25; cuts++) {
    // Around the cut: what is on its way when it comes, and what is said without a link.
    const lines = Array.from({ length: 1 + Math.floor(random() * 2) }, (_, i) => `ann ${cuts}.${i}`);
    for (const line of lines) ann.say(line);
    said.push(...lines);
    await ann.cut(random() < 0.2 ? 50 : 0);
    await ann.back(cuts);
    await until(() => expect(bob.heard.filter((line) => line.startsWith("ann"))).toHaveLength(said.length));
  }
  await until(() => expect(ann.heard).toEqual(bob.heard));
  expect(ann.heard.filter((line) => line.startsWith("ann"))).toEqual(said);
  for (const { conduit } of [ann, bob]) expect(conduit.events).toMatchObject({ lost: 0, repeated: 0 });
  await pong(ann.conduit);
  expect(ann.conduit.actions).toMatchObject({ lost: 0, repeated: 0 });
  server.signal("SIGTERM");
  expect(await server.ended).toBe(0);
  expect(server.stderr).toBe("");
});

test("what happens while a player is offline reaches it through the conduit, and is counted as lost on the plain side", async () => {
  const { origin } = await startArena();
  const [ann, bob] = await Promise.all([Pilot.join(origin, "ann"), Pilot.join(origin, "bob")]);
  const before = ann.plain.events.came;
  await ann.cut(60_000);
  await until(() => expect([ann.conduit.connected, ann.plain.connected]).toEqual([false, false]));
  const lines = Array.from({ length: 10 }, (_, i) => `line ${i}`);
  for (const line of lines) bob.say(line);
  ann.say("is anybody here?");
  await until(() => expect(bob.heard).toEqual(expect.arrayContaining(lines)));
  expect(ann.heard).toEqual([]);

  await ann.cut(0);
  await ann.back(1);
  await until(() => expect(bob.heard).toContain("is anybody here?"));
  await until(() => expect(ann.heard).toEqual(bob.heard));
  expect(ann.conduit.events).toMatchObject({ lost: 0, repeated: 0 });

  // A gap is seen when something comes behind it.
  ann.say("now");
  await until(() => expect(ann.heard).toContain("now"));
  await until(() => expect(ann.plain.world.lines).toContainEqual({ by: "ann", text: "now" }));
  expect(ann.plain.events.came).toBeGreaterThan(before);
  expect(ann.plain.events.lost).toBeGreaterThanOrEqual(lines.length);
  await pong(ann.plain);
  expect(ann.plain.actions).toMatchObject({ lost: 1, repeated: 0 });
  await pong(ann.conduit);
  expect(ann.conduit.actions).toMatchObject({ lost: 0, repeated: 0 });
});

test("the copy of the world that the conduit keeps is the server's, after cuts", async () => {
  const { origin } = await startArena();
  const ann = await Pilot.join(origin, "ann");
  for (let cuts = 1; cuts <= 5; cuts++) {
    await ann.cut(100);
    await ann.back(cuts);
  }
  // Who comes later is told the world as it is: both copies agree, at some moment at which nothing is on its way.
  const bob = await Pilot.join(origin, "bob");
  const known = ({ world: { ships, gems } }: ConduitSide) => ({
    scores: [...ships.values()].map(({ name, score }) => `${name} ${score}`).sort(),
    gems: [...gems.keys()].sort(),
  });
  await until(() => expect(known(ann.conduit)).toEqual(known(bob.conduit)));
});

test("a page that does not belong to the arena's origin, or takes another's name, is refused", async () => {
  const { origin } = await startArena();
  const ann = await Pilot.join(origin, "ann");
  class Foreign extends WebSocket {
    constructor(url: string) {
      super(url, { origin: "https://elsewhere.example" });
    }
  }
  for (const [page, options] of [
    [pageOf("ann"), { WebSocket }],
    [pageOf("eve"), { WebSocket: Foreign }],
    ["short", { WebSocket }],
  ] as const) {
    const url = `${origin.replace("http", "ws")}/conduit?page=${page}`;
    const eve = new ConduitSide(url, "eve", options as WebSocketOptions);
    const close = await eve.closed;
    expect(close).toMatchObject({ clean: false, error: { code: "CONDUIT_UNAUTHORIZED" } });
  }
  expect(ann.conduit.connected).toBe(true);
});

test("names and lines that are too long are shortened, by characters", async () => {
  const { origin } = await startArena();
  const [ann, bob] = await Promise.all([
    Pilot.join(origin, "ann"),
    Pilot.join(origin, `x${"🦊".repeat(30)}`),
  ]);
  bob.say(`x${"🦊".repeat(200)}`);
  await until(() => expect(ann.heard).toContain(`x${"🦊".repeat(79)}`));
  expect(ann.conduit.world.lines.at(-1)?.by).toBe(`x${"🦊".repeat(11)}`);
});

test("the server answers with its own files only, under a strict policy, and with nothing from elsewhere", async () => {
  const { origin } = await startArena();
  const seen = new Map<string, string>();
  const visit = async (path: string) => {
    if (seen.has(path)) return;
    const response = await fetch(origin + path);
    expect(response.status, path).toBe(200);
    expect(response.headers.get("content-security-policy")).toContain(
      "script-src 'self' 'wasm-unsafe-eval';",
    );
    const text = await response.text();
    seen.set(path, text);
    expect(text, path).not.toMatch(/\b(src|href)="(?!\/)|@import|url\(/);
    for (const [, link] of text.matchAll(/(?:\bsrc=|\bhref=|^import |\bfrom )["']([^"']+)["']/gm)) {
      expect(link, path).toMatch(/^\.{0,2}\//);
      await visit(new URL(link, origin + path).pathname);
    }
  };
  await visit("/");
  expect([...seen.keys()]).toEqual(
    expect.arrayContaining([
      "/page/main.js",
      "/page/style.css",
      "/shared/messages.js",
      "/stable-conduit/schema.js",
    ]),
  );
  for (const path of [
    "/server/server.js",
    "/page/../server/server.js",
    "/page//../../../../package.json",
    "/page/%2e%2e/shared/field.js",
    "/page/..%2fshared/field.js",
    "/stable-conduit/../package.json",
    "//",
  ]) {
    // Not fetch(), which takes the ".." out itself.
    const [answer] = await once(
      http.get({ port: new URL(origin).port, host: "127.0.0.1", path }),
      "response",
    );
    expect(answer.resume().statusCode, path).toBe(404);
  }
});

test("arrivals: a number that is missing was lost, one that comes again was repeated", () => {
  const arrivals = new Arrivals(5);
  for (const n of [5, 6, 9, 9, 6, 10]) arrivals.note(n);
  expect(arrivals).toMatchObject({ came: 4, lost: 2, repeated: 2 });
});

test("the world: a ship flies to its target, picks up what lies there, and a pulse takes a point of who is near", () => {
  const events: Event[] = [];
  const world = new World((event) => events.push(event), randomFrom(SEED));
  const [ann, bob] = [world.enter("ann"), world.enter("bob")];
  const gem = [...world.gems.values()][0];
  ann.target = gem;
  for (let i = 0; i < 300 && world.gems.has(gem.gem); i++) world.step();
  expect(events).toContainEqual({ type: "Picked", gem: gem.gem, by: ann.id });
  expect(world.gems.size).toBe(10);

  Object.assign(bob, { x: ann.x + 60, y: ann.y });
  const before = [ann.score, bob.score];
  world.pulse(bob);
  world.pulse(bob); // it has to rest
  expect(events.filter(({ type }) => type === "Pulsed")).toEqual([
    { type: "Pulsed", by: bob.id, hit: [ann.id] },
  ]);
  expect([ann.score, bob.score]).toEqual([before[0] - 1, before[1] + 1]);
});

/** Until the server's figures are those of now. */
async function pong(side: ConduitSide | PlainSide): Promise<void> {
  side.rttMs = null;
  await vi.waitFor(
    () => {
      side.ping();
      expect(side.rttMs).not.toBeNull();
    },
    { timeout: 20_000, interval: 50 },
  );
}
