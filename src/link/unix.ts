// Unix socket links (on Windows: named pipes), for both sides.
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import net from "node:net";
import { optionsError } from "../errors.js";
import { byteStreamLink, connectLink, listening, type SocketKind, SocketServer } from "./byte-stream.js";
import type { LinkInfo, LinkServer } from "./link.js";
import type { LinkSource } from "./source.js";

export interface UnixServerOptions {
  /** Permissions of the socket file, such as 0o600; default what the umask leaves. Until it is set the umask rules, so a secret needs a private directory. */
  mode?: number;
}

interface Unix {
  /**
   * Connects to the unix socket at `path`, one attempt per call of nextLink().
   * @throws ConduitError CONDUIT_OPTIONS for an empty path or one that is too long for the system.
   * @returns a source whose nextLink() rejects with CONDUIT_LINK (not fatal, Node's error as the cause) or signal.reason.
   */
  (path: string): LinkSource;
  /**
   * Accepts links on the unix socket at `path`. A socket file that nobody listens on, left by a crash, is replaced; one that is
   * in use, or a file of another kind, is not: listen() rejects with CONDUIT_LINK and EADDRINUSE as the cause's code.
   * Two servers that replace the same stale file in the same instant are not kept apart. close() removes the file.
   * @throws ConduitError CONDUIT_OPTIONS for an empty path or one that is too long for the system.
   */
  server(path: string, options?: UnixServerOptions): LinkServer;
}

/** Unix sockets. Linux's abstract names ("\0name") work too. */
export const unix: Unix = /* @__PURE__ */ Object.assign(unixSource, { server: unixServer });

const info: LinkInfo = Object.freeze({ transport: "unix", encrypted: false });

const kind = { ready: "connect", toLink: (socket) => byteStreamLink(socket, info) } satisfies SocketKind;

function unixSource(path: string): LinkSource {
  checkPath(path);
  return { nextLink: ({ signal }) => connectLink(kind, path, signal, () => net.connect({ path })) };
}

function unixServer(path: string, options: UnixServerOptions = {}): LinkServer {
  checkPath(path);
  const bind = async (server: net.Server): Promise<void> => {
    try {
      await listening(server, { path });
    } catch (error) {
      if (!isCode(error, "EADDRINUSE") || !(await removeStale(path))) throw error;
      await listening(server, { path });
    }
    if (options.mode !== undefined && isFile(path)) chmodSync(path, options.mode);
  };
  return new SocketServer(net.createServer(), {
    accepted: "connection",
    toLink: kind.toLink,
    where: path,
    bind,
  });
}

/** Removes a socket file that nobody listens on. A refused connection alone is no proof: a plain file refuses too. */
async function removeStale(path: string): Promise<boolean> {
  if (!isFile(path) || !(await refuses(path))) return false;
  try {
    if (!lstatSync(path).isSocket()) return false;
    unlinkSync(path);
  } catch (error) {
    if (!isCode(error, "ENOENT")) throw error;
  }
  return true;
}

/** Whether there is nobody behind the path. A busy listener (EAGAIN) or a forbidden one (EACCES) is somebody. */
function refuses(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.once("error", (error) => resolve(isCode(error, "ECONNREFUSED") || isCode(error, "ENOENT")));
  });
}

function isFile(path: string): boolean {
  return process.platform !== "win32" && !path.startsWith("\0");
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

/** The system's sun_path has 108 bytes on Linux and 104 on the BSDs and macOS, with a closing zero; a longer path would be cut silently. */
function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  const max = process.platform === "linux" ? 107 : process.platform === "win32" ? 255 : 103;
  if (bytes === 0 || bytes > max) {
    throw optionsError(`a unix socket path must have 1 to ${max} bytes, got ${bytes}: ${path}`);
  }
}
