// What the reference cannot do, each shown on the reference itself, and what our side makes of it.
import { once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { startChaosProxy } from "../../examples/demo/chaos-proxy.js";
import { connect, tcp } from "../../src/node.js";
import { framed, hello, key } from "../proto/wire.js";
import { decodeItem, encodeItem, itemOf } from "./item.js";
import { seqOf, serve } from "./raw.js";
import { report } from "./report.js";
import { RustPeer } from "./rust-peer.js";
import { Session } from "./session.js";

test("the reference ends its session when a link dies within its handshake; ours keeps it for graceMs and tells what was not delivered [resume.grace]", async () => {
  const session = await Session.open({ rust: "initiator", transport: "tcp", limits: { graceMs: 300 } });
  await session.exchange({ toRust: 10, fromRust: 10 });
  session.cut({ kind: "at", bytes: [10] });
  expect(await session.peer.end).toBe("link dead");
  session.conduit.send(encodeItem(itemOf(0, 10, 16)));
  const close = await session.conduit.closed;
  expect(close).toMatchObject({ clean: false, error: { code: "CONDUIT_SESSION_LOST", reason: "expired" } });
  if (close.clean) return;
  // Its acks ride on its frames only: all ten items may be among what it had not acknowledged.
  const undelivered = [...close.undelivered].map((item) => decodeItem(item).number);
  expect(undelivered.at(-1)).toBe(10);
  expect(close.undelivered.firstUnsent).toBe(undelivered.length - 1);
  await session.close();
  row(
    "initiator",
    "a link dies within its handshake",
    "its session ends; ours expires and names the undelivered items",
  );
});

test("the reference ends its session when a link dies within its own replay; ours goes on after such a cut [resume.retry]", async () => {
  const ITEMS = 20_000;
  let newest = -1;
  const server = await serve(
    () => undefined,
    (link, socket, number) => {
      let bytes = 0;
      link.payload = (frame) => {
        newest = Math.max(newest, seqOf(frame));
        bytes += frame.length;
        // The first link takes everything, acknowledges nothing and dies; the second dies early in the replay.
        if (number === 0 ? newest === ITEMS - 1 : bytes > 1_000_000) socket.destroy();
      };
    },
  );
  const peer = RustPeer.initiator(server.address);
  await peer.open;
  peer.send(ITEMS, 1_000).catch(() => {});
  expect(await peer.end).toMatch(/stream writer task stopped|Broken pipe|reset/);
  await peer.kill();
  await server.close();
  row(
    "initiator",
    "a link dies within its own replay",
    "its session ends; ours takes another link (see: cut within our replay)",
  );
});

test("the reference loses frames when a cut meets its send path; our receiver gets them back [recv.gap] [base.again]", async () => {
  const [ITEMS, CUTS] = [300_000, 40];
  let [received, lost, cuts] = [0, 0, 0];
  for (let seed = 1; seed <= 10 && lost === 0; seed++) {
    const acceptor = await RustPeer.acceptor("tcp:127.0.0.1:0");
    const proxy = await startChaosProxy({ target: { port: Number(acceptor.address.split(":")[1]) }, seed });
    const initiator = RustPeer.initiator(`tcp:127.0.0.1:${proxy.port}`);
    await initiator.open;
    initiator.onfresh = () => proxy.cuts < CUTS && setTimeout(() => proxy.cutAll(), 3);
    const asleep = once(AbortSignal.timeout(5_000), "abort");
    await Promise.race([initiator.send(ITEMS, 16), initiator.end, asleep]).catch(() => {});
    // It says that all is sent, or stands still. What a later item has passed is lost; the rest never came.
    for (let before = -1; received !== before; await once(AbortSignal.timeout(300), "abort")) {
      before = received;
      ({ received, lost } = await acceptor.report());
    }
    cuts = proxy.cuts;
    for (const peer of [initiator, acceptor]) await peer.kill();
    await proxy.close();
  }
  expect(lost).toBeGreaterThan(0);
  report({
    ...ROW,
    rust: "both",
    what: "one way between two Rust peers",
    fromRust: received,
    cuts,
    result: `${lost} items lost: passed over, and later ones arrived${received + lost < ITEMS ? "; then the sender stood still" : ""}`,
  });

  const session = await Session.open({ rust: "initiator", transport: "tcp" });
  session.cut({ kind: "after-replay", count: CUTS, total: ITEMS });
  await session.exchange({ fromRust: ITEMS });
  expect(session.tally).toMatchObject({ received: ITEMS, lost: 0, repeated: 0, corrupt: 0 });
  expect(session.conduit.stats().gapResumes).toBeGreaterThan(0);
  await session.close();
});

test("the reference permutes frames with several sender tasks; our receiver holds what comes too early [recv.gap]", async () => {
  const seen = new Set<number>();
  let permuted = 0;
  const server = await serve(
    () => {
      for (let seq = 0; ; seq++) if (!seen.has(seq)) return seq === 0 ? undefined : seq - 1;
    },
    (link, socket) => {
      let frames = 0;
      let newest = -1;
      link.payload = (frame) => {
        const seq = seqOf(frame);
        if (seq < newest && !seen.has(seq)) permuted++;
        newest = Math.max(newest, seq);
        seen.add(seq);
        if (++frames === 20_000 && permuted === 0) socket.destroy();
      };
    },
  );
  for (let attempt = 0; attempt < 20 && permuted === 0; attempt++) {
    seen.clear();
    const peer = RustPeer.initiator(server.address);
    await peer.open;
    // Its session may end, its sender may sleep: what counts is what was on the wire until then.
    const sent = peer.send(400_000, 16, 4).catch(() => {});
    await Promise.race([sent, peer.end, once(AbortSignal.timeout(5_000), "abort")]);
    await peer.kill();
  }
  await server.close();
  expect(permuted).toBeGreaterThan(0);
  row(
    "initiator",
    "4 tasks send, links die",
    "frames arrive permuted; ours holds them (see: 4 Rust tasks send)",
  );
});

test("the reference never rejects a key; ours does [resume.reject]", async () => {
  const peer = await RustPeer.acceptor("tcp:127.0.0.1:0");
  const port = Number(peer.address.split(":")[1]);
  const ask = async (resumeKey?: Uint8Array) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.write(framed(hello("VOCH", { resumeKey })));
    const [answer] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    return answer;
  };
  await ask();
  const answer = await ask(key(0xee));
  expect(answer.subarray(4, 8).toString()).toBe("VOSH");
  expect(answer[8] & 0x01).toBe(0); // not REJECTED
  await peer.kill();
  row("acceptor", "a key that it never gave", "it takes any; ours rejects unknown keys");
});

