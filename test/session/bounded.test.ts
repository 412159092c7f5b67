// One-way traffic: nothing comes back but acks, and memory stays bounded on both sides, however much is sent.
// The same with 2 GiB: node scripts/one-way.js --gib 2, and see there.
import { describe, expect, test } from "vitest";
import { oneWay } from "../../scripts/one-way.js";
import { connect, listen, tcp } from "../../src/node.js";
import {
  bytes,
  Counter,
  cleanSlate,
  numbered,
  sendNumbered,
  session,
  take,
  timeout,
  turn,
  until,
} from "./helpers.js";

cleanSlate();

// The script's types are those of the built package: the same API, other private fields.
const api = { connect, listen, tcp } as unknown as Parameters<typeof oneWay>[0];
const MIB = 2 ** 20;
const replayBytes = 4 * MIB;

describe("the ring stays bounded under one-way traffic", () => {
  test("extended: acks are records of their own [replay.bound] [ext.data]", async () => {
    const run = await oneWay(api, { bytes: 256 * MIB, profile: "extended", silent: true, replayBytes });
    expect(run.maxRingBytes).toBeGreaterThan(0);
    expect(run.maxRingBytes).toBeLessThanOrEqual(replayBytes);
    expect(run.probes).toBe(0);
  });

  test("base, a receiver that speaks now and then: what it has sent carries later acks too [ack.only] [ack.piggyback]", async () => {
    const run = await oneWay(api, { bytes: 256 * MIB, profile: "base", silent: false, replayBytes });
    expect(run.maxRingBytes).toBeLessThanOrEqual(replayBytes);
    // Only before it has spoken may a probe be needed: 256 MiB are 64 rings.
    expect(run.probes).toBeLessThan(6);
  });

  test("base, a receiver that never sends: the link is dropped for the ack that the resume brings [base.probe]", async () => {
    const run = await oneWay(api, { bytes: 128 * MIB, profile: "base", silent: true, replayBytes });
    expect(run.maxRingBytes).toBeLessThanOrEqual(replayBytes);
    expect(run.probes).toBeGreaterThan(20);
  });
});

describe("acks on one-way traffic", () => {
  test("an ack is owed after ackBytes at once, and otherwise after ackDelayMs [ack.delay]", async () => {
    const { client, server } = await session({ both: { ackBytes: 1_000, ackDelayMs: 300 } });
    new Counter().attach(server);
    const since = performance.now();
    client.send(numbered(0, 2_000));
    await client.delivered();
    expect(performance.now() - since).toBeLessThan(200);
    const later = performance.now();
    client.send(numbered(1, 10));
    await client.delivered();
    expect(performance.now() - later).toBeGreaterThan(250);
  });

  test("base: an ack without a frame to ride on is a duplicate of what the peer has acknowledged [ack.only]", async () => {
    const { client, server } = await session({ both: { profile: "base", ackDelayMs: 1, probeMs: 60_000 } });
    server.send(bytes("once"));
    expect(await take(client, 1)).toEqual(["once"]);
    const counter = new Counter().attach(server);
    await sendNumbered(client, 0, 1_000, 100);
    await timeout(client.delivered(), 5_000, "delivered()");
    expect(counter.next).toBe(1_000);
    expect([client.stats().links, client.stats().receivedItems]).toEqual([1, 1]);
  });

  test("base: delivered() drops the link once when no ack comes for probeMs, and loses nothing [base.probe]", async () => {
    const { client, server } = await session({ both: { profile: "base", probeMs: 40 } });
    const counter = new Counter().attach(server);
    const downs: string[] = [];
    client.on("linkDown", ({ error }) => downs.push(error.message));
    for (let n = 0; n < 10; n++) client.send(numbered(n));
    await until(() => counter.next === 10);
    await turn(100);
    expect(downs).toEqual([]); // nobody waits for an ack, the ring is far from full
    await client.delivered();
    expect(downs).toEqual([expect.stringContaining("[base.probe]")]);
    expect(counter.next).toBe(10);
    expect(client.stats()).toMatchObject({ links: 2, unackedItems: 0, replayedItems: 0 });
  });

  test("base: a peer whose consumer is slow is not probed again and again while it has items to hand over", async () => {
    const { client, server } = await session({ both: { profile: "base", probeMs: 30 } });
    let done = 0;
    server.onItems = async (batch) => {
      await turn(150);
      done += batch.length;
    };
    for (let n = 0; n < 5; n++) client.send(numbered(n));
    await timeout(client.delivered(), 5_000, "delivered()");
    expect(done).toBe(5);
    expect(client.stats().links).toBeLessThan(12);
  });
});
