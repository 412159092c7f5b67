// One fixed conversation between an initiator and an acceptor, cut where it is told to be.
import { resolveLimits } from "../../src/limits.js";
import { Machine, type Profile } from "../../src/proto/machine.js";
import { AcceptorHost } from "./acceptor.js";
import { Application, type Plan } from "./application.js";
import { Initiator } from "./initiator.js";
import { sharedCore } from "./shared-core.js";
import type { LinkNature } from "./sim-link.js";
import { Broken, World } from "./world.js";

/** Where one link is cut: bytes to the acceptor (0) or to the initiator (1). */
export interface Cut {
  direction: 0 | 1;
  offset: number;
}

export interface Held {
  carried: [toAcceptor: number, toInitiator: number];
  links: number;
}

const TO_ACCEPTOR = [0, 1, 5, 130, 0, 300, 20];
const TO_INITIATOR = [3, 0, 200, 1, 64];

/**
 * Holds the conversation; link n is cut at cuts[n], later ones are left alone.
 * @returns how many bytes the first link has carried each way, and how many links it took
 * @throws Broken when an item is lost or repeated, or the end is not clean
 */
export function converse(profile: Profile, cuts: Cut[], traced = false): Held {
  const core = sharedCore();
  const usedBefore = core.memory.usedBytes;
  const world = new World(1 + cuts.reduce((sum, cut) => sum + cut.offset, 0), traced);
  const limits = resolveLimits({
    replayBytes: 8_192,
    ackBytes: 150,
    ackDelayMs: 3,
    probeMs: 50,
    graceMs: 60_000,
  });
  const plans = [planOf(TO_ACCEPTOR, TO_INITIATOR.length, 17), planOf(TO_INITIATOR, TO_ACCEPTOR.length, 40)];
  const host = new AcceptorHost(world, core, {
    supports: profile,
    authorizeMs: 0,
    refusePercent: 0,
    handshakeTimeoutMs: 1_000,
    side: () => ({ limits, plan: plans[1], peerPlan: plans[0], prepare: () => {} }),
  });
  const machine = new Machine(core, { role: "initiator", profile, limits, sessionId: "" });
  let first: Initiator["currentLink"] = null;
  const initiator: Initiator = new Initiator(world, 0, machine, limits, host, {
    nature: () => natureOf(cuts[initiator.links - 1]),
    failPercent: 0,
    acceptMs: 0,
    baseMs: 5,
    capMs: 20,
    vanishAt: Number.POSITIVE_INFINITY,
  });
  initiator.app = new Application(world, "i0", machine, plans[0], plans[1], () => initiator.drain());
  initiator.start();
  try {
    while (world.step()) {
      first ??= initiator.currentLink;
      if (world.events > 20_000) throw new Broken("no end");
    }
    check(initiator, profile);
    if (core.memory.usedBytes !== usedBefore) throw new Broken("memory is left over");
  } catch (error) {
    if (traced)
      throw new Broken(`${(error as Error).message}, cuts ${JSON.stringify(cuts)}\n${world.trace()}`, {
        cause: error,
      });
    converse(profile, cuts, true); // throws with the trace
    throw error;
  }
  return { carried: [first!.initiator.out.carried, first!.acceptor.out.carried], links: initiator.links };
}

function check({ app, session }: Initiator, profile: Profile): void {
  const peer = session?.app;
  if (!peer?.finished || !app.finished) throw new Broken("not at its end");
  if (peer.received !== TO_ACCEPTOR.length) throw new Broken(`the acceptor received ${peer.received} items`);
  if (app.received !== TO_INITIATOR.length) throw new Broken(`the initiator received ${app.received} items`);
  const errors = [app.finished.error, peer.finished.error].filter((error) => error !== null);
  // Base has no end on the wire: who has lost the last ack with its link finds the other side gone [close.unread].
  const refused = profile === "base" && errors.length === 1 && errors[0].code === "CONDUIT_SESSION_LOST";
  if (errors.length > 0 && !refused) throw new Broken(`ended with ${errors[0].code}: ${errors[0].message}`);
  if (profile === "extended" && !(app.peerEnded && peer.peerEnded)) throw new Broken("an end did not arrive");
}

function planOf(sizes: number[], expects: number, salt: number): Plan {
  return {
    sizes,
    pauseMs: 2,
    burst: 2,
    handMs: 0,
    handParts: false,
    volatileOneIn: 0,
    stopAt: Number.POSITIVE_INFINITY,
    abortAt: Number.POSITIVE_INFINITY,
    throwAt: -1,
    closes: true,
    expects,
    salt,
  };
}

function natureOf(cut: Cut | undefined): LinkNature {
  return {
    framing: "stream",
    latencyMs: 1,
    jitterMs: 0,
    chunkBytes: 100,
    writeMs: 0,
    reportMs: 0,
    capacityBytes: 65_536,
    pausable: true,
    cutAfter: [cut?.direction === 0 ? cut.offset : -1, cut?.direction === 1 ? cut.offset : -1],
    lateMs: 5,
    closeMs: 50,
    deadMs: 100,
  };
}
