// The page's side of a measurement: it sends for a while, or receives until the other side has ended.
import { connect, webSocket } from "stable-conduit";
import { Meter } from "./meter.js";

/**
 * @typedef {object} Task
 * @property {string} url
 * @property {boolean} conduit or the page's WebSocket as it is
 * @property {number} size bytes of an item
 * @property {number} sendSeconds 0: receive
 * @property {number} warmupSeconds
 * @property {number} seconds
 */

/** While more than this waits in the plain WebSocket its sender waits, too. */
const HIGH_WATER_BYTES = 1_048_576;
/** So many items between two looks at the clock. */
const RUN = 256;

/**
 * @param {Task} task
 * @returns {Promise<{ messages: number, firstBytes: number, rate: number }>} of a sender: what it sent
 */
export default async (task) => {
  const meter = new Meter(task.warmupSeconds, task.seconds);
  const payload = new Uint8Array(task.size).fill(1);
  await (task.conduit ? throughConduit : throughWebSocket)(task, meter, payload);
  const { messages, firstBytes, rate } = meter;
  return { messages, firstBytes, rate };
};

/**
 * @param {Task} task
 * @param {Meter} meter
 * @param {Uint8Array} payload
 */
async function throughConduit({ url, sendSeconds }, meter, payload) {
  const conduit = await connect(webSocket(url));
  conduit.onItems = (batch) => {
    let firstBytes = 0;
    for (let i = 0; i < batch.length; i++) firstBytes += batch.at(i)[0];
    meter.received(batch.length, firstBytes);
  };
  if (sendSeconds > 0) {
    for (const until = performance.now() + sendSeconds * 1_000; performance.now() < until; ) {
      for (let i = 0; i < RUN; i++) {
        if (conduit.congested) await conduit.drained();
        conduit.send(payload);
      }
      meter.messages += RUN;
    }
    await conduit.close();
  }
  await conduit.closed;
}

/**
 * @param {Task} task
 * @param {Meter} meter
 * @param {Uint8Array<ArrayBuffer>} payload
 */
async function throughWebSocket({ url, sendSeconds }, meter, payload) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => meter.received(1, new Uint8Array(data)[0]);
  const closed = new Promise((resolve) => (socket.onclose = resolve));
  if (sendSeconds > 0) {
    await new Promise((resolve) => (socket.onopen = resolve));
    for (const until = performance.now() + sendSeconds * 1_000; performance.now() < until; ) {
      for (let i = 0; i < RUN; i++) socket.send(payload);
      meter.messages += RUN;
      // No event tells that it drains. A timer looks as often as a page may, and leaves the thread to the socket.
      while (socket.bufferedAmount > HIGH_WATER_BYTES) await new Promise((resolve) => setTimeout(resolve));
    }
    socket.close(1000);
  }
  await closed;
}
