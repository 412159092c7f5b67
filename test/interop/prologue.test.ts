import { expect, test } from "vitest";
import { voxSource } from "../../examples/vox-service/vox-source.js";
import { connect } from "../../src/node.js";
import { decodeItem, encodeItem, itemOf, Tally } from "./item.js";
import { RustPeer } from "./rust-peer.js";

test("a link source may speak vox's transport prologue on each link before the conduit begins", async () => {
  const peer = await RustPeer.acceptor("tcp:127.0.0.1:0", "--echo", "--prologue");
  const port = Number(peer.address.split(":")[1]);
  const conduit = await connect(voxSource({ host: "127.0.0.1", port }), { retry: { baseMs: 2 } });
  const tally = new Tally();
  for (let i = 0; i < 1_000; i++) {
    if (i === 500) conduit.reconnect();
    conduit.send(encodeItem(itemOf(0, i, 16, true)));
  }
  for await (const item of conduit) {
    tally.count(decodeItem(item));
    if (tally.received === 1_000) break;
  }
  expect(tally).toMatchObject({ lost: 0, repeated: 0, corrupt: 0 });
  expect(conduit.stats().links).toBe(2);
  conduit.abort();
  await peer.kill();
});
