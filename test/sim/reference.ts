// One machine and one peer with the habits of the Rust reference, in virtual time.
import { type ResolvedLimits, resolveLimits } from "../../src/limits.js";
import { Machine } from "../../src/proto/machine.js";
import type { Random } from "../wasm/random.js";
import { AcceptorHost } from "./acceptor.js";
import { Application, type Plan } from "./application.js";
import { type Answering, Initiator } from "./initiator.js";
import { ReferencePeer } from "./reference-peer.js";
import { sharedCore } from "./shared-core.js";
import type { Side } from "./side.js";
import { type LinkNature, SimLink } from "./sim-link.js";
import { Broken, World } from "./world.js";

const CALM_MS = 300_000;

/** Counters of one run, to see that it had what it is for. */
export interface Habitual {
  missed: number;
  permuted: number;
  slept: number;
  links: number;
}

/** What is the same for both roles. */
interface Setting {
  world: World;
  limits: ResolvedLimits;
  plan: Plan;
  peerPlan: Plan;
  nature: () => LinkNature;
  /** Called with each link that the peer is to use. */
  onLink: (link: SimLink) => void;
  peer: ReferencePeer;
}

/** @throws Broken with the trace when an item is lost, repeated or damaged, or there is no end */
export function runReference(seed: number, traced = false): Habitual {
  const usedBefore = sharedCore().memory.usedBytes;
  const world = new World(seed, traced);
  const { random } = world;
  const chaosMs = random.pick([0, 300, 3_000]);
  world.calm = chaosMs === 0;
  const pauseMs = random.pick([0, 3, Math.ceil(chaosMs / 20)]);
  const plan = drawPlan(random, pauseMs);
  const peerPlan = drawPlan(random, pauseMs);
  plan.expects = peerPlan.sizes.length;
  const role = random.oneIn(2) ? "initiator" : "acceptor";
  const peer = new ReferencePeer(world, role === "initiator" ? "acceptor" : "initiator", {
    sizes: peerPlan.sizes,
    salt: peerPlan.salt,
    pauseMs,
    shuffleMs: random.pick([0, 5, 40]),
    enterMs: random.pick([0, 20, 80]),
    expected: plan,
  });
  let links = 0;
  let current: SimLink | undefined;
  const onLink = (link: SimLink) => {
    links++;
    current = link;
  };
  const setting = {
    world,
    limits: drawLimits(random),
    plan,
    peerPlan,
    nature: drawNature(world),
    onLink,
    peer,
  };
  const side = role === "initiator" ? initiate(setting) : answer(setting);

  const disturb = () => {
    if (world.calm) return;
    current?.cut();
    world.after(random.below(600), disturb);
  };
  world.after(random.below(300), disturb);
  world.after(chaosMs, () => {
    world.calm = true;
  });
  const standing = () => {
    const app = side()?.app;
    const theirs = `the reference ${peer.received} of ${app?.sent}`;
    return `${role}: received ${app?.received} of ${peerPlan.sizes.length}, ${theirs}`;
  };
  try {
    while (world.step()) {
      if (world.now > chaosMs + CALM_MS && !side()?.finished) throw new Broken(standing());
    }
    const { app } = side()!;
    const { error } = app.finished!;
    if (error) throw new Broken(`${role} ended with ${error.code}: ${error.message}`);
    if (app.received !== peerPlan.sizes.length || peer.received !== app.sent) throw new Broken(standing());
    const forGaps = side()!.drops.filter(({ message }) => message.includes("[recv.gap]"));
    if (chaosMs === 0 && forGaps.length > 0)
      throw new Broken(`a permuted frame costs a link: ${forGaps[0].message}`);
    if (sharedCore().memory.usedBytes !== usedBefore) throw new Broken("memory is left over");
  } catch (error) {
    if (traced) {
      throw new Broken(`seed ${seed}: ${(error as Error).message}\n${world.trace()}`, { cause: error });
    }
    runReference(seed, true); // throws with the trace
    throw error;
  }
  return { missed: peer.missed, permuted: peer.permuted, slept: peer.slept, links };
}

function initiate({ world, limits, plan, peerPlan, nature, onLink, peer }: Setting): () => Side {
  const options = { role: "initiator", profile: "extended", limits, sessionId: "" } as const;
  const machine = new Machine(sharedCore(), options);
  const accept = (link: SimLink) => {
    onLink(link);
    if (!link.acceptor.over) peer.useLink(link.acceptor, () => {});
  };
  const answering: Answering = { accept, sessionOn: () => "unknown" };
  const initiator = new Initiator(world, 0, machine, limits, answering, {
    nature,
    failPercent: 0,
    acceptMs: 5,
    baseMs: 2,
    capMs: 20,
    vanishAt: Number.POSITIVE_INFINITY,
  });
  initiator.app = new Application(world, "i0", machine, plan, peerPlan, () => initiator.drain());
  initiator.start();
  return () => initiator;
}

function answer({ world, limits, plan, peerPlan, nature, onLink, peer }: Setting): () => Side | null {
  const host = new AcceptorHost(world, sharedCore(), {
    supports: "extended",
    authorizeMs: 0,
    refusePercent: 0,
    handshakeTimeoutMs: 1_000,
    side: () => ({ limits, plan, peerPlan, prepare: () => {} }),
  });
  const { random } = world;
  let dialed = 0;
  const session = () => (peer.greeted ? host.sessionOn(peer.greeted) : null);
  const dial = () => {
    if (session()?.finished || peer.rejected) return;
    const link = new SimLink(world, `L0.${dialed++}`, nature());
    onLink(link);
    peer.useLink(link.initiator, () => world.after(random.below(10), dial));
    world.after(random.below(5), () => host.accept(link, 0));
  };
  dial();
  return session;
}

function drawPlan(random: Random, pauseMs: number): Plan {
  const largest = random.pick([2, 60, 400]);
  return {
    sizes: Array.from({ length: random.pick([0, 5, 40, 120]) }, () => random.below(largest)),
    pauseMs,
    burst: 3,
    handMs: random.pick([0, 0, 20]),
    handParts: random.oneIn(2),
    volatileOneIn: 0,
    stopAt: Number.POSITIVE_INFINITY,
    abortAt: Number.POSITIVE_INFINITY,
    throwAt: -1,
    closes: true,
    expects: 0,
    salt: random.below(256),
  };
}

function drawLimits(random: Random): ResolvedLimits {
  return resolveLimits({
    replayBytes: random.pick([4_096, 65_536]),
    // Smaller ones are full of held frames before the peer has entered the missing one, three links in a row.
    receiveWindow: 1 << 20,
    ackBytes: random.pick([1, 500, 65_536]),
    ackDelayMs: random.pick([0, 20]),
    probeMs: 100,
    gapTimeoutMs: random.pick([100, 500]),
    idleTimeoutMs: random.pick([0, 2_000]),
    graceMs: 600_000,
  });
}

function drawNature(world: World): () => LinkNature {
  const { random } = world;
  const latencyMs = random.pick([0, 2, 30]);
  const chunkBytes = random.pick([7, 1_460, 65_536]);
  return () => ({
    framing: "stream",
    latencyMs: world.calm ? 2 : latencyMs,
    jitterMs: 0,
    chunkBytes: world.calm ? 65_536 : chunkBytes,
    writeMs: 0,
    reportMs: 0,
    capacityBytes: 65_536,
    pausable: true,
    cutAfter: [-1, -1],
    lateMs: world.calm ? 5 : random.pick([-1, 5]),
    closeMs: 50,
    deadMs: 100,
  });
}
