// Breaks the protocol core in known ways, one at a time, in a copy, and demands that the simulation notices, or
// for what needs too rare a schedule the tests of single rules.
// A mutant that survives says that the tests prove less than they seem to: npm run test:mutants [-- name …]
// With --check nothing runs: it is only seen whether each mutant can still be made of the code as it is.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const SCHEDULES = "3000";
/** A mutant that makes no progress at all is caught by this. */
const TIMEOUT_MS = 90_000;
const COPIED = [
  "src",
  "assembly",
  "scripts/build-wasm.js",
  "test/sim",
  "test/proto",
  "test/golden",
  "test/wasm/random.ts",
];
const CONFIG = ["package.json", "tsconfig.json", "asconfig.json", "vitest.config.ts"];

/**
 * @typedef {{ file: string, from: string, to: string }} Patch
 * @type {Record<string, { what: string, patches: Patch[] }>}
 */
const MUTANTS = {
  "fresh-key": {
    what: "each ServerHello draws a fresh key and voids the one on offer [resume.commit]",
    patches: [
      { file: "src/proto/resume-keys.ts", from: "this.#offered ??= fresh;", to: "this.#offered = fresh;" },
    ],
  },
  "previous-key": {
    what: "each ServerHello makes the key on offer the confirmed one [resume.commit]",
    patches: [
      {
        file: "src/proto/resume-keys.ts",
        from: "this.#offered ??= fresh;",
        to: "this.confirm();\n    this.#offered = fresh;",
      },
    ],
  },
  "late-confirm": {
    what: "a late link confirms a key that it was not offered [resume.commit]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: "this.keys.present(link.offeredKey);",
        to: "this.keys.confirm();",
      },
    ],
  },
  "late-hello": {
    what: "a late ClientHello is accepted, its position is not looked at [resume.check]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: 'this.#comparePeerPosition(hello.lastReceived) === "known"',
        to: 'this.#comparePeerPosition(hello.lastReceived) !== "beyond"',
      },
      {
        file: "src/proto/resume-keys.ts",
        from: "if (sameKey(key, this.#offered)) this.confirm();",
        to: "void key;",
      },
      {
        file: "src/proto/machine.ts",
        from: "this.#confirmPending = false;\n    this.keys.confirm();",
        to: "this.#confirmPending = false;",
      },
    ],
  },
  "ack-sent": {
    what: "an ack beyond `sent`, after a rewind, is a violation [ack.invalid]",
    patches: [
      {
        file: "assembly/ring.ts",
        from: "const writtenSeq = load<u32>(c, RING_WRITTEN_SEQ);\n  if (load<u32>(c, EXTENDED))",
        to: "const writtenSeq = load<u32>(c, RING_SENT_SEQ);\n  if (load<u32>(c, EXTENDED))",
      },
    ],
  },
  "ack-off-by-one": {
    what: "an ack releases one record too many [ack.trim]",
    patches: [
      {
        file: "assembly/ring.ts",
        from: "const next = ack + 1;",
        to: "const next = ack + 1 == writtenSeq ? ack + 1 : ack + 2;",
      },
    ],
  },
  "ack-received": {
    what: "what was received counts as handed over [ack.cumulative]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: "const handed = this.#field(RECV_HANDED);\n    if (handed === this.#ackedOnWire)",
        to: "const handed = this.#field(RECV_NEXT);\n    if (handed === this.#ackedOnWire)",
      },
    ],
  },
  "hello-received": {
    what: "last_received of a hello is what was received, not what was handed over [ack.handed]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: "return this.#anyHanded ? (this.#field(RECV_HANDED) - 1) >>> 0 : null;",
        to: "return this.#anyHanded ? (this.#field(RECV_NEXT) - 1) >>> 0 : null;",
      },
    ],
  },
  "ack-to-old-link": {
    what: "acks that went to the old link after the ServerHello are not told again [resume.takeover]",
    patches: [{ file: "src/proto/machine.ts", from: "this.#ackedOnWire = UNTOLD;", to: "" }],
  },
  "hello-no-ack": {
    what: "last_received of a ServerHello counts only once SETTINGS came [ack.trim]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: 'if (hello.lastReceived !== null && this.ring.ack(hello.lastReceived) === "new") this.#noteAck(now);',
        to: "",
      },
    ],
  },
  "fin-no-linger": {
    what: "the acceptor forgets a session that has ended [ext.fin]",
    patches: [
      {
        file: "src/proto/registry.ts",
        from: "this.#graves.set(key, { grave, expiresAt });",
        to: "void grave;",
      },
      {
        file: "src/proto/machine.ts",
        from: "if (this.bothEnded) return this.#finish(null);",
        to: "",
      },
    ],
  },
  "fin-no-wait": {
    what: "the initiator does not wait for ABORT 0 [ext.fin]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: 'if (this.role === "initiator") {\n      const graceMs',
        to: 'if (this.role === "initiator") {\n      return this.#finish(null);\n      const graceMs',
      },
    ],
  },
  "no-rewind": {
    what: "a resume does not rewind: new items overtake the replay [replay.forward]",
    patches: [{ file: "src/proto/machine.ts", from: "this.ring.rewind();", to: "" }],
  },
  "replay-one-late": {
    what: "a replay begins one record late [replay.forward]",
    patches: [
      {
        file: "assembly/ring.ts",
        from: "store<u32>(c, load<u32>(c, RING_ACKED), RING_SENT);\n  store<u32>(c, load<u32>(c, RING_ACKED_SEQ), RING_SENT_SEQ);",
        to: "if (load<u32>(c, RING_SENT_SEQ) != load<u32>(c, RING_ACKED_SEQ)) {\n    ringRewindLate(c);\n    return;\n  }",
      },
      {
        file: "assembly/ring.ts",
        from: "/** A pending write reads the ring from",
        to: `function ringRewindLate(c: usize): void {
  const acked = load<u32>(c, RING_ACKED);
  const size = slotSize(<usize>load<u32>(c, RING_BASE) + acked);
  const at = acked + size;
  store<u32>(c, at == load<u32>(c, RING_LIMIT) ? 0 : at, RING_SENT);
  store<u32>(c, load<u32>(c, RING_ACKED_SEQ) + 1, RING_SENT_SEQ);
  store<u32>(c, load<u32>(c, RING_UNSENT) + load<u32>(c, RING_IN_FLIGHT) - size, RING_UNSENT);
  store<u32>(c, size, RING_IN_FLIGHT);
}

/** A pending write reads the ring from`,
      },
    ],
  },
  "duplicate-off-by-one": {
    what: "the last item is taken twice [recv.duplicate]",
    patches: [
      {
        file: "assembly/deframe.ts",
        from: "if (seq == next) {",
        to: "if (seq == next || seq + 1 == next) {",
      },
    ],
  },
  "no-pins": {
    what: "bytes that a pending write still reads are used again [replay.bytes]",
    patches: [
      {
        file: "assembly/ring.ts",
        from: "const pinned = load<u32>(c, RING_PINNED) != 0 &&",
        to: "const pinned = load<u32>(c, RING_PINNED) > 1 &&",
      },
    ],
  },
  "no-retirement": {
    what: "a region that a pending write still reads is freed when the ring grows [replay.bytes]",
    patches: [
      {
        file: "src/proto/replay.ts",
        from: "if (!this.#pendingRegion.includes(old)) this.#freeRetired(old);",
        to: "this.#freeRetired(old);",
      },
    ],
  },
  "no-room-event": {
    what: "room that a finished write makes is not told [replay.bound]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: 'this.#events.push({ type: "acked" });\n    this.#enterFin();\n  }\n\n  /** A valid frame',
        to: "}\n\n  /** A valid frame",
      },
    ],
  },
  "fin-without-room": {
    what: "a FIN that found no room is not entered when a finished write makes some [ext.fin]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: 'this.#events.push({ type: "acked" });\n    this.#enterFin();\n  }\n\n  /** A valid frame',
        to: 'this.#events.push({ type: "acked" });\n  }\n\n  /** A valid frame',
      },
    ],
  },
  "old-bytes": {
    what: "a record that the old link cut off goes on with bytes of the new one [link.cut]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: "#closeLink(): void {\n    this.#hello = null;\n    this.#deframer = null;",
        to: "#closeLink(): void {\n    this.#hello = null;",
      },
    ],
  },
  "gap-kept": {
    what: "frames held behind a gap are dropped when it closes [recv.gap]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: "this.#setField(RECV_NEXT, seq + 1);",
        to: "this.#setField(RECV_NEXT, seq + 1);\n      continue;",
      },
    ],
  },
  "gap-never-released": {
    what: "frames held behind a gap stay held [recv.gap]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: "const frame = this.#held.take(seq);\n      if (!frame) break;",
        to: "const frame = this.#held.take(seq);\n      if (!frame || seq > 0) break;",
      },
      {
        file: "src/proto/machine.ts",
        from: "if (this.#held.has(this.#field(RECV_NEXT))) {",
        to: "if (false) {",
      },
    ],
  },
  "no-probe": {
    what: "a ring that nobody acknowledges stays full [base.probe]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: "if (now >= this.#probeAt(now)) this.#probe();",
        to: "if (false) {}",
      },
      { file: "src/proto/machine.ts", from: "this.#probeAt(now), this.#againAt()", to: "this.#againAt()" },
    ],
  },
  "not-asked-again": {
    what: "what the peer keeps back at a reconnect is not asked for [base.again]",
    patches: [
      {
        file: "src/proto/asking.ts",
        from: "if (this.#links < 2 ||",
        to: "if (this.#links >= 0 ||",
      },
    ],
  },
  "window-ignored": {
    what: "a sender does not look at the peer's window [ext.window]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: "Math.min(this.peer.receiveWindow ?? SEQS - 1, flight.limit)",
        to: "flight.limit",
      },
    ],
  },
  "given-up-ring": {
    what: "the ring of a session that failed is copied to address 0",
    patches: [{ file: "assembly/ring.ts", from: "if (base != 0 && load", to: "if (load" }],
  },
  "save-received": {
    what: "a suspended session keeps what was received, not what was handed over [resume.suspend]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: "handedSeq: this.#field(RECV_HANDED),",
        to: "handedSeq: this.#field(RECV_NEXT),",
      },
    ],
  },
  "save-unwritten": {
    what: "a restored session takes its items for never written, so late acks are violations [resume.suspend]",
    patches: [
      {
        file: "src/proto/machine.ts",
        from: "written: (ring.writtenSeq - ring.ackedSeq) >>> 0,",
        to: "written: 0,",
      },
    ],
  },
};

