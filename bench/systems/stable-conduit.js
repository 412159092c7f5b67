// This package, through its public API, as one would use it for many small messages: send() per item on one side,
// onItems and a view per item on the other, which gives each batch back as soon as it has read it.
import { once } from "node:events";
import net from "node:net";
import { Attachment, connect, listen, tcp } from "stable-conduit/node";

/** The sessions suite fills it. */
const MANY_SESSIONS = { maxSessions: 1_000_000, graceMs: 3_600_000 };

/** @type {import("../system.js").System} */
const system = {
  name: "stable-conduit",
  guarantees: { exactlyOnce: true, ordered: true, survivesCut: true, bounded: true, boundaries: true },
  available: () => true,
  echoes: true,

  async receive(context) {
    const options = { ...MANY_SESSIONS, keepaliveMs: context.keepaliveMs };
    return receiving(
      await listen(tcp.server({ host: "127.0.0.1", port: 0, backlog: 4_096 }), options),
      context,
    );
  },
  send: (address, context) => dialling(address, context),
};

export default system;

/**
 * Counts the items of each session that the acceptor gets.
 * @param {import("stable-conduit").Acceptor<Uint8Array, Uint8Array<ArrayBuffer>, unknown>} acceptor
 * @param {import("../system.js").ReceiveContext} context
 * @returns {import("../system.js").Receiver}
 */
export function receiving(acceptor, context) {
  acceptEach(acceptor, (conduit) => counting(conduit, context));
  return receiverOf(acceptor);
}

/**
 * @param {import("stable-conduit").StableConduit} conduit
 * @param {Pick<import("../system.js").ReceiveContext, "received" | "echo">} context
 */
export function counting(conduit, { received, echo }) {
  conduit.onItems = (batch) => {
    let bytes = 0;
    let firstBytes = 0;
    for (let i = 0; i < batch.length; i++) {
      const item = batch.at(i);
      bytes += item.length;
      firstBytes += item[0];
      if (echo) conduit.send(item);
    }
    batch.release();
    received(batch.length, bytes, firstBytes);
  };
}

/**
 * @param {import("stable-conduit").Acceptor<Uint8Array, Uint8Array<ArrayBuffer>, unknown>} acceptor
 * @returns {import("../system.js").Receiver}
 */
export function receiverOf(acceptor) {
  const { address } = acceptor;
  if (typeof address === "string") throw new Error("a TCP address was expected");
  return { address, close: () => acceptor.close({ timeoutMs: 100 }) };
}

/**
 * @param {import("stable-conduit").Acceptor<Uint8Array, Uint8Array<ArrayBuffer>, unknown>} acceptor
 * @param {(conduit: import("stable-conduit").StableConduit) => void} use
 */
export async function acceptEach(acceptor, use) {
  for await (const conduit of acceptor) use(conduit);
}

/**
 * The links of one sender, which can be cut and held back.
 * @param {import("../system.js").Address} address
 */
function cuttable({ host, port }) {
  /** @type {net.Socket | null} */
  let socket = null;
  let allowed = Promise.resolve();
  let ask = () => {};
  return {
    /** @param {import("stable-conduit").Attempt} attempt */
    async nextLink({ signal }) {
      ask();
      await allowed;
      socket = net.connect({ host: String(host), port: Number(port), noDelay: true, signal });
      await once(socket, "connect");
      return Attachment.initiator(tcp.link(socket));
    },
    /** The peer sees a reset. */
    cut() {
      let restore = () => {};
      /** @type {Promise<void>} */
      const asked = new Promise((resolve) => (ask = resolve));
      allowed = new Promise((resolve) => (restore = resolve));
      socket?.resetAndDestroy();
      return { asked, restore };
    },
    end: () => socket?.resetAndDestroy(),
  };
}

/**
 * @param {import("../system.js").Address} address
 * @param {import("../system.js").SendContext} context
 * @param {typeof sending} [way] of sending
 * @param {import("stable-conduit").ConnectOptions} [options]
 * @returns {Promise<import("../system.js").Sender>}
 */
export async function dialling(address, { answered, holdBytes }, way = sending, options = {}) {
  const links = cuttable(address);
  // The ring has to hold it all, and to be less than three quarters full then, or push() would wait.
  const limits = holdBytes ? { replayBytes: 2 * holdBytes, highWaterBytes: 2 * holdBytes } : {};
  const conduit = await connect(links, { ...limits, ...options });
  if (answered) conduit.onItems = (batch) => answered(batch.length);
  return {
    ...way(conduit),
    cut: links.cut,
    detach() {
      links.end();
      conduit.abort();
    },
  };
}

/**
 * @param {import("stable-conduit").StableConduit} conduit
 * @returns {import("../system.js").Sender}
 */
export function sending(conduit) {
  return {
    async push(payload, times) {
      for (let i = 0; i < times; i++) {
        if (conduit.congested) await conduit.drained();
        conduit.send(payload);
      }
    },
    flushed: () => conduit.delivered(),
    close: () => conduit.close(),
  };
}
