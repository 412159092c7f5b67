// A TCP proxy that breaks what runs through it: cuts connections in the middle of anything, splits and delays chunks,
// refuses, or falls silent without closing. The demo and the tests put it between two peers.
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * @typedef {object} ChaosOptions
 * @property {{ host?: string, port: number } | { path: string }} target where connections go
 * @property {string} [path] listens on this unix socket; default: on any port of 127.0.0.1
 * @property {number} [seed] of the splits and of the kind of cut; default 1
 * @property {() => number | null} [cutAfterBytes] asked for each connection: it is cut once so many bytes, both ways
 *   together, have passed; null lets it live. Default: never.
 * @property {number} [delayMs] each chunk waits so long; default 0
 * @property {number} [maxChunk] chunks are split at random into pieces of at most so many bytes; default: not split
 */

/** @typedef {"forward" | "refuse" | "half-open"} ChaosMode half-open: nothing passes, not even an end, and nothing is closed */

/**
 * @typedef {object} ChaosProxy
 * @property {number} port on 127.0.0.1; 0 on a unix socket
 * @property {number} cuts so far
 * @property {number} bytes that were passed on so far, both ways together
 * @property {() => void} cutAll cuts what is connected now
 * @property {(mode: ChaosMode) => void} setMode "refuse" is for new connections, the others for existing ones too
 * @property {() => Promise<void>} close
 */

/**
 * @param {ChaosOptions} options
 * @returns {Promise<ChaosProxy>}
 */
export async function startChaosProxy({
  target,
  path,
  seed = 1,
  cutAfterBytes = () => null,
  delayMs = 0,
  maxChunk,
}) {
  const random = randomFrom(seed);
  /** @type {Set<{ cut(): void }>} */
  const connections = new Set();
  let cuts = 0;
  let bytes = 0;
  /** @type {ChaosMode} */
  let mode = "forward";
  // While half-open: a promise that the next mode resolves. Everything that would pass waits for it.
  let gate = Promise.resolve();
  /** @type {(() => void) | undefined} */
  let openGate;

  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    if (mode === "refuse") {
      destroy(near, path === undefined);
      return;
    }
    const far = net.connect({ ...target, allowHalfOpen: true, noDelay: true });
    const connection = { cut };
    connections.add(connection);
    let left = cutAfterBytes() ?? Number.POSITIVE_INFINITY;
    direct(near, far);
    direct(far, near);

    function cut() {
      if (!connections.delete(connection)) return;
      cuts++;
      // A reset drops what lies in the kernel's buffers, a close lets the peer read it first: both happen.
      const reset = random() < 0.5;
      destroy(near, reset && path === undefined);
      destroy(far, reset && !("path" in target));
    }

    /**
     * One direction: reads only as fast as the other side takes it.
     * @param {net.Socket} from
     * @param {net.Socket} to
     */
    function direct(from, to) {
      from.on("data", async (chunk) => {
        from.pause();
        for (const piece of split(chunk)) {
          if (delayMs > 0) await sleep(delayMs);
          await gate;
          if (to.destroyed) return;
          const room = to.write(piece.subarray(0, left));
          bytes += Math.min(piece.length, left);
          left -= piece.length;
          if (left <= 0) return cut();
          if (!room) await drained(to);
        }
        from.resume();
      });
      from.on("end", async () => {
        await gate;
        to.end();
      });
      from.on("error", async () => {
        await gate;
        to.destroy();
      });
      from.on("close", () => {
        if (to.destroyed) connections.delete(connection);
      });
    }
  });

  /** @param {Buffer} chunk */
  function* split(chunk) {
    for (let start = 0, size = 0; start < chunk.length; start += size) {
      size = maxChunk === undefined ? chunk.length : 1 + Math.floor(random() * maxChunk);
      yield chunk.subarray(start, start + size);
    }
  }

  function cutAll() {
    for (const connection of connections) connection.cut();
  }

  server.listen(path === undefined ? { port: 0, host: "127.0.0.1" } : { path });
  await once(server, "listening");
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  return {
    port,
    get cuts() {
      return cuts;
    },
    get bytes() {
      return bytes;
    },
    cutAll,
    setMode(next) {
      openGate?.();
      mode = next;
      gate = Promise.resolve();
      if (mode === "half-open") {
        gate = new Promise((resolve) => {
          openGate = resolve;
        });
      }
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      openGate?.();
      cutAll();
      await closed;
    },
  };
}

/**
 * Node cannot reset a socket whose end is on its way: it would fail and leave the handle open.
 * @param {net.Socket} socket
 * @param {boolean} reset
 */
function destroy(socket, reset) {
  if (reset && !socket.writableEnded) socket.resetAndDestroy();
  else socket.destroy();
}

/**
 * @param {net.Socket} socket
 * @returns {Promise<void>} when it has room again, or is gone
 */
function drained(socket) {
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

/**
 * Random numbers from 0 up to 1 that a seed repeats (a Weyl sequence, mixed).
 * @param {number} seed
 */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
