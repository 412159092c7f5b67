// The accepting side of one link, from its first byte to the takeover: hello, credentials, authorize. It runs
// beside the sessions; until attach() nothing of it touches one [ext.commit], and its failures end this link only.
import { ConduitError, linkError } from "../errors.js";
import type { Bytes, Link, LinkInfo, LinkSink } from "../link/link.js";
import type { ClientHello } from "../link/source.js";
import { AbortCode, abortRecord } from "../proto/control.js";
import { Greeting, type GreetingStep, rejection } from "../proto/greeting.js";
import { encodeServerHello, KEY_BYTES, payloadFor, type ServerHello } from "../proto/handshake.js";
import type { AttachedLink, Machine } from "../proto/machine.js";
import type { Verdict } from "../proto/registry.js";
import { randomBytes } from "./clock.js";
import { LinkPort } from "./link-port.js";
import type { Awaitable, Grant } from "./options.js";

/** The sessions that a link may become part of. */
export interface GreeterHost<S extends { readonly machine: Machine }> {
  /** false: the base profile is all there is. */
  readonly extended: boolean;
  judge(hello: ClientHello): Verdict<S>;
  /** null refuses this link; a throw closes it. */
  authorize(
    kind: "new" | "resume",
    session: S | null,
    credentials: Bytes | null,
    info: LinkInfo,
    signal: AbortSignal,
  ): Awaitable<Grant<unknown> | null>;
  /** Whether there is room for a new session; if not, the link is closed without a hello [hello.timeout]. */
  hasRoom(): boolean;
  /** A new session; null: there is no room any more. */
  create(extended: boolean, grant: Grant<unknown>): S | null;
  /** A session's keys have changed. */
  keysChanged(session: S): void;
  /** The session takes the link over; `rest` came in after the greeting. */
  attach(
    session: S,
    port: LinkPort,
    attached: AttachedLink,
    serverHello: ServerHello | null,
    rest: Bytes[],
  ): void;
}

export class Greeter<S extends { readonly machine: Machine }> implements LinkSink {
  readonly #host: GreeterHost<S>;
  readonly #onDone: (error: ConduitError | null) => void;
  readonly #port: LinkPort;
  readonly #greeting: Greeting;
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  #offeredKey: Bytes | null = null;
  #authorizing = false;
  #done = false;

