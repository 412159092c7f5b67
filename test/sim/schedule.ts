// From a seed to a world: which profiles, limits, links and programs, what goes wrong and when, and what must be
// true at the end. runSchedule() is the whole of one simulated run.
import {
  RECV_HANDED,
  RECV_NEXT,
  RING_ACKED_SEQ,
  RING_HEAD_SEQ,
  RING_SENT_SEQ,
  RING_WRITTEN_SEQ,
} from "../../assembly/abi.js";
import { type ResolvedLimits, resolveLimits } from "../../src/limits.js";
import { Machine, type Profile } from "../../src/proto/machine.js";
import type { Core } from "../../src/wasm/core.js";
import type { Random } from "../wasm/random.js";
import { AcceptorHost } from "./acceptor.js";
import { Application, itemOf, type Plan } from "./application.js";
import { Initiator } from "./initiator.js";
import { sharedCore } from "./shared-core.js";
import { type LinkNature, same } from "./sim-link.js";
import { Broken, World } from "./world.js";

/** Virtual time that everything may take once the links are perfect. */
const CALM_MS = 900_000;
/** A schedule of large items over links that carry two bytes at a time has taken 4 million. */
const MAX_EVENTS = 30_000_000;
/** Longer than any schedule: sessions are not lost by waiting, unless that is the story. */
const LONG_GRACE_MS = 3_600_000;

type Story = "complete" | "abort" | "throw" | "vanish";

interface Conduit {
  story: Story;
  offered: Profile;
  initiatorPlan: Plan;
  acceptorPlan: Plan;
  initiatorLimits: ResolvedLimits;
  acceptorLimits: ResolvedLimits;
  startSeqs: [toAcceptor: number, toInitiator: number];
}

/**
 * "restless": few items, a slow authorize, and an initiator that leaves links which work, so that what was on them
 * arrives while the next one waits, and links that were given up long ago take over.
 * "reloading": initiators are suspended and restored at any moment [resume.suspend].
 */
export type Mood = "any" | "restless" | "reloading";

/** Counters of one run, to see that the chaos is real. */
export interface Outcome {
  seed: number;
  events: number;
  links: number;
  reloads: number;
  items: number;
}

/** @throws Broken with the seed and the trace when a property does not hold. */
export function runSchedule(seed: number, mood: Mood = "any"): Outcome {
  try {
    return run(seed, mood, false);
  } catch (error) {
    throw new Broken(`seed ${seed}: ${(error as Error).message}\n${traceOf(seed, mood)}`, { cause: error });
  }
}

/** The same run again, this time with its trace. */
function traceOf(seed: number, mood: Mood): string {
  let world: World | undefined;
  try {
    run(seed, mood, true, (made) => (world = made));
    return "(the second run of this seed went well: something outlives a run)";
  } catch (error) {
    // Of the conduit that is named, or of all.
    const conduit = /^[ia](\d+)/.exec((error as Error).message)?.[1];
    return `${world?.trace(conduit)}\n${(error as Error).stack}`;
  }
}