test("the reference never trims without traffic back; with our acks its memory stays flat [ack.only]", async () => {
  const [WITHOUT, WITH] = [2_000_000, 5_000_000];
  let newest = -1;
  const server = await serve(
    () => undefined,
    (link) => {
      link.payload = (frame) => {
        newest = seqOf(frame);
      };
    },
  );
  const deaf = RustPeer.initiator(server.address);
  await deaf.open;
  await deaf.send(WITHOUT, 16);
  const without = (await deaf.report()).rssKiB;
  await deaf.kill();
  await server.close();
  expect(newest).toBeGreaterThan(WITHOUT / 2);

  const session = await Session.open({ rust: "initiator", transport: "tcp" });
  // An ack needs a frame that can be repeated.
  await session.exchange({ toRust: 1, fromRust: 1 });
  await session.exchange({ fromRust: WITH });
  const acked = (await session.report()).rssKiB;
  expect(session.tally).toMatchObject({ received: WITH + 1, lost: 0, repeated: 0 });
  await session.close();
  expect(acked).toBeLessThan(without / 3);
  row(
    "initiator",
    `one way from Rust: ${WITHOUT / 1e6} M items without acks, ${WITH / 1e6} M with our acks`,
    `RSS ${Math.round(without / 1024)} MiB without, ${Math.round(acked / 1024)} MiB with`,
  );
});

