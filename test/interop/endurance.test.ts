// A million items in each role, over more than two hundred cuts.
import { expect, test } from "vitest";
import { report } from "./report.js";
import { type Cuts, type RustRole, Session, type Traffic } from "./session.js";

const [ITEMS, PART, CUTS] = [1_000_000, 100_000, 200];
const clean = { lost: 0, repeated: 0, corrupt: 0 };

test("1,000,000 items from our initiator to the Rust acceptor over 200 cuts at random bytes, hellos included", async () => {
  await endure("acceptor", { toRust: ITEMS }, { kind: "anywhere", count: CUTS + 20, every: 60_000 });
});

// A cut is placed at a random item of ours received, once the Rust peer has sent a frame that no earlier link carried:
// then its replay is over, which it would not survive.
test("1,000,000 items from the Rust initiator to our acceptor over 200 cuts behind its replay", async () => {
  const { gaps } = await endure(
    "initiator",
    { fromRust: ITEMS },
    { kind: "after-replay", count: CUTS + 40, total: ITEMS },
  );
  expect(gaps).toBeGreaterThan(0);
});

async function endure(rust: RustRole, traffic: Traffic, cuts: Cuts) {
  const started = performance.now();
  const session = await Session.open({ rust, transport: "tcp" });
  // With one frame of ours that can be repeated, acks flow; without, the reference replays from its first item on.
  await session.exchange({ toRust: 1 });
  session.cut(cuts);
  await session.exchange(traffic);
  let [toRust, fromRust] = [traffic.toRust ?? 0, traffic.fromRust ?? 0];
  // Where a cut waits for its moment they can be fewer: then there are more items.
  for (let more = 0; more < 40 && session.proxy.cuts < CUTS; more++) {
    const part = { toRust: toRust && PART, fromRust: fromRust && PART };
    session.cut(cuts.kind === "after-replay" ? { ...cuts, count: 20, total: PART } : cuts);
    await session.exchange(part);
    toRust += part.toRust;
    fromRust += part.fromRust;
  }
  const theirs = await session.report();
  const stats = session.conduit.stats();
  expect(stats.resumes).toBeGreaterThan(0);
  expect(theirs).toMatchObject({ ...clean, received: toRust + 1, ended: null });
  expect(session.tally).toMatchObject({ ...clean, received: fromRust });
  expect(session.proxy.cuts).toBeGreaterThanOrEqual(CUTS);
  report({
    rust,
    transport: "tcp",
    what: rust === "acceptor" ? "a million items, cut anywhere" : "a million items, cut behind its replay",
    toRust: theirs.received,
    fromRust: session.tally.received,
    cuts: session.proxy.cuts,
    links: stats.links,
    gaps: stats.gaps,
    rescued: stats.gapResumes,
    seconds: (performance.now() - started) / 1_000,
    result: "all arrived, once, in order",
  });
  await session.close();
  return stats;
}