function run(seed: number, mood: Mood, traced: boolean, made?: (world: World) => void): Outcome {
  const core = sharedCore();
  const usedBefore = core.memory.usedBytes;
  const world = new World(seed, traced);
  made?.(world);
  const { random } = world;
  const restless = mood === "restless";
  const chaosMs = random.pick(restless ? [3_000, 8_000] : [0, 500, 5_000, 30_000, 60_000]);
  const authorizeMs = random.pick(restless ? [200, 800] : [0, 0, 20, 500, 3_000]);
  const supports: Profile = !restless && random.oneIn(4) ? "base" : "extended";
  const count = restless ? 1 : random.between(1, 3);
  const conduits = Array.from({ length: count }, () => drawConduit(random, supports, chaosMs));
  if (restless) for (const { initiatorPlan, acceptorPlan } of conduits) spare(initiatorPlan, acceptorPlan);
  const host = new AcceptorHost(world, core, {
    supports,
    authorizeMs,
    refusePercent: random.pick([0, 0, 10]),
    // Where authorize is slow, links that the initiator gave up long ago take over all the same.
    handshakeTimeoutMs: restless || authorizeMs > 1_000 ? 10_000 : random.pick([200, 2_000, 10_000]),
    side: (index) => {
      const conduit = conduits[index];
      return {
        limits: conduit.acceptorLimits,
        plan: conduit.acceptorPlan,
        peerPlan: conduit.initiatorPlan,
        prepare: (machine) => setSeqs(core, machine, conduit.startSeqs[1], conduit.startSeqs[0]),
      };
    },
  });
  const natureOf = drawNatures(random, world, restless);
  const initiators = conduits.map((conduit, index) => {
    const { initiatorLimits: limits, initiatorPlan, acceptorPlan } = conduit;
    const machine = new Machine(core, { role: "initiator", profile: conduit.offered, limits, sessionId: "" });
    setSeqs(core, machine, ...conduit.startSeqs);
    const initiator = new Initiator(world, index, machine, limits, host, {
      nature: natureOf,
      failPercent: random.pick([0, 10, 50]),
      acceptMs: random.pick([0, 20, 1_500]),
      baseMs: random.pick([1, 50, 250]),
      capMs: random.pick([100, 2_000]),
      vanishAt: conduit.story === "vanish" ? random.below(chaosMs + 1) : Number.POSITIVE_INFINITY,
    });
    const changed = () => {
      initiator.drain();
      // It has just written something, perhaps its end: now is the time to go.
      if (restless && !world.calm && random.oneIn(4))
        world.after(random.below(40), () => initiator.reconnect());
    };
    initiator.app = new Application(world, initiator.name, machine, initiatorPlan, acceptorPlan, changed);
    initiator.start();
    return initiator;
  });

  if (mood === "reloading") reload(world, initiators, Math.ceil(chaosMs / random.pick([5, 20, 80])) + 1);
  disturb(world, initiators, chaosMs, random.pick(restless ? [150, 600] : [20, 200, 2_000]), restless);
  world.after(chaosMs, () => {
    world.calm = true;
    world.log("world", () => "calm");
    for (const { currentLink } of initiators) if (currentLink) Object.assign(currentLink.nature, FAST);
  });
  while (world.step()) {
    if (world.events > MAX_EVENTS) throw new Broken("no end: too many events");
    const everybodyThrough = initiators.every(
      ({ finished }, index) => finished || conduits[index].story === "vanish",
    );
    if (!everybodyThrough && world.now > chaosMs + CALM_MS)
      throw new Broken(standing(initiators.filter(({ finished }) => !finished)));
  }
  for (const [index, initiator] of initiators.entries()) {
    judge(conduits[index], initiator, host);
    if (!initiator.finished) initiator.giveUp();
  }
  for (const session of host.sessions) {
    if (!session.finished) throw new Broken(`${session.name} has never ended`);
  }
  if (host.registry.size > 0) throw new Broken("the registry still has sessions");
  const left = core.memory.usedBytes - usedBefore;
  if (left !== 0) throw new Broken(`${left} bytes of linear memory are left over`);
  return {
    seed,
    events: world.events,
    links: initiators.reduce((sum, initiator) => sum + initiator.links, 0),
    reloads: initiators.reduce((sum, initiator) => sum + initiator.reloads, 0),
    items: initiators.reduce((sum, { app, session }) => sum + app.received + (session?.app.received ?? 0), 0),
  };
}

// ==================================================================== drawing

