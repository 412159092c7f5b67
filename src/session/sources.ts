// The seed's sources and attachments, and connect().
import { ConduitError, linkError, sessionLost } from "../errors.js";
import type { Bytes, Link, LinkSink } from "../link/link.js";
import { Attachment, type ClientHello, type LinkSource } from "../link/source.js";
import { decodeClientHello, HelloReader } from "../proto/handshake.js";
import { LinkPort } from "./link-port.js";
import type { ConnectOptions } from "./options.js";
import { deferred, ignore, quiet, type Wait, watchWait } from "./promises.js";
import { StableConduit } from "./stable-conduit.js";

/**
 * A conduit whose first link is open. Rejects with the error that ended it when there is none within
 * connectTimeoutMs, or when `signal` aborts, which rules the conduit's whole life.
 */
export function connect<S = Uint8Array, R = Bytes>(
  source: LinkSource,
  options?: ConnectOptions<S, R>,
): Promise<StableConduit<S, R>> {
  return StableConduit.open<S, R>(source, options);
}

/** A source with one link: when that dies, the session ends with CONDUIT_SESSION_LOST `source-ended`. */
export function singleLinkSource(link: Link): LinkSource {
  return singleAttachmentSource(Attachment.initiator(link));
}

/** A source with one attachment. */
export function singleAttachmentSource(attachment: Attachment): LinkSource {
  let left: Attachment | null = attachment;
  return {
    nextLink() {
      const next = left;
      left = null;
      return next ? Promise.resolve(next) : exhausted();
    },
  };
}

/** A source without links, for StableConduit.withFirstLink(). */
export function exhaustedSource(): LinkSource {
  return { nextLink: exhausted };
}

function exhausted(): Promise<never> {
  return Promise.reject(sessionLost("source-ended", "the LinkSource has no more links"));
}

/**
 * Reads the ClientHello from an inbound link. The link is paused behind it, ready for StableConduit.withFirstLink().
 * Rejects with CONDUIT_LINK when the link dies or does not begin with one (it is destroyed then), and when `wait` is over.
 */
export function recvClientHello(link: Link, wait?: Wait): Promise<ClientHello> {
  const { promise, resolve, reject } = deferred<ClientHello>();
  const reader = new HelloReader(link.framing);
  let done = false;
  const fail = (error: unknown) => {
    if (done) return;
    done = true;
    stop();
    link.destroy();
    reject(error);
  };
  const sink: LinkSink = {
    bytes(chunk) {
      if (done) return;
      const payload = reader.push(chunk);
      if (payload === null) return;
      const hello = payload === "bad" ? null : decodeClientHello(payload);
      if (!hello) return fail(linkError("the link does not begin with a ClientHello [hello.bad]"));
      done = true;
      stop();
      port.handTo(null, reader.rest ? [reader.rest] : []);
      resolve(hello);
    },
    written: ignore,
    closed(error) {
      fail(linkError("the link was closed before its ClientHello", error));
    },
  };
  let stop: () => void = ignore;
  const port = LinkPort.of(link, sink);
  stop = watchWait(wait, (reason) => {
    const timedOut = reason instanceof DOMException && reason.name === "TimeoutError";
    const what = "no ClientHello in time [hello.timeout]";
    fail(
      timedOut
        ? new ConduitError("CONDUIT_HANDSHAKE_TIMEOUT", "peer", what, { fatal: false, cause: reason })
        : reason,
    );
  });
  return promise;
}

/** recvClientHello() as an attachment, for the LinkSource of an accepting conduit. */
export function prepareAcceptorAttachment(link: Link, wait?: Wait): Promise<Attachment> {
  return quiet(recvClientHello(link, wait).then((hello) => new Attachment(link, hello)));
}