test("5,000,000 items one way to a Rust sink that never sends stay in bounded memory, and delivered() settles [base.probe]", async () => {
  const ITEMS = 5_000_000;
  const session = await Session.open({ rust: "acceptor", transport: "tcp" });
  const { conduit } = session;
  let largest = 0;
  conduit.on("linkDown", () => {
    largest = Math.max(largest, conduit.stats().ringCapacityBytes);
  });
  await session.exchange({ toRust: ITEMS });
  await conduit.delivered();
  expect(conduit.stats()).toMatchObject({ ringBytes: 0, sentItems: ITEMS });
  expect(await session.report()).toMatchObject({ received: ITEMS, lost: 0, repeated: 0, sent: 0 });
  expect(largest).toBeGreaterThan(0);
  expect(largest).toBeLessThanOrEqual(16_777_216);
  const { links } = conduit.stats();
  await session.close();
  row(
    "acceptor",
    "5 M items one way to a sink that never sends",
    `all arrived; ring at most ${largest} bytes, ${links - 1} probes`,
  );
});

test("a restarted Rust acceptor is found out when it had acknowledged something [resume.lost]", async () => {
  const first = await RustPeer.acceptor("tcp:127.0.0.1:0");
  const port = Number(first.address.split(":")[1]);
  const conduit = await connect(tcp({ host: "127.0.0.1", port }), { retry: { baseMs: 2, capMs: 50 } });
  for (let i = 0; i < 10; i++) conduit.send(encodeItem(itemOf(0, i, 16)));
  await conduit.delivered();
  for (let i = 10; i < 15; i++) conduit.send(encodeItem(itemOf(0, i, 16)));
  await first.received(15);
  await first.kill();
  for (let i = 15; i < 18; i++) conduit.send(encodeItem(itemOf(0, i, 16)));
  const second = await RustPeer.acceptor(`tcp:127.0.0.1:${port}`);
  const close = await conduit.closed;
  expect(close).toMatchObject({
    clean: false,
    error: { code: "CONDUIT_SESSION_LOST", reason: "peer-restarted" },
  });
  if (close.clean) return;
  expect([...close.undelivered].map((item) => decodeItem(item).number)).toEqual([
    10, 11, 12, 13, 14, 15, 16, 17,
  ]);
  await second.kill();
  row(
    "acceptor",
    "it restarts, and had acknowledged something",
    "peer-restarted, with the 8 undelivered items",
  );
});

test("a restarted Rust acceptor that had acknowledged nothing is not found out, and its new items look like old ones [base.blind]", async () => {
  const first = await RustPeer.acceptor("tcp:127.0.0.1:0");
  const port = Number(first.address.split(":")[1]);
  const conduit = await connect(tcp({ host: "127.0.0.1", port }), { retry: { baseMs: 2, capMs: 50 } });
  const seen: number[] = [];
  const receive = async (count: number) => {
    while (count-- > 0) seen.push(decodeItem((await conduit.recv()) as Uint8Array).number);
  };
  await first.send(10, 16);
  await receive(10);
  await first.kill();
  const second = await RustPeer.acceptor(`tcp:127.0.0.1:${port}`);
  await second.open;
  await second.send(11, 16);
  await receive(1);
  // Ten of its eleven bear the seqs of those that the first one sent.
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(conduit.status.state).toBe("open");
  conduit.abort();
  await second.kill();
  row(
    "acceptor",
    "it restarts, and had acknowledged nothing",
    "nobody can know: its first items look like duplicates",
  );
});

const ROW = { transport: "tcp", toRust: 0, fromRust: 0, cuts: 0, links: 0, gaps: 0, rescued: 0, seconds: 0 };

function row(rust: "initiator" | "acceptor", what: string, result: string): void {
  report({ ...ROW, rust, what, result });
}