function drawConduit(random: Random, supports: Profile, chaosMs: number): Conduit {
  const offered: Profile = random.oneIn(4) ? "base" : "extended";
  const base = offered === "base" || supports === "base";
  const story: Story = random.oneIn(6) ? random.pick(["abort", "throw", "vanish"] as const) : "complete";
  const sides = [drawLimits(random), drawLimits(random)];
  const maxItem = Math.min(sides[0].maxFrameBytes, sides[1].maxFrameBytes);
  const plans = [drawPlan(random, maxItem, chaosMs), drawPlan(random, maxItem, chaosMs)];
  if (random.oneIn(4)) plans[random.below(2)].sizes.length = 0; // one-way
  for (const [index, plan] of plans.entries()) {
    plan.expects = plans[1 - index].sizes.length;
    plan.salt = random.below(256);
    if (base) plan.volatileOneIn = 0;
  }
  const first = random.below(2);
  if (base) {
    // One side closes, or both: without an end on the wire the program has to know what it expects.
    plans[first].closes = true;
    plans[1 - first].closes = random.oneIn(2);
  } else {
    for (const plan of plans) if (random.oneIn(4)) plan.stopAt = random.below(chaosMs + 1000);
  }
  if (story === "abort") plans[first].abortAt = random.below(chaosMs + 1000);
  if (story === "throw") plans[first].throwAt = random.below(Math.max(1, plans[1 - first].sizes.length));
  if (story === "vanish") sides[1] = { ...sides[1], graceMs: random.pick([0, 1_000, 60_000]) };
  const start = () => random.pick([0, 0, 0, 2 ** 31 - 3, 2 ** 32 - 2]);
  return {
    story,
    offered,
    initiatorPlan: plans[0],
    acceptorPlan: plans[1],
    initiatorLimits: sides[0],
    acceptorLimits: sides[1],
    startSeqs: base ? [0, 0] : [start(), start()],
  };
}

/** Few items: only then an ack that got lost is not made good by the next one. */
function spare(...plans: [Plan, Plan]): void {
  for (const plan of plans) plan.sizes.splice(6);
  for (const [index, plan] of plans.entries()) plan.expects = plans[1 - index].sizes.length;
}

function drawLimits(random: Random): ResolvedLimits {
  const replayBytes = random.pick([4_096, 4_096, 8_192, 65_536, 1 << 20]);
  return resolveLimits({
    replayBytes,
    maxFrameBytes: random.oneIn(3) ? random.pick([64, 500, 2_048]) : undefined,
    receiveWindow: random.oneIn(2) ? random.pick([4_096, 5_000, 20_000]) : undefined,
    ackBytes: random.pick([1, 100, 4_096, 65_536]),
    ackDelayMs: random.pick([0, 5, 20, 200]),
    probeMs: random.pick([50, 1_000]),
    gapTimeoutMs: random.pick([50, 1_000]),
    handshakeTimeoutMs: random.pick([100, 1_000, 10_000]),
    keepaliveMs: random.pick([100, 1_000, 15_000]),
    keepaliveTimeoutMs: random.pick([100, 1_000, 10_000]),
    idleTimeoutMs: random.pick([0, 0, 500, 5_000]),
    graceMs: LONG_GRACE_MS,
  });
}

function drawPlan(random: Random, maxItem: number, chaosMs: number): Plan {
  const kind = random.below(4);
  const count =
    kind === 0 ? random.between(0, 250) : kind === 1 ? random.between(1, 60) : random.between(1, 25);
  const largest = Math.min(maxItem, [40, 1_500, 2_048, 40_000][kind]);
  const sizes = Array.from({ length: count }, () =>
    random.oneIn(6) ? 0 : random.oneIn(8) ? largest : random.below(largest + 1),
  );
  return {
    sizes,
    pauseMs: random.pick([0, 10, 100, Math.max(1, Math.floor((2 * chaosMs) / (count + 1)))]),
    burst: random.pick([1, 3, 20]),
    handMs: random.pick([0, 0, 5, 50, 500]),
    handParts: random.oneIn(2),
    volatileOneIn: random.oneIn(3) ? 3 : 0,
    stopAt: Number.POSITIVE_INFINITY,
    abortAt: Number.POSITIVE_INFINITY,
    throwAt: -1,
    closes: false,
    expects: 0,
    salt: 0,
  };
}

const FAST = { latencyMs: 1, jitterMs: 0, chunkBytes: 65_536, writeMs: 0, reportMs: 0 };