  /**
   * @param hello when somebody has read it already (prepareAcceptorAttachment)
   * @param onDone called once: null = the link belongs to a session now
   */
  constructor(
    link: Link,
    hello: ClientHello | null,
    host: GreeterHost<S>,
    timeoutMs: number,
    onDone: (error: ConduitError | null) => void,
  ) {
    this.#host = host;
    this.#onDone = onDone;
    this.#greeting = new Greeting(link.framing, hello);
    this.#timer = setTimeout(() => {
      const what = `the handshake was not complete in handshakeTimeoutMs (${timeoutMs}) [hello.timeout]`;
      this.fail(new ConduitError("CONDUIT_HANDSHAKE_TIMEOUT", "peer", what, { fatal: false }));
    }, timeoutMs);
    this.#port = LinkPort.of(link, this);
  }

  /** Only needed when the hello was read already; onDone may be called from here. */
  start(): void {
    if (this.#greeting.hello) this.#advance("hello");
  }

  // ------------------------------------------------------------------ link events

  bytes(chunk: Bytes): void {
    if (!this.#done) this.#advance(this.#greeting.handleBytes(chunk));
  }

  written(): void {
    // A hello or a refusal: nobody waits for it.
  }

  closed(error?: Error): void {
    this.fail(linkError("the link was closed during the handshake", error));
  }

  /** Closes the link; nothing else has happened. */
  fail(error: ConduitError): void {
    if (!this.#finish(error)) return;
    this.#port.link.destroy();
  }

  // ------------------------------------------------------------------ steps

  #advance(step: GreetingStep): void {
    switch (step) {
      case "bad":
        return this.fail(this.#greeting.error!);
      case "hello":
        return this.#handleHello(this.#greeting.hello!);
      case "settings":
        return this.#authorize(true);
      case "more":
        return;
    }
  }

  #handleHello(hello: ClientHello): void {
    const verdict = this.#host.judge(hello);
    if (verdict.kind === "refuse") {
      const payloads = rejection(this.#greeting.framing, hello, verdict.grave);
      return this.#refuse(
        payloads,
        new ConduitError("CONDUIT_SESSION_LOST", "peer", "an unknown or void resume key", {
          reason: "rejected",
          fatal: false,
        }),
      );
    }
    if (verdict.kind === "new" && !this.#host.hasRoom()) {
      return this.fail(linkError("no room for another session [hello.timeout]"));
    }
    if (!(hello.extended && this.#host.extended)) return this.#authorize(false);
    // Extended: the ServerHello asks for SETTINGS with the credentials; the session stays as it is meanwhile.
    const fresh = randomBytes(KEY_BYTES);
    let answer: ServerHello;
    if (verdict.kind === "resume") {
      answer = verdict.session.machine.serverHello(hello, fresh);
      this.#host.keysChanged(verdict.session);
    } else {
      answer = { rejected: false, extended: true, resumeKey: fresh, lastReceived: null };
    }
    this.#offeredKey = answer.resumeKey;
    this.#port.write(payloadFor(this.#greeting.framing, encodeServerHello(answer)));
    this.#advance(this.#greeting.expectSettings());
  }

  #authorize(extended: boolean): void {
    if (this.#authorizing) return;
    this.#authorizing = true;
    const hello = this.#greeting.hello!;
    const verdict = this.#host.judge(hello);
    if (verdict.kind === "refuse") return this.fail(linkError("the session has ended during the handshake"));
    const session = verdict.kind === "resume" ? verdict.session : null;
    const kind = session ? "resume" : "new";
    const credentials = this.#greeting.settings?.credentials ?? null;
    let granted: Awaitable<Grant<unknown> | null>;
    try {
      granted = this.#host.authorize(
        kind,
        session,
        credentials,
        this.#port.link.info,
        this.#controller.signal,
      );
    } catch (error) {
      return this.#authorizeFailed(error);
    }
    if (typeof (granted as PromiseLike<unknown> | null)?.then !== "function") {
      return this.#commit(granted as Grant<unknown> | null, extended);
    }
    // Not paused meanwhile: a paused link does not tell that it died, and what it may send is bounded.
    (granted as PromiseLike<Grant<unknown> | null>).then(
      (grant) => this.#commit(grant, extended),
      (error: unknown) => this.#authorizeFailed(error),
    );
  }

  #authorizeFailed(error: unknown): void {
    const what = `authorize failed: ${error instanceof Error ? error.message : String(error)}`;
    this.fail(new ConduitError("CONDUIT_LINK", "local", what, { fatal: false, cause: error }));
  }

  /** Time has passed: everything is judged again, and now it takes effect [resume.takeover]. */
  #commit(grant: Grant<unknown> | null, extended: boolean): void {
    if (this.#done) return;
    const { framing, hello, settings } = this.#greeting as Greeting & { hello: ClientHello };
    const unauthorized = new ConduitError("CONDUIT_UNAUTHORIZED", "peer", "authorize refused the link", {
      fatal: false,
    });
    if (!grant) {
      return extended
        ? this.#refuse([abortRecord(AbortCode.unauthorized, "unauthorized")], unauthorized)
        : this.#refuse(rejection(framing, hello, null), unauthorized);
    }
    const verdict = this.#host.judge(hello);
    if (verdict.kind === "refuse")
      return this.fail(linkError("another link has made this one void meanwhile"));
    let session: S | null;
    try {
      session = verdict.kind === "resume" ? verdict.session : this.#create(extended, grant);
    } catch (error) {
      return this.#authorizeFailed(error); // limits that cannot be, or no memory
    }
    if (!session) return this.fail(linkError("no room for another session [hello.timeout]"));
    const serverHello = extended ? null : session.machine.serverHello(hello, randomBytes(KEY_BYTES));
    if (!this.#finish(null)) return;
    const { pausable } = this.#port.link;
    const rest = this.#greeting.takeRest();
    this.#host.attach(
      session,
      this.#port,
      { framing, pausable, hello, settings, offeredKey: this.#offeredKey },
      serverHello,
      rest,
    );
    this.#host.keysChanged(session);
  }

  #create(extended: boolean, grant: Grant<unknown>): S | null {
    const session = this.#host.create(extended, grant);
    if (session && this.#offeredKey) session.machine.keys.offer(this.#offeredKey);
    return session;
  }

  #refuse(payloads: Bytes[], error: ConduitError): void {
    if (!this.#finish(error)) return;
    for (const payload of payloads) this.#port.write(payload);
    this.#port.link.end();
  }

  #finish(error: ConduitError | null): boolean {
    if (this.#done) return false;
    this.#done = true;
    clearTimeout(this.#timer);
    if (error) this.#controller.abort(error);
    this.#onDone(error);
    return true;
  }
}
