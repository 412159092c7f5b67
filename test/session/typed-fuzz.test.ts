// Typed sessions over real links whose items are not what their writer's type says: the frames are whole, the bytes in
// them were changed. Whatever arrives is a value or CONDUIT_DECODE, and the session ends by the documented rule.
// SEED=1234 repeats a run.
import { describe, expect, test } from "vitest";
import { type Bytes, connect, type DecodeMode, listen, type StableConduit, tcp } from "../../src/node.js";
import { type AnySchema, codecOf, schemaFromJSON } from "../../src/schema.js";
import { randomNode, randomValue } from "../codec/random-schema.js";
import { Random, seeds } from "../wasm/random.js";
import { cleanSlate, later, PROFILES, track } from "./helpers.js";

cleanSlate();

const SESSIONS = 40;
const MODES: readonly DecodeMode[] = ["owned", "borrowed", "lazy"];

/** What is sent, and what its reader has to make of it: a value, or null for CONDUIT_DECODE. */
interface Sent {
  bytes: Uint8Array;
  value: { is: unknown } | null;
}

function randomItem(random: Random, schema: AnySchema): Sent {
  const codec = codecOf(schema);
  let bytes: Uint8Array = codec.encode(randomValue(random, schema.node));
  for (let changes = random.oneIn(2) ? random.below(4) : 0; changes > 0; changes--) {
    const at = random.below(bytes.length + 1);
    const change = random.below(4);
    if (change === 0) bytes = bytes.slice(0, at);
    else if (change === 1)
      bytes = Uint8Array.of(...bytes, ...Array.from({ length: 3 }, () => random.below(256)));
    else if (at < bytes.length)
      bytes[at] = change === 2 ? random.below(256) : bytes[at] ^ (1 << random.below(8));
  }
  try {
    return { bytes, value: { is: codec.decode(bytes) } };
  } catch {
    return { bytes, value: null };
  }
}

/** Reads everything, one way or another. Only the handler can read all of a lazy item before it is acknowledged. */
async function consume(random: Random, conduit: StableConduit<Uint8Array, unknown>, mode: DecodeMode) {
  const { closed } = conduit; // asked for before it happens, or there would be a warning
  const read: unknown[] = [];
  const take = (item: unknown) => read.push(mode === "lazy" ? { it: (item as { it: unknown }).it } : item);
  const way = mode === "lazy" ? 0 : random.below(4);
  try {
    if (way === 0) {
      conduit.onItems = (batch) => {
        for (const item of batch) take(item);
      };
    } else if (way === 1) {
      for await (const item of conduit) take(item);
    } else if (way === 2) {
      for await (const batch of conduit.batches()) for (const item of batch) take(item);
    } else {
      for (let item = await conduit.recv(); item !== undefined; item = await conduit.recv()) take(item);
    }
  } catch {
    // `closed` tells, too.
  }
  return { read, close: await closed };
}

describe.each(PROFILES)("typed sessions (%s)", (profile) => {
  test.each(seeds(1))("make values of changed bytes, or end with CONDUIT_DECODE; SEED=%i", async (seed) => {
    const random = new Random(seed);
    for (let i = 0; i < SESSIONS; i++) await session(random, profile, `session ${i}`);
  });
});

async function session(random: Random, profile: "base" | "extended", name: string): Promise<void> {
  const decode = random.pick(MODES);
  // undefined is how recv() says that the peer has ended.
  const schema: AnySchema = schemaFromJSON({
    kind: "struct",
    name: "Item",
    fields: [{ name: "it", type: randomNode(random, 3) }],
  });
  const sent = Array.from({ length: random.between(1, 8) }, () => randomItem(random, schema));
  const firstBad = sent.findIndex(({ value }) => value === null);

  const acceptor = await listen<Uint8Array, unknown>(tcp.server({ host: "127.0.0.1", port: 0 }), {
    profile,
    schema: { recv: schema, decode },
  });
  later(() => acceptor.close({ timeoutMs: 1 }));
  const { port } = acceptor.address as { port: number };
  const source = tcp({ host: "127.0.0.1", port });
  const client = track(
    await connect<unknown, Bytes>(source, {
      profile,
      schema: { send: schema },
      retry: { baseMs: 1, capMs: 5 },
      probeMs: 10,
    }),
  );
  const { value: server } = await acceptor[Symbol.asyncIterator]().next();
  const reading = consume(random, server!, decode);
  for (const { bytes } of sent) client.sendBatch(bytes, Uint32Array.of(bytes.length));

  if (firstBad < 0 && profile === "extended") await client.close();
  else if (firstBad < 0) {
    await client.delivered(); // no end is on the wire
    await acceptor.close({ timeoutMs: 1 });
  }
  const { read, close } = await reading;
  const values = sent.slice(0, firstBad < 0 ? sent.length : firstBad).map(({ value }) => value!.is);
  expect(read, name).toEqual(values);
  if (firstBad >= 0) {
    expect(close, name).toMatchObject({
      clean: false,
      error: {
        code: "CONDUIT_DECODE",
        blame: "peer",
        fatal: true,
        message: expect.stringMatching(/, byte \d+: ./),
      },
    });
    expect(server!.stats().handedItems, name).toBeLessThanOrEqual(firstBad);
    const lost = await client.closed;
    if (lost.clean) throw new Error(`${name}: the sender has ended cleanly`);
    // Once that session is gone, the base profile's peer is told on the next link.
    const codes = profile === "extended" ? ["CONDUIT_ABORTED"] : ["CONDUIT_SESSION_LOST"];
    expect(codes, name).toContain(lost.error.code);
    const rest = [...lost.undelivered].slice(firstBad - sent.length);
    expect(rest, name).toEqual(sent.slice(firstBad).map(({ bytes, value }) => (value ? value.is : bytes)));
  }
  await acceptor.close({ timeoutMs: 1 });
}