/** All links of a run are of a kind; each one has its own end. */
function drawNatures(random: Random, world: World, restless: boolean): () => LinkNature {
  const framing = random.oneIn(3) ? "message" : "stream";
  const latencyMs = random.pick(restless ? [20, 60] : [0, 1, 20, 150]);
  const jitterMs = random.pick([0, 2, 20]);
  const chunkBytes = random.pick(restless ? [1_460, 65_536] : [2, 30, 1_460, 65_536, 1 << 20]);
  const writeMs = random.pick([0, 0, 5, 100]);
  const reportMs = random.pick([0, 0, 10, 400]);
  const capacityBytes = random.pick([100, 5_000, 100_000]);
  const cutOneIn = restless ? 20 : random.pick([1, 2, 5, 1_000]);
  const cutWithin = random.pick([40, 300, 3_000, 30_000]);
  const lateMs = restless ? 300 : random.pick([-1, 10, 300, 3_000]);
  const deadMs = random.pick([100, 3_000, 30_000]);
  const closeMs = random.pick(restless ? [50, 1_500] : [50, 50, 1_500]);
  const pausable = !random.oneIn(6);
  return () => {
    const perfect = {
      ...FAST,
      framing,
      capacityBytes: 1 << 20,
      pausable: true,
      cutAfter: [-1, -1],
      lateMs: 10,
      closeMs: 50,
      deadMs: 1_000,
    } satisfies LinkNature;
    if (world.calm) return perfect;
    const cut = () => (random.oneIn(cutOneIn) ? random.below(cutWithin) : -1);
    return {
      ...perfect,
      latencyMs,
      jitterMs,
      chunkBytes,
      writeMs,
      reportMs,
      capacityBytes,
      pausable,
      cutAfter: [cut(), cut()],
      lateMs: restless || random.oneIn(2) ? lateMs : -1,
      closeMs,
      deadMs,
    };
  };
}

/** Chaos: every now and then something happens to a link. */
function disturb(
  world: World,
  initiators: Initiator[],
  chaosMs: number,
  everyMs: number,
  restless: boolean,
): void {
  const { random } = world;
  const next = () => {
    if (world.calm) return;
    const initiator = random.pick(initiators);
    const link = initiator.currentLink;
    if (link) {
      const what = restless && !random.oneIn(5) ? 6 : random.below(8);
      if (what <= 2) link.cut();
      else if (what <= 4) link.die(random.below(3));
      else if (what === 5) link.cutSoon(random.below(2), random.below(100));
      else if (what === 6) initiator.reconnect();
      else initiator.session?.machine.goAway(random.below(200));
      if (what === 7) initiator.session?.drain();
    }
    world.after(random.below(everyMs), next);
  };
  world.after(random.below(Math.min(everyMs, chaosMs) + 1), next);
}

/** Every now and then a page is loaded again. */
function reload(world: World, initiators: Initiator[], everyMs: number): void {
  const { random } = world;
  const next = () => {
    if (world.calm) return;
    random.pick(initiators).reload();
    world.after(random.below(everyMs), next);
  };
  world.after(random.below(everyMs), next);
}

/** Puts the sequences of a machine where they would be after many items. */
function setSeqs(core: Core, machine: Machine, sends: number, receives: number): void {
  const word = machine.ring.block >>> 2;
  const { u32 } = core.memory;
  for (const field of [RING_ACKED_SEQ, RING_SENT_SEQ, RING_WRITTEN_SEQ, RING_HEAD_SEQ])
    u32[word + (field >>> 2)] = sends;
  for (const field of [RECV_NEXT, RECV_HANDED]) u32[word + (field >>> 2)] = receives;
}

// ==================================================================== judging

function standing(stuck: Initiator[]): string {
  return stuck
    .map(({ app, machine, session, link, name }) => {
      const peer = session?.app;
      return `${name} has no end: ${machine.state}${link ? "" : " without link"} sent ${app.sent} received ${app.received} of ${peer?.sent}, peer received ${peer?.received}`;
    })
    .join("; ");
}

