// What is tried with a Rust peer in one role, over both transports: traffic times faults. Every cell asserts that
// nothing is lost, repeated, permuted or damaged, in either direction.
import { expect, test } from "vitest";
import { report } from "./report.js";
import { type RustRole, Session, type SessionOptions, type Traffic, type Transport } from "./session.js";

interface Cell {
  what: string;
  traffic: Traffic;
  limits?: SessionOptions["limits"];
  /** Sets the faults up once the session is open; the traffic follows. */
  faults?(session: Session, traffic: Traffic): void | Promise<void>;
  /** At least so many links have to die, by a cut or for a gap, or the cell proves nothing. */
  deaths?: number;
}

const HELLO_BYTES = 4 + 25;
const MIB = 1 << 20;

/** Anywhere: the reference has nothing to replay. As an initiator it does not survive a cut within the hellos. */
const anywhere = (count: number): Cell["faults"] => {
  return (session, { toRust = 0, size = 16 }) => {
    if (session.rust === "initiator") session.cut({ kind: "after-hello", count, everyMs: 3 });
    else session.cut({ kind: "anywhere", count, every: (toRust * (size + 14)) / (3 * count) });
  };
};

/** Once the Rust peer is through with its replay. */
const afterReplay = (count: number): Cell["faults"] => {
  return (session, { fromRust = 0 }) => session.cut({ kind: "after-replay", count, total: fromRust });
};

const ONE_WAY: Cell[] = [
  { what: "quiet", traffic: { toRust: 50_000, fromRust: 50_000, note: true } },
  { what: "1,000,000 small items each way", traffic: { toRust: 1_000_000, fromRust: 1_000_000, size: 8 } },
  { what: "one way to Rust, cut anywhere", traffic: { toRust: 200_000 }, faults: anywhere(30), deaths: 4 },
  {
    what: "one way to Rust, cut within our replay",
    traffic: { toRust: 20_000, size: 256 },
    limits: { replayBytes: 16 * MIB, receiveWindow: 16 * MIB },
    async faults(session) {
      // 20,000 items that the Rust peer does not acknowledge are the replay; each link ends somewhere in it.
      await session.exchange({ toRust: 20_000, size: 256 });
      const bytes = Array.from({ length: 12 }, (_, i) => 2 * HELLO_BYTES + 1 + i * 30_011);
      session.cut({ kind: "at", bytes });
    },
    deaths: 12,
  },
  {
    what: "one way from Rust, cut after its replay",
    traffic: { fromRust: 200_000 },
    faults: afterReplay(25),
    deaths: 10,
  },
  {
    what: "both ways, structs, cut after the replay of Rust",
    traffic: { toRust: 100_000, fromRust: 100_000, note: true },
    faults: afterReplay(10),
    deaths: 2,
  },
  {
    what: "4 Rust tasks send, cut after the replay",
    traffic: { fromRust: 200_000, senders: 4 },
    faults: afterReplay(25),
    deaths: 10,
  },
  {
    what: "idle, cut, then resumed",
    traffic: { toRust: 5_000, fromRust: 5_000 },
    async faults(session) {
      for (let i = 0; i < 3; i++) {
        await session.exchange({ toRust: 1_000, fromRust: 1_000 });
        await session.cutIdle();
      }
    },
    deaths: 3,
  },
  {
    what: "8 MiB items each way, cut within them",
    traffic: { toRust: 6, fromRust: 3, size: 8 * MIB - 64 },
    limits: { replayBytes: 64 * MIB, receiveWindow: 64 * MIB },
    async faults(session) {
      await session.exchange({ toRust: 1, size: 8 * MIB - 64 });
      session.cut({ kind: "at", bytes: [3 * MIB, 2 * MIB + 1, 7 * MIB - 3] });
    },
    deaths: 3,
  },
];

/** Hellos cut at every byte of both; only an acceptor of the reference survives that. */
const HELLO_CUTS: Cell = {
  what: "cut at every byte of both hellos",
  traffic: { toRust: 5_000 },
  async faults(session) {
    await session.exchange({ toRust: 1_000 });
    session.cut({ kind: "at", bytes: Array.from({ length: 2 * HELLO_BYTES }, (_, i) => i + 1) });
  },
  deaths: 2 * HELLO_BYTES,
};

export function matrix(rust: RustRole): void {
  const cells = rust === "acceptor" ? [...ONE_WAY, HELLO_CUTS] : ONE_WAY;
  for (const transport of ["tcp", "unix"] as const) for (const cell of cells) run(rust, transport, cell);
}

function run(
  rust: RustRole,
  transport: Transport,
  { what, traffic, limits, faults, deaths = 0 }: Cell,
): void {
  test(`Rust ${rust} over ${transport}: ${what}`, async () => {
    const started = performance.now();
    const session = await Session.open({ rust, transport, limits });
    try {
      expect(session.conduit.status).toMatchObject({ state: "open", profile: "base" });
      // A link that dies within its hellos is none for the conduit, so the cuts count too.
      const died = () => Math.max(session.conduit.stats().links - 1, session.proxy.cuts);
      // Where a cut waits for its moment there can be few in a run: then it goes on.
      for (let runs = 0; runs < 20 && (runs === 0 || died() < deaths); runs++) {
        await faults?.(session, traffic);
        await session.exchange(traffic);
      }
      const theirs = await session.report();
      const stats = session.conduit.stats();
      const clean = { lost: 0, repeated: 0, corrupt: 0 };
      expect(theirs).toMatchObject({ ...clean, received: stats.sentItems, ended: null });
      expect(session.tally).toMatchObject({ ...clean, received: theirs.sent });
      expect(died()).toBeGreaterThanOrEqual(deaths);
      report({
        rust,
        transport,
        what,
        toRust: theirs.received,
        fromRust: session.tally.received,
        cuts: session.proxy.cuts,
        links: stats.links,
        gaps: stats.gaps,
        rescued: stats.gapResumes,
        seconds: (performance.now() - started) / 1_000,
        result: "all arrived, once, in order",
      });
    } finally {
      await session.close();
    }
  });
}
