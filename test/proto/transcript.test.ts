// Our acceptor against the recorded bytes of a Rust vox-core 0.4.0 initiator: two cuts, a duplicate and a replay.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { decodeClientHello, decodeServerHello } from "../../src/proto/handshake.js";
import { Registry } from "../../src/proto/registry.js";
import { framed, key, Wired } from "./wire.js";

type Step = { cut: true } | { from: "initiator" | "acceptor"; what: string; payload: string };
const { steps } = JSON.parse(
  readFileSync(new URL("../golden/wire/transcript-rust-initiator.json", import.meta.url), "utf8"),
) as { steps: Step[] };

it("answers a recorded reference initiator byte for byte [hello.client] [hello.server] [frame.layout] [recv.duplicate]", () => {
  const registry = new Registry<Wired>();
  const wired = new Wired("acceptor", "base", { ackDelayMs: 1_000 });
  const { machine } = wired;
  const keys = [key(0x11), key(0x22), key(0x33)];
  const written = () => Buffer.from(wired.out()).toString("hex");
  const recorded = (payload: Uint8Array) => Buffer.from(framed(payload)).toString("hex");
  let greeted = false;

  // The recorded acceptor was done with as many items as it acknowledged then.
  const recordBytes: number[] = [];
  let handed = 0;
  const handUpTo = (seq: number) => {
    const bytes = recordBytes.slice(handed, seq + 1).reduce((sum, size) => sum + size, 0);
    machine.handed(seq + 1 - handed, bytes, wired.now);
    handed = seq + 1;
  };

  for (const [index, step] of steps.entries()) {
    if ("cut" in step) {
      wired.down();
      greeted = false;
      continue;
    }
    const payload = Uint8Array.from(Buffer.from(step.payload, "hex"));
    if (step.from === "initiator" && !greeted) {
      const clientHello = decodeClientHello(payload)!;
      expect(registry.judge(clientHello, wired.now).kind, step.what).toBe(index === 0 ? "new" : "resume");
      const lastReceived = decodeServerHello(payloadOf(steps[index + 1]))!.lastReceived;
      if (lastReceived !== null) handUpTo(lastReceived);
      const serverHello = machine.serverHello(clientHello, keys.shift()!);
      const attached = { framing: "stream", pausable: true, hello: clientHello, settings: null } as const;
      machine.handleAttached({ ...attached, offeredKey: null }, serverHello, wired.now);
      registry.update(wired);
      greeted = true;
    } else if (step.from === "initiator") {
      if ("cut" in steps[index + 1] && payload[0] === 3) continue; // "delta" was lost with its link
      wired.bytes(framed(payload));
      recordBytes.push(4 + payload.length);
    } else if (decodeServerHello(payload)) {
      expect(written(), step.what).toBe(recorded(payload));
    } else if (!step.what.startsWith("duplicate")) {
      handUpTo(payload[2]); // seq, tag, ack
      machine.ring.push(payload.slice(-2));
      expect(written(), step.what).toBe(recorded(payload));
    }
  }

  expect(wired.items).toEqual(["alpha", "beta", "gamma", "delta", "", "zeta"].map(postcardString));
  expect(keys).toEqual([]);
  expect(wired.ended).toBeUndefined();
});

function payloadOf(step: Step): Uint8Array {
  return "cut" in step ? new Uint8Array(0) : Uint8Array.from(Buffer.from(step.payload, "hex"));
}

/** A length, then UTF-8. */
function postcardString(text: string): string {
  return String.fromCharCode(text.length) + text;
}
