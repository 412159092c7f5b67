// The items of the Rust peer as typed messages: what its derive(Facet) structs write, schemas of ours read, and the other
// way round, while links die.
import { expect, test } from "vitest";
import type { DecodeMode } from "../../src/node.js";
import {
  asNumber,
  buildPlan,
  bytes,
  enumOf,
  f64,
  type Infer,
  i32,
  list,
  option,
  string,
  struct,
  tuple,
  u8,
  u32,
  u64,
  withDefault,
} from "../../src/schema.js";
import { report } from "./report.js";
import { type Form, type RustRole, Session, type Transport } from "./session.js";

const [PART, ITEMS, DEATHS, ROUNDS_MAX] = [50_000, 100_000, 10, 40];

// As rust-peer/src/bin/peer.rs declares them.
const Kind = enumOf("Kind", { Plain: null, Urgent: { level: u8 } });
const Note = struct("Note", { text: string, at: tuple(i32, f64), tags: list(string), kind: Kind });
const RustItem = struct("Item", { sender: u32, number: asNumber(u64), body: bytes, note: option(Note) });
type RustItem = Infer<typeof RustItem>;

// What a later version could be: another order, a field and a variant more.
const LaterKind = enumOf("Kind", { Urgent: { level: u8 }, Late: null, Plain: null });
const LaterNote = struct("Note", { kind: LaterKind, tags: list(string), at: tuple(i32, f64), text: string });
const LaterItem = struct("Item", {
  note: option(LaterNote),
  number: asNumber(u64),
  priority: withDefault(u8, 7),
  body: bytes,
  sender: u32,
});
type LaterItem = Infer<typeof LaterItem>;

const same = (decode: DecodeMode): Form<RustItem, RustItem> => ({
  schema: { send: RustItem, recv: RustItem, decode },
  of: (item) => item,
  item: (value) => value,
});

const later: Form<RustItem, LaterItem> = {
  schema: { send: RustItem },
  plan: buildPlan(RustItem, LaterItem),
  of: (item) => item,
  item({ priority, note, ...rest }) {
    if (priority !== 7) throw new Error(`the default is 7, not ${priority}`);
    if (note === undefined) return rest;
    if (note.kind.type === "Late") throw new Error("the Rust peer knows no such variant");
    return { ...rest, note: { ...note, kind: note.kind } };
  },
};

for (const rust of ["acceptor", "initiator"] as const) {
  test(`Rust ${rust} over tcp: typed structs both ways under cuts`, () =>
    exchange(rust, "tcp", "typed structs both ways, cut after the replay of Rust", same("owned")));
  test(`Rust ${rust} over unix: typed structs both ways under cuts, borrowed`, () =>
    exchange(
      rust,
      "unix",
      "typed structs both ways, borrowed, cut after the replay of Rust",
      same("borrowed"),
    ));
  test(`Rust ${rust} over unix: typed structs both ways under cuts, lazy`, () =>
    exchange(rust, "unix", "typed structs both ways, lazy, cut after the replay of Rust", same("lazy")));
  test(`Rust ${rust} over tcp: typed structs both ways under cuts, ours of a later version`, () =>
    exchange(rust, "tcp", "typed structs both ways, ours read as a later version, cut likewise", later));
}

/** Until enough links have died; how many a plan of cuts kills, the moments decide that it has to wait for. */
async function exchange<S, R>(rust: RustRole, transport: Transport, what: string, form: Form<S, R>) {
  const started = performance.now();
  const session = await Session.open({ rust, transport, form });
  const { conduit, proxy, tally } = session;
  try {
    await session.exchange({ toRust: 1, fromRust: 1, note: true });
    const deaths = () => conduit.stats().links - 1;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      if (round * PART >= ITEMS && deaths() >= DEATHS) break;
      session.cut({ kind: "after-replay", count: 12, total: PART });
      await session.exchange({ toRust: PART, fromRust: PART, size: 24, note: true });
    }
    const theirs = await session.report();
    const stats = conduit.stats();
    expect(deaths()).toBeGreaterThanOrEqual(DEATHS);
    const clean = { lost: 0, repeated: 0, corrupt: 0 };
    expect(theirs).toMatchObject({ ...clean, received: stats.sentItems, ended: null });
    expect(tally).toMatchObject({ ...clean, received: theirs.sent });
    expect(Math.min(theirs.received, tally.received)).toBeGreaterThan(ITEMS);
    report({
      rust,
      transport,
      what,
      toRust: theirs.received,
      fromRust: tally.received,
      cuts: proxy.cuts,
      links: stats.links,
      gaps: stats.gaps,
      rescued: stats.gapResumes,
      seconds: (performance.now() - started) / 1_000,
      result: "all arrived, once, in order",
    });
  } finally {
    await session.close();
  }
}
