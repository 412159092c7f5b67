// One-way traffic over loopback TCP, both ends in this process: shows that the ring stays bounded although nothing
// comes back but acks, or, in the base profile with a silent receiver, not even those [replay.bound] [base.probe].
//
//   node scripts/one-way.js --gib 2 --profile base --silent-receiver
//
// Prints one JSON object: { profile, receiver, bytes, items, maxRingBytes, seconds, probes }.
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const ITEM_BYTES = 4_096;
const BATCH_ITEMS = 64;
/** The speaking receiver sends an item after so many. */
const SPEAK_EVERY = 4_096;

/**
 * @typedef {Pick<typeof import("stable-conduit/node"), "connect" | "listen" | "tcp">} Api
 * @typedef {object} OneWayOptions
 * @property {number} bytes of all items together
 * @property {"base" | "extended"} profile
 * @property {boolean} silent the receiver never sends an item
 * @property {number} [replayBytes] default 16 MiB
 */

/**
 * Sends, and checks on the other side that every item came once and in order.
 * @param {Api} api
 * @param {OneWayOptions} options
 */
export async function oneWay(
  { connect, listen, tcp },
  { bytes, profile, silent, replayBytes = 16 * 2 ** 20 },
) {
  // Of a silent receiver nothing but probes brings acks; of one that speaks they come by themselves, if not at once.
  const options = { profile, replayBytes, probeMs: silent ? 5 : 100, retry: { baseMs: 1, capMs: 10 } };
  const acceptor = await listen(tcp.server({ host: "127.0.0.1", port: 0 }), options);
  const { port } = /** @type {{ port: number }} */ (acceptor.address);
  const sender = await connect(tcp({ host: "127.0.0.1", port }), options);
  const receiver = (await acceptor[Symbol.asyncIterator]().next()).value;
  if (!receiver) throw new Error("no session");

  const items = Math.ceil(bytes / ITEM_BYTES);
  let received = 0;
  receiver.onItems = (/** @type {import("stable-conduit").Batch<unknown>} */ batch) => {
    for (let i = 0; i < batch.length; i++) {
      const number = new DataView(batch.bytes.buffer, batch.bytes.byteOffset + batch.spans[2 * i]).getUint32(
        0,
      );
      if (number !== received) throw new Error(`item ${number} where ${received} was due`);
      received++;
      if (!silent && received % SPEAK_EVERY === 1) receiver.send(new Uint8Array(1));
    }
  };
  sender.onItems = () => {
    // What the receiver says is of no interest; that it does brings acks.
  };

  const startedAt = performance.now();
  const batch = new Uint8Array(BATCH_ITEMS * ITEM_BYTES);
  const numbers = new DataView(batch.buffer);
  const lengths = new Uint32Array(BATCH_ITEMS).fill(ITEM_BYTES);
  let maxRingBytes = 0;
  for (let sent = 0; sent < items; ) {
    const count = Math.min(BATCH_ITEMS, items - sent);
    for (let i = 0; i < count; i++) numbers.setUint32(i * ITEM_BYTES, sent + i);
    const accepted = sender.sendBatch(batch.subarray(0, count * ITEM_BYTES), lengths.subarray(0, count));
    maxRingBytes = Math.max(maxRingBytes, sender.stats().ringBytes);
    sent += accepted;
    if (accepted < count) {
      await sender.write(batch.subarray(accepted * ITEM_BYTES, (accepted + 1) * ITEM_BYTES));
      sent++;
    } else {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await sender.delivered();
  const seconds = (performance.now() - startedAt) / 1_000;
  const probes = sender.stats().links - 1;
  if (received !== items) throw new Error(`${received} of ${items} items arrived`);
  sender.abort();
  await acceptor.close({ timeoutMs: 1 });
  return {
    profile,
    receiver: silent ? "silent" : "speaks now and then",
    bytes: items * ITEM_BYTES,
    items,
    maxRingBytes,
    seconds: Number(seconds.toFixed(3)),
    probes,
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      gib: { type: "string", default: "2" },
      profile: { type: "string", default: "extended" },
      "silent-receiver": { type: "boolean", default: false },
    },
  });
  const { gib, profile, "silent-receiver": silent } = values;
  if (!(Number(gib) > 0) || (profile !== "base" && profile !== "extended")) {
    console.error("usage: one-way.js [--gib N] [--profile base|extended] [--silent-receiver]");
    process.exit(2);
  }
  const api = await import("stable-conduit/node");
  console.log(JSON.stringify(await oneWay(api, { bytes: Number(gib) * 2 ** 30, profile, silent })));
}