/** What is due at the end, by the story. */
function judge(conduit: Conduit, initiator: Initiator, host: AcceptorHost): void {
  const { name } = initiator;
  const own = initiator.app;
  const { session } = initiator;
  for (const other of host.sessions) {
    if (other !== session && other.name.startsWith(`a${initiator.conduit}.`) && other.app.received > 0) {
      if (session !== null || conduit.offered === "base")
        throw new Broken(`${other.name} has items of a session that never was`);
    }
  }
  if (!own.finished) {
    if (conduit.story === "vanish") return;
    throw new Broken(`${name} has not finished`);
  }
  if (!session) {
    // Closed before its first link, with nothing to say.
    const needless = own.finished.error === null && own.sent === 0;
    if (conduit.story === "complete" && !needless)
      throw new Broken(`${name} has never been open: ${own.finished.error?.message}`);
    return;
  }
  const peer = session.app;
  checkUndelivered(name, own, conduit.initiatorPlan, peer);
  checkUndelivered(session.name, peer, conduit.acceptorPlan, own);
  if (conduit.story !== "complete") return judgeBroken(conduit, initiator, session.app);

  const base = initiator.machine.profile === "base";
  for (const [side, app, other, plan] of [
    [name, own, peer, conduit.initiatorPlan],
    [session.name, peer, own, conduit.acceptorPlan],
  ] as const) {
    if (app.received !== other.sent)
      throw new Broken(`${side} received ${app.received} of ${other.sent} items`);
    const { error } = app.finished!;
    // Base: a side that does not close learns of the other's close as a refusal, or not at all [close.unread].
    const refusal =
      base &&
      error?.code === "CONDUIT_SESSION_LOST" &&
      (error.reason === "rejected" || error.reason === "expired");
    if (error !== null && !refusal) throw new Broken(`${side} ended with ${error.code}: ${error.message}`);
    if (plan.closes && error !== null && other.finished!.error !== null)
      throw new Broken(`${side}: nobody closed cleanly`);
  }
}

/** The undelivered items are exactly those that the peer did not acknowledge; none that was never written has arrived. */
function checkUndelivered(name: string, app: Application, plan: Plan, peer: Application): void {
  const { undelivered, error } = app.finished!;
  const { items, firstUnsent } = undelivered;
  const acked = app.sent - items.length;
  if (error === null && items.length > 0)
    throw new Broken(`${name} ended cleanly with ${items.length} items undelivered`);
  if (acked > peer.handedItems)
    throw new Broken(`${name}: ${acked} items acknowledged, ${peer.handedItems} handed`);
  if (peer.received > acked + firstUnsent)
    throw new Broken(`${name}: item ${peer.received - 1} arrived and was never written`);
  for (const [index, item] of items.entries()) {
    const number = acked + index;
    if (!same(item, itemOf(plan.salt, number, plan.sizes[number])))
      throw new Broken(`${name}: undelivered item ${number} is damaged`);
  }
}

function judgeBroken({ story }: Conduit, initiator: Initiator, peer: Application): void {
  const own = initiator.app.finished!.error;
  const theirs = peer.finished!.error;
  const say = () => `${story}: ${own?.code} ${own?.reason} / ${theirs?.code} ${theirs?.reason}`;
  const known = ["CONDUIT_ABORTED", "CONDUIT_HANDLER", "CONDUIT_SESSION_LOST"];
  for (const error of [own, theirs]) {
    if (error && !known.includes(error.code)) throw new Broken(`${say()}: ${error.message}`);
    if (error?.reason && error.reason !== "rejected" && error.reason !== "expired") throw new Broken(say());
  }
  if (initiator.machine.profile === "base" || story === "vanish") return;
  // Both clean, or neither. Only who aborts when everything has arrived and just the last word is missing is alone.
  const arrived = initiator.app.received === peer.sent && peer.received === initiator.app.sent;
  if (arrived && (own ?? theirs)?.blame === "local") return;
  if ((own === null) !== (theirs === null)) throw new Broken(`the ends disagree, ${say()}`);
}
