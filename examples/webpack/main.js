// The page: sends numbers as bytes, and checks that each comes back once and in order.
import { connect, init, webSocket } from "stable-conduit";

const COUNT = 20_000;

const status = /** @type {HTMLElement} */ (document.querySelector("[role=status]"));

await init(); // older Chromium forbids a page to compile WebAssembly synchronously
const conduit = await connect(webSocket("/conduit"));
send();

let next = 0;
for await (const batch of conduit.batches()) {
  for (let i = 0; i < batch.length; i++) {
    const item = batch.at(i);
    const number = new DataView(item.buffer, item.byteOffset).getUint32(0);
    if (number !== next++) throw new Error(`expected ${next - 1}, got ${number}`);
  }
  status.textContent = `${next} of ${COUNT} came back`;
  if (next === COUNT) conduit.end();
}

async function send() {
  const item = new DataView(new ArrayBuffer(4));
  for (let number = 0; number < COUNT; number++) {
    item.setUint32(0, number);
    if (conduit.congested) await conduit.drained();
    conduit.send(new Uint8Array(item.buffer));
  }
}
