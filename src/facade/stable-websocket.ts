// StableWebSocket: for a client that has a WebSocket and is to have one that survives its links.
import type { LinkSource } from "../link/source.js";
import { type WebSocketConstructor, webSocket } from "../link/websocket.js";
import type { ConnectOptions } from "../session/options.js";
import { StableConduit } from "../session/stable-conduit.js";
import {
  ConduitSocket,
  type ConduitSocketOptions,
  clampedShort,
  maxBufferedBytesOf,
} from "./conduit-socket.js";

/** What connect() takes, but for what the facade decides itself. */
export interface StableWebSocketOptions
  extends Omit<ConnectOptions, "schema" | "allowHalfOpen" | "profile">,
    Pick<ConduitSocketOptions, "maxBufferedBytes"> {
  /** What the links are made of. Default: the global one. On Node 20: that of the package `ws` or `undici`. */
  WebSocket?: WebSocketConstructor;
}

/**
 * The interface WebSocket over a conduit whose links are WebSockets. The server accepts conduits (webSocketServer()) and makes
 * each one a socket by webSocketOver(). Both directions arrive once and in order; a link that dies is no event.
 *
 * `error` and `close` come when the session has ended, or when there is no first link within connectTimeoutMs (30 000); the
 * event `error` has the ConduitError as `error`. docs/stable-websocket.md has the codes of `close`.
 */
export class StableWebSocket extends ConduitSocket {
  /**
   * @throws DOMException SyntaxError for a URL or a subprotocol that cannot be, as WebSocket; ConduitError CONDUIT_OPTIONS for
   *   options that cannot be, and where there is no WebSocket.
   */
  constructor(url: string | URL, protocols: string | string[] = [], options: StableWebSocketOptions = {}) {
    const { WebSocket, maxBufferedBytes, ...session } = options;
    maxBufferedBytesOf({ maxBufferedBytes }); // before there is a conduit that nobody would end
    const target = targetOf(url);
    const offered = checkedProtocols(protocols);
    const links = webSocket(target, { WebSocket, protocols: offered });
    let chosen = "";
    const source: LinkSource = {
      async nextLink(attempt) {
        const attachment = await links.nextLink(attempt);
        chosen = attachment.link.info.protocol ?? "";
        return attachment;
      },
    };
    super(
      StableConduit.create(source, session),
      { url: target.href, maxBufferedBytes, closeTimeoutMs: session.closeTimeoutMs },
      () => chosen,
    );
  }

  /**
   * @throws DOMException InvalidAccessError for a code that is neither 1000 nor from 3000 to 4999, SyntaxError for a reason of
   *   more than 123 bytes.
   */
  override close(code?: number, reason?: string): void {
    if (code !== undefined && !isForClients(clampedShort(code))) {
      throw new DOMException(
        `the code must be 1000, or from 3000 to 4999, not ${code}`,
        "InvalidAccessError",
      );
    }
    super.close(code, reason);
  }
}

function isForClients(code: number): boolean {
  return code === 1000 || (code >= 3000 && code <= 4999);
}

function targetOf(url: string | URL): URL {
  let target: URL;
  try {
    target = new URL(url, globalThis.location?.href);
  } catch {
    throw new DOMException(`not a URL: ${url}`, "SyntaxError");
  }
  target.protocol = target.protocol.replace(/^http/, "ws");
  if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new DOMException(`not the URL of a WebSocket: ${url}`, "SyntaxError");
  }
  if (target.href.includes("#")) {
    throw new DOMException(`the URL of a WebSocket has no fragment: ${url}`, "SyntaxError");
  }
  return target;
}

/** Each a token, none of them twice. */
function checkedProtocols(protocols: string | string[]): string[] {
  const offered = (typeof protocols === "string" ? [protocols] : [...protocols]).map(String);
  const wrong = offered.find((name) => !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name));
  if (wrong !== undefined || new Set(offered).size !== offered.length) {
    throw new DOMException(`subprotocols must be tokens that differ: ${offered.join(", ")}`, "SyntaxError");
  }
  return offered;
}