const root = resolve(dirname(new URL(import.meta.url).pathname), "..");
for (const { patches } of Object.values(MUTANTS))
  for (const { file, from } of patches) find(root, file, from);
if (process.argv[2] === "--check") process.exit();

const asked = process.argv.slice(2);
const names = asked.length > 0 ? asked : Object.keys(MUTANTS);
let survivors = 0;
for (const name of names) {
  const mutant = MUTANTS[name];
  if (!mutant) throw new Error(`no mutant is called ${name}`);
  const caught = run(mutant.patches);
  if (!caught) survivors++;
  console.log(
    `${name.padEnd(22)} ${caught ? `caught: ${caught}` : "SURVIVES"}\n${" ".repeat(23)}${mutant.what}`,
  );
}
console.log(`${names.length - survivors} of ${names.length} mutants are caught`);
process.exitCode = survivors > 0 ? 1 : 0;

/**
 * Runs the simulation on a patched copy; returns what failed first, null = nothing.
 * @param {Patch[]} patches
 */
function run(patches) {
  const folder = mkdtempSync(join(tmpdir(), "stable-conduit-mutant-"));
  try {
    for (const path of [...COPIED, ...CONFIG]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      cpSync(join(root, path), join(folder, path), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    for (const patch of patches) apply(folder, patch);
    if (patches.some(({ file }) => file.startsWith("assembly/"))) {
      const build = spawnSync(process.execPath, ["scripts/build-wasm.js"], { cwd: folder, encoding: "utf8" });
      if (build.status !== 0) throw new Error(`the mutant does not compile:\n${build.stderr}`);
    }
    return runTests(folder, "test/sim") ?? runTests(folder, "test/proto");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} folder
 * @param {Patch} patch
 */
function apply(folder, { file, from, to }) {
  const text = find(folder, file, from);
  writeFileSync(
    join(folder, file),
    text.replace(from, () => to),
  );
}

/**
 * The text of a file, in which what is to be patched has to be, once.
 * @param {string} folder
 * @param {string} file
 * @param {string} from
 */
function find(folder, file, from) {
  const text = readFileSync(join(folder, file), "utf8");
  const count = text.split(from).length - 1;
  if (count !== 1) throw new Error(`${file} contains the text to patch ${count} times:\n${from}`);
  return text;
}

/**
 * @param {string} folder
 * @param {string} tests
 */
function runTests(folder, tests) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["node_modules/vitest/vitest.mjs", "run", tests, "--bail", "1", "--reporter", "verbose"],
    {
      cwd: folder,
      encoding: "utf8",
      timeout: TIMEOUT_MS,
      env: { ...process.env, SIM_SCHEDULES: SCHEDULES, NO_COLOR: "1" },
      maxBuffer: 2 ** 28,
    },
  );
  if (status === 0) return null;
  if (status === null) return `no end within ${TIMEOUT_MS / 1_000} s`;
  const failure = /^(?:Broken|\w*Error): (.*)$/m.exec(stderr + stdout);
  if (!failure) throw new Error(`vitest failed for another reason:\n${stdout}\n${stderr}`);
  return `${tests}: ${failure[1].slice(0, 100)}`;
}
