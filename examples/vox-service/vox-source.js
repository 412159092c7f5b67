// Links to a vox service: before the conduit it speaks a transport prologue, so each link has to as well. This is what
// `nextLink` is for. The layout is that of vox-core 0.4.0, transport_prologue.rs: a magic of four letters, the version,
// the mode, two zeros; each payload is preceded by its length, u32 little endian.
import { once } from "node:events";
import net from "node:net";
import { Attachment, tcp } from "stable-conduit/node";

const VERSION = 9;
const STABLE = 1;
const PAYLOAD_BYTES = 8;

/**
 * @param {net.TcpNetConnectOpts} target
 * @returns {import("stable-conduit").LinkSource}
 */
export function voxSource(target) {
  return {
    async nextLink({ signal }) {
      const socket = net.connect({ ...target, signal });
      try {
        await once(socket, "connect", { signal });
        socket.write(payload("VOTH", VERSION, STABLE));
        const answer = await read(socket, 4 + PAYLOAD_BYTES, signal);
        if (!answer.subarray(0, 10).equals(payload("VOTA", VERSION, STABLE).subarray(0, 10))) {
          throw new Error("the service does not take the stable conduit");
        }
        // A session handshake (CBOR) would follow here.
        return Attachment.initiator(tcp.link(socket));
      } catch (error) {
        socket.destroy();
        throw error;
      }
    },
  };
}

/**
 * @param {string} magic
 * @param {number[]} fields
 */
function payload(magic, ...fields) {
  const bytes = Buffer.alloc(4 + PAYLOAD_BYTES);
  bytes.writeUInt32LE(PAYLOAD_BYTES);
  bytes.write(magic, 4);
  bytes.set(fields, 8);
  return bytes;
}

/**
 * Exactly so many bytes; what follows them stays in the socket.
 * @param {net.Socket} socket
 * @param {number} length
 * @param {AbortSignal} signal
 * @returns {Promise<Buffer>}
 */
async function read(socket, length, signal) {
  for (;;) {
    const bytes = socket.read(length);
    if (bytes?.length === length) return bytes;
    if (bytes !== null || socket.readableEnded || socket.destroyed) throw new Error("the service hung up");
    await once(socket, "readable", { signal });
  }
}
