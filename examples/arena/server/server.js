// @ts-check
// The arena's server: it alone decides what happens. Pages join through conduits on one path of an HTTP server, and are told
// what happens; plain WebSockets on another path are told the same.
//
//   node examples/arena/server/server.js [port] [host]
import http from "node:http";
import { listen } from "stable-conduit/node";
import { webSocketServer } from "stable-conduit/ws";
import { WebSocketServer } from "ws";
import { TICK_MS } from "../shared/field.js";
import { ToPage, ToServer } from "../shared/messages.js";
import { Bots } from "./bots.js";
import { serveFile } from "./files.js";
import { Networks } from "./networks.js";
import { Player, shortened } from "./player.js";
import { World } from "./world.js";

/** @typedef {import("stable-conduit/node").AuthorizeRequest<import("../shared/messages.js").ToPage, import("../shared/messages.js").ToServer, { page: string }>} Request */

const MAX_PLAYERS = 64;
const NAME_LENGTH = 12;
/** Who takes a session and does not join loses it. */
const JOIN_MS = 10_000;
const MAX_OFFLINE_MS = 60_000;
/** The largest message is a Welcome. What a player has not confirmed is at most replayBytes, and for graceMs without a link. */
const LIMITS = { maxFrameBytes: 16_384, replayBytes: 262_144, receiveWindow: 65_536, graceMs: 60_000 };

// ------------------------------------------------------------------ the world

/** @type {Map<string, Player>} by page */
const players = new Map();
let events = 0;

const world = new World((event) => {
  const n = events++;
  for (const player of players.values()) player.send({ type: "Happened", n, event });
});
const bots = new Bots(world);

const ticking = setInterval(() => {
  bots.step();
  world.step();
  const places = [...world.ships.values()].map(({ id, x, y }) => ({
    id,
    x: Math.round(x),
    y: Math.round(y),
  }));
  for (const player of players.values()) player.sendVolatile({ type: "Snapshot", value: places });
}, TICK_MS);

// ------------------------------------------------------------------ players

/** @param {import("./player.js").Conduit} conduit */
async function serve(conduit) {
  const { page } = conduit.data;
  const join = await conduit.recv({ timeoutMs: JOIN_MS }).catch(() => undefined);
  if (join?.type !== "Join" || players.has(page)) return conduit.abort("did not join");
  const ship = world.enter(shortened(join.name, NAME_LENGTH) || "Nobody");
  const player = new Player(world, ship, conduit);
  player.send(welcome(ship));
  players.set(page, player); // from now on it gets the events
  conduit.onItems = (batch) => {
    for (const message of batch) player.take(message);
  };
  conduit.on("volatile", (message) => player.take(message));

  await conduit.closed; // never rejects; a link that is gone is nothing, graceMs without any is the end
  players.delete(page);
  player.plain.close();
  world.leave(ship);
}

/**
 * What a new player has to know, once; everything later are events.
 * @param {import("./world.js").Ship} you
 * @returns {import("../shared/messages.js").ToPage}
 */
function welcome(you) {
  const ships = [...world.ships.values()].map(({ id, name, score }) => ({ id, name, score }));
  return { type: "Welcome", you: you.id, nextEvent: events, ships, gems: [...world.gems.values()] };
}

// ------------------------------------------------------------------ network

const networks = new Networks();
const plainSockets = new WebSocketServer({ noServer: true, maxPayload: LIMITS.maxFrameBytes });

const server = http.createServer((request, response) => {
  if (request.method === "POST") cutNetwork(request, response);
  else serveFile(request, response);
});

// The first listener of upgrades: without a network neither the conduit's links nor the plain WebSocket get further.
server.on("upgrade", (request, socket, head) => {
  const { pathname, page } = addressOf(request);
  if (!networks.connect(page, socket)) return;
  if (pathname === "/conduit") return; // webSocketServer() below takes it
  const player = players.get(page);
  if (pathname !== "/plain" || !player) return void socket.destroy();
  plainSockets.handleUpgrade(request, socket, head, (accepted) => {
    player.plain.connect(accepted, welcome(player.ship));
  });
});

/**
 * POST /network?page=…&offlineMs=…: the page asks for a cut, of its own connections only.
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 */
function cutNetwork(request, response) {
  const { pathname, page, search } = addressOf(request);
  const offlineMs = Number(search.get("offlineMs"));
  const known = pathname === "/network" && players.has(page) && offlineMs >= 0 && offlineMs <= MAX_OFFLINE_MS;
  if (known) networks.cut(page, offlineMs);
  response.writeHead(known ? 204 : 404).end();
}

/** @param {{ url?: string }} request */
function addressOf({ url = "/" }) {
  const [pathname, query] = url.split("?");
  const search = new URLSearchParams(query);
  return { pathname, search, page: search.get("page") ?? "" };
}

const [port = "7080", host = "localhost"] = process.argv.slice(2);
server.listen(Number(port), host);
const acceptor = await listen(
  webSocketServer({ server, path: "/conduit", maxFrameBytes: LIMITS.maxFrameBytes }),
  {
    ...LIMITS,
    schema: { send: ToPage, recv: ToServer },
    maxSessions: MAX_PLAYERS,
    /** @param {Request} request for new sessions and for each resume */
    authorize({ kind, link }) {
      const { page } = addressOf(link);
      // Any page of any site can open a WebSocket to here: its browser says which it was.
      const ours =
        link.origin === undefined || link.origin.replace(/^https?:\/\//, "") === link.headers?.host;
      if (!ours || !/^[\w-]{16,64}$/.test(page) || (kind === "new" && players.has(page))) return null;
      return { data: { page } };
    },
  },
);
const { port: listening } = /** @type {import("node:net").AddressInfo} */ (server.address());
console.log(`The arena is open: http://${host}:${listening}/`);

process.once("SIGINT", stop);
process.once("SIGTERM", stop);

async function stop() {
  clearInterval(ticking);
  networks.close();
  await acceptor.close({ timeoutMs: 2_000 }).catch(() => {}); // what is left was aborted
  for (const player of players.values()) player.plain.close();
  server.close();
  server.closeAllConnections();
}

for await (const conduit of acceptor) serve(conduit);
