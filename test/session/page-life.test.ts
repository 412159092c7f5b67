// What the life of a page does to its conduits: hidden, offline, frozen, back again. The page is an EventTarget of the
// test's own; test/browser/page-life.test.ts does the same in Chromium.
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  type Attachment,
  type Bytes,
  type ConnectOptions,
  type PageWindow,
  persistent,
  StableConduit,
} from "../../src/node.js";
import { SLOW_RETRY_MS } from "../../src/session/reconnect.js";
import {
  accepted,
  bytes,
  type Conduit,
  cleanSlate,
  failure,
  lost,
  portOf,
  proxyFor,
  service,
  sourceFor,
  take,
  text,
  thrown,
  timeout,
  track,
  turn,
  until,
} from "./helpers.js";

cleanSlate();

afterEach(() => {
  vi.useRealTimers();
});

/** A window that says what it is told to say, and counts who listens. */
class FakeTarget extends EventTarget {
  listeners = 0;
  override addEventListener(type: string, listener: (event: Event) => void): void {
    this.listeners++;
    super.addEventListener(type, listener);
  }
  override removeEventListener(type: string, listener: (event: Event) => void): void {
    this.listeners--;
    super.removeEventListener(type, listener);
  }
}

class FakePage extends FakeTarget {
  readonly document = Object.assign(new FakeTarget(), { visibilityState: "visible" });
  readonly navigator = { onLine: true };

  get allListeners(): number {
    return this.listeners + this.document.listeners;
  }

  tell(type: string, persisted = false): void {
    this.dispatchEvent(Object.assign(new Event(type), { persisted }));
  }

  tellDocument(type: string): void {
    this.document.dispatchEvent(new Event(type));
  }

  show(state: "visible" | "hidden"): void {
    this.document.visibilityState = state;
    this.tellDocument("visibilitychange");
  }

  connect(onLine: boolean): void {
    this.navigator.onLine = onLine;
    this.tell(onLine ? "online" : "offline");
  }
}

/** A source that fails, and counts how often it was asked. */
class NoNetwork {
  attempts = 0;
  nextLink(): Promise<Attachment> {
    this.attempts++;
    return Promise.reject(new Error("no network"));
  }
}

function conduitOf(source: NoNetwork, page: FakePage, options: ConnectOptions = {}): Conduit {
  const retry = { baseMs: 10, capMs: 100 };
  return track(
    StableConduit.create<Uint8Array, Bytes>(source, {
      retry,
      connectTimeoutMs: Number.POSITIVE_INFINITY,
      pageLife: page,
      ...options,
    }),
  );
}

/** A page's conduit and its peer. */
async function onPage(page: FakePage, options: ConnectOptions = {}) {
  const acceptor = await service({ profile: options.profile });
  const proxy = await proxyFor(acceptor);
  const source = sourceFor(proxy.port);
  const client = track(
    await StableConduit.open<Uint8Array, Bytes>(source, {
      retry: { baseMs: 60_000, capMs: 60_000 },
      pageLife: page,
      ...options,
    }),
  );
  return { client, server: await accepted(acceptor), proxy, source };
}

describe("while nobody looks", () => {
  test.each([
    ["hidden", (page: FakePage) => page.show("hidden"), (page: FakePage) => page.show("visible")],
    ["offline", (page: FakePage) => page.connect(false), (page: FakePage) => page.connect(true)],
  ])(
    "a page that is %s dials twice as ever, then rarely, and at once when it is back",
    async (_, leave, back) => {
      vi.useFakeTimers();
      const [page, source] = [new FakePage(), new NoNetwork()];
      const conduit = conduitOf(source, page);
      await vi.advanceTimersByTimeAsync(2_000);
      expect(source.attempts).toBeGreaterThan(15);

      leave(page);
      await vi.advanceTimersByTimeAsync(100); // the wait that was under way
      const before = source.attempts;
      await vi.advanceTimersByTimeAsync(10 * SLOW_RETRY_MS);
      expect(source.attempts - before).toBeGreaterThanOrEqual(4);
      expect(source.attempts - before).toBeLessThanOrEqual(10);
      expect(conduit.status).toMatchObject({ state: "connecting", retryAt: expect.any(Number) });

      const rare = source.attempts;
      back(page);
      await vi.advanceTimersByTimeAsync(0);
      expect(source.attempts).toBeGreaterThan(rare); // full jitter may let the next one follow at once
      await vi.advanceTimersByTimeAsync(2_000);
      expect(source.attempts).toBeGreaterThan(rare + 15);
    },
  );

  test("a page that is visible and offline stays rare until both are over", async () => {
    vi.useFakeTimers();
    const [page, source] = [new FakePage(), new NoNetwork()];
    page.connect(false);
    page.show("hidden");
    conduitOf(source, page);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(source.attempts).toBe(2);
    page.show("visible");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(source.attempts).toBe(2);
  });

  test("a link that dies while the page is hidden has its successor as fast as ever", async () => {
    const page = new FakePage();
    const { client, server, proxy } = await onPage(page, { retry: { baseMs: 1, capMs: 20 } });
    page.show("hidden");
    proxy.cutAll();
    await until(() => client.stats().links === 2);
    server.send(bytes("still here"));
    expect(await take(client, 1)).toEqual(["still here"]);
  });
});

describe("a page that is back", () => {
  test("does not wait for the backoff", async () => {
    const page = new FakePage();
    const { client, proxy } = await onPage(page);
    for (const back of [() => page.show("visible"), () => page.connect(true)]) {
      const { links } = client.stats();
      proxy.cutAll();
      await until(() => client.status.state === "reconnecting");
      back();
      await until(() => client.stats().links === links + 1);
    }
  });

  test("begins an attempt anew that is on its way into the network of before", async () => {
    const page = new FakePage();
    const signals: AbortSignal[] = [];
    const source = {
      nextLink: ({ signal }: { signal: AbortSignal }) => {
        signals.push(signal);
        return new Promise<never>(() => {});
      },
    };
    track(StableConduit.create(source, { pageLife: page }));
    await until(() => signals.length === 1);
    page.show("visible"); // is no reason to give it up
    await turn();
    expect(signals).toHaveLength(1);
    page.connect(true);
    await until(() => signals.length === 2);
    expect(signals[0].aborted).toBe(true);
  });

  test("that is online again does not ask shouldRetry about a handshake on the network of before", async () => {
    const page = new FakePage();
    const { client, proxy, source } = await onPage(page, {
      retry: { baseMs: 1, capMs: 1, shouldRetry: ({ message }) => !message.includes("the page is back") },
    });
    const { nextLink } = source;
    let links = 0;
    source.nextLink = (attempt) => nextLink(attempt).finally(() => links++);
    proxy.setMode("half-open");
    proxy.cutAll();
    await until(() => links === 1);
    await turn(5);
    proxy.setMode("forward");
    page.connect(true);
    await until(() => client.stats().links === 2);
    expect(links).toBe(2);
  });

  test("asks a link that is there whether it lives, and takes a new one when it does not [ext.ping]", async () => {
    const page = new FakePage();
    const { client, proxy } = await onPage(page, { keepaliveMs: 0, keepaliveTimeoutMs: 50 });
    page.show("visible");
    await until(() => client.stats().rttMs !== null); // it answered
    expect(client.stats().links).toBe(1);
    proxy.setMode("half-open");
    page.show("visible");
    await until(() => client.status.state === "reconnecting");
  });
});

describe("a page that is frozen", () => {
  test.each([
    [
      "pagehide",
      (page: FakePage) => page.tell("pagehide", true),
      (page: FakePage) => page.tell("pageshow", true),
    ],
    [
      "freeze",
      (page: FakePage) => page.tellDocument("freeze"),
      (page: FakePage) => page.tellDocument("resume"),
    ],
  ])("by %s has no link and dials none, and has one at once when it is back", async (_, leave, back) => {
    const page = new FakePage();
    const { client, server } = await onPage(page, { retry: { baseMs: 1, capMs: 1 } });
    const links: string[] = [];
    server.on("linkDown", () => links.push("down"));
    server.on("linkUp", () => links.push("up"));
    leave(page);
    client.send(bytes("from the ice"));
    server.send(bytes("to the ice"));
    await until(() => links.length === 1);
    client.reconnect(); // has to wait, too
    page.show("visible");
    page.connect(true);
    await turn(30);
    expect(links).toEqual(["down"]);
    expect(client.status).toMatchObject({ state: "reconnecting", retryAt: null });
    back(page);
    expect(await take(client, 1)).toEqual(["to the ice"]);
    expect(await take(server, 1)).toEqual(["from the ice"]);
    expect(links).toEqual(["down", "up"]);
  });

  test("does not ask shouldRetry: the link was given up here", async () => {
    const page = new FakePage();
    const { client } = await onPage(page, { retry: { shouldRetry: () => false } });
    page.tellDocument("freeze");
    page.tellDocument("resume");
    await until(() => client.stats().links === 2);
  });

  test("is frozen once, however often it is said, and one that only goes away keeps its link", async () => {
    const page = new FakePage();
    const { client } = await onPage(page, { retry: { baseMs: 1, capMs: 1 } });
    page.tell("pagehide", false);
    page.tell("pageshow", false);
    expect(client.status.state).toBe("open");
    page.tell("pagehide", true);
    page.tellDocument("freeze");
    page.tellDocument("resume");
    page.tell("pageshow", true);
    await until(() => client.stats().links === 2);
  });

  test("may have been away for longer than giveUpMs: one attempt is left", async () => {
    vi.useFakeTimers();
    const [page, source] = [new FakePage(), new NoNetwork()];
    const conduit = conduitOf(source, page, { retry: { giveUpMs: 1_000 } });
    page.tellDocument("freeze");
    await vi.advanceTimersByTimeAsync(60_000);
    const before = source.attempts;
    page.tellDocument("resume");
    await vi.advanceTimersByTimeAsync(0);
    expect(source.attempts).toBe(before + 1);
    expect((await lost(conduit)).error.reason).toBe("expired");
  });
});

describe("listeners", () => {
  test("are one set for all conduits of a page, and none when the last one is over", async () => {
    const page = new FakePage();
    const first = conduitOf(new NoNetwork(), page);
    const count = page.allListeners;
    const others = [1, 2, 3].map(() => conduitOf(new NoNetwork(), page));
    expect(page.allListeners).toBe(count);
    for (const conduit of others) conduit.abort();
    expect(page.allListeners).toBe(count);
    first.suspend();
    expect(page.allListeners).toBe(0);
    conduitOf(new NoNetwork(), page).abort();
    expect(page.allListeners).toBe(0);
  });

  test("are not there with pageLife false, nor in a conduit that never was", () => {
    const page = new FakePage();
    vi.stubGlobal("document", page.document);
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
    try {
      track(StableConduit.create(new NoNetwork(), { pageLife: false }));
      track(StableConduit.create(new NoNetwork(), { signal: AbortSignal.abort() }));
      expect(page.allListeners).toBe(0);
      track(StableConduit.create(new NoNetwork())).abort();
      const own = track(StableConduit.create(new NoNetwork())); // the program's own page is the default
      expect(page.allListeners).toBeGreaterThan(0);
      own.abort();
      expect(page.allListeners).toBe(0);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test("need a window", () => {
    const pageLife = {} as PageWindow;
    expect(thrown(() => StableConduit.create(new NoNetwork(), { pageLife })).code).toBe("CONDUIT_OPTIONS");
  });
});

// ------------------------------------------------------------------ persistent()

/** The storage of a tab; a duplicate of it is another tab's. */
class FakeStorage {
  readonly items: Map<string, string>;
  constructor(items: Iterable<[string, string]> = []) {
    this.items = new Map(items);
  }
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
  removeItem(key: string): void {
    this.items.delete(key);
  }
}

/** As the browser's, as far as persistent() uses it. */
class FakeLocks {
  readonly held = new Set<string>();
  async request(name: string, options: { signal: AbortSignal }, hold: () => Promise<void>): Promise<void> {
    while (this.held.has(name)) {
      options.signal.throwIfAborted();
      await turn(1);
    }
    this.held.add(name);
    await hold();
    this.held.delete(name);
  }
}

/** The one error that a listener throws because of what is done, and nobody catches. */
async function uncaught(act: () => void): Promise<Error> {
  const errors: Error[] = [];
  const note = (error: Error) => errors.push(error);
  process.on("uncaughtException", note);
  try {
    act();
    await until(() => errors.length > 0);
  } finally {
    process.off("uncaughtException", note);
  }
  expect(errors).toHaveLength(1);
  return errors[0];
}

describe("persistent()", () => {
  async function tab(storage = new FakeStorage()) {
    const acceptor = await service();
    const source = sourceFor(portOf(acceptor));
    const load = async (page: FakePage, from = storage, options: ConnectOptions = {}) => {
      const lostStates: unknown[] = [];
      const conduit = track(
        await persistent<Uint8Array, Bytes>(source, "chat", {
          ...options,
          storage: from,
          pageLife: page,
          retry: { baseMs: 1, capMs: 20 },
          onStateLost: (error) => lostStates.push(error?.code ?? null),
        }),
      );
      return { conduit, lostStates };
    };
    return { acceptor, storage, load };
  }

  test("goes on with the session of the page before", async () => {
    const { acceptor, storage, load } = await tab();
    const first = new FakePage();
    const { conduit } = await load(first);
    const server = await accepted(acceptor);
    conduit.send(bytes("a"));
    first.tell("pagehide");
    expect(conduit.status.state).toBe("suspended");
    expect(first.allListeners).toBe(0);
    server.send(bytes("b"));
    const { conduit: again } = await load(new FakePage());
    expect(storage.items.size).toBe(0);
    again.send(bytes("c"));
    expect(await take(server, 2)).toEqual(["a", "c"]);
    expect(await take(again, 1)).toEqual(["b"]);
  });

  test.each(["freeze", "pagehide"])("is itself again after %s, and the state is gone", async (type) => {
    const { acceptor, storage, load } = await tab();
    const page = new FakePage();
    const { conduit } = await load(page);
    const server = await accepted(acceptor);
    if (type === "freeze") page.tellDocument("freeze");
    else page.tell("pagehide", true);
    expect(storage.items.size).toBe(1);
    if (type === "freeze") page.tellDocument("resume");
    else page.tell("pageshow", true);
    conduit.send(bytes("back"));
    expect(await take(server, 1)).toEqual(["back"]);
    expect(storage.items.size).toBe(0);
    await conduit.close();
    expect(page.allListeners).toBe(0);
  });

  test("what is sent while a page that is back waits for its lock does not keep it away, nor its state in the storage", async () => {
    const locks = new FakeLocks();
    vi.stubGlobal("navigator", { locks });
    onTestFinished(() => void vi.unstubAllGlobals());
    const { acceptor, storage, load } = await tab();
    const page = new FakePage();
    const { conduit } = await load(page);
    const server = await accepted(acceptor);
    page.tell("pagehide", true);
    await until(() => locks.held.size === 0);
    locks.held.add(`stable-conduit ${conduit.session}`); // for a moment somebody else's
    page.tell("pageshow", true);
    conduit.send(bytes("back"));
    await until(() => storage.items.size === 1); // kept, for the case that this page is discarded now
    locks.held.clear();
    expect(await take(server, 1)).toEqual(["back"]);
    expect(storage.items.size).toBe(0);
  });

  test.each(["freeze", "pagehide"])(
    "what is sent, and finished, after %s is in the state, too [resume.suspend]",
    async (type) => {
      const { acceptor, load } = await tab();
      const page = new FakePage();
      const { conduit } = await load(page);
      const server = await accepted(acceptor);
      for (const item of ["a", "b"]) server.send(bytes(item));
      expect(await take(conduit, 1)).toEqual(["a"]);
      await until(() => conduit.stats().receivedItems === 2);
      conduit.send(bytes("before"));
      if (type === "freeze") page.tellDocument("freeze");
      else page.tell("pagehide", true);
      conduit.send(bytes("by a later listener"));
      expect(await take(conduit, 1)).toEqual(["b"]);
      await turn();
      conduit.send(bytes("by a later task"));
      conduit.end();
      await turn();
      const { conduit: next } = await load(new FakePage()); // the one before was discarded
      expect(await take(server, 3)).toEqual(["before", "by a later listener", "by a later task"]);
      expect(await server.recv()).toBeUndefined();
      server.send(bytes("c"));
      expect(await take(next, 1)).toEqual(["c"]);
    },
  );

  test("an end() whose last write was given up after freeze is in the state, too [resume.suspend]", async () => {
    const { acceptor, load } = await tab();
    const page = new FakePage();
    const { conduit } = await load(page, undefined, { replayBytes: 65_536 });
    const server = await accepted(acceptor);
    page.tellDocument("freeze");
    const item = new Uint8Array(20_000);
    let accepts = 0;
    const giveUp = new AbortController();
    const written: Promise<void>[] = [];
    for (let i = 0; i < 4; i++) {
      written.push(conduit.write(item, { signal: giveUp.signal }).then(() => void accepts++));
    }
    conduit.end().catch(() => {});
    await until(() => accepts > 0);
    giveUp.abort();
    await Promise.allSettled(written);
    expect(accepts).toBeLessThan(4);
    await load(new FakePage());
    expect(await take(server, accepts)).toHaveLength(accepts);
    expect(await timeout(server.recv(), 5_000, "the end")).toBeUndefined();
  });

  test("does not overwrite the state of the page that took its own while this one was in the cache", async () => {
    const { acceptor, storage, load } = await tab();
    const cached = new FakePage();
    const { conduit } = await load(cached);
    const server = await accepted(acceptor);
    cached.tell("pagehide", true);
    const page = new FakePage();
    const { conduit: next } = await load(page);
    next.send(bytes("mine"));
    page.tell("pagehide");
    const [state] = storage.items.values();
    conduit.send(bytes("nobody's"));
    await turn();
    expect([...storage.items.values()]).toEqual([state]);
    await load(new FakePage());
    expect(await take(server, 1)).toEqual(["mine"]);
  });

  test("leaves the session to the page that took it while this one was in the cache", async () => {
    const { acceptor, load } = await tab();
    const cached = new FakePage();
    const { conduit } = await load(cached);
    const server = await accepted(acceptor);
    cached.tell("pagehide", true);
    const { conduit: next } = await load(new FakePage());
    next.send(bytes("mine now"));
    expect(await take(server, 1)).toEqual(["mine now"]);
    cached.tell("pageshow", true);
    const { error } = await lost(conduit);
    expect([error.code, conduit.status.state]).toEqual(["CONDUIT_CLOSED", "suspended"]);
    next.send(bytes("still mine"));
    expect(await take(server, 1)).toEqual(["still mine"]);
  });

  test("gives a duplicated tab a session of its own, as long as the other one lives", async () => {
    const locks = new FakeLocks();
    vi.stubGlobal("navigator", { locks });
    try {
      const { acceptor, storage, load } = await tab();
      const page = new FakePage();
      const { conduit: before } = await load(page);
      const server = await accepted(acceptor);
      page.tell("pagehide");
      const duplicate = new FakeStorage(storage.items);
      const { conduit, lostStates } = await load(new FakePage());
      expect(conduit.session).toBe(before.session);
      const other = await load(new FakePage(), duplicate);
      expect([lostStates, other.lostStates]).toEqual([[], [null]]);
      expect(other.conduit.session).not.toBe(before.session);
      conduit.send(bytes("first"));
      expect(await take(server, 1)).toEqual(["first"]);
      conduit.abort();
      other.conduit.abort();
      await until(() => locks.held.size === 0);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test("tells of a state that is no good, and begins a new session", async () => {
    const { acceptor, storage, load } = await tab();
    storage.setItem("stable-conduit chat", "{}");
    const { conduit, lostStates } = await load(new FakePage());
    expect(lostStates).toEqual(["CONDUIT_STATE"]);
    conduit.send(bytes("new"));
    const server = await accepted(acceptor);
    expect(text(await server.recv())).toBe("new");
    expect(storage.items.size).toBe(0);
  });

  test("options that cannot be cost no state: it is there for whoever corrects them", async () => {
    const { acceptor, storage, load } = await tab();
    const page = new FakePage();
    const { conduit } = await load(page);
    conduit.send(bytes("kept"));
    page.tell("pagehide");
    const told: unknown[] = [];
    const wrong = {
      storage,
      pageLife: new FakePage(),
      replayBytes: 1,
      onStateLost: (error: unknown) => told.push(error),
    };
    const error = await failure(persistent(sourceFor(portOf(acceptor)), "chat", wrong));
    expect([error.code, told, storage.items.size]).toEqual(["CONDUIT_OPTIONS", [], 1]);
    await load(new FakePage());
    expect(await take(await accepted(acceptor), 1)).toEqual(["kept"]);
  });

  test("a page that cannot be kept, because its state is too large, goes on when it is back", async () => {
    const acceptor = await service();
    const page = new FakePage();
    const conduit = track(
      await persistent<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), "large", {
        storage: new FakeStorage(),
        pageLife: page,
        maxStateBytes: 1_024,
      }),
    );
    await conduit.opened;
    const server = await accepted(acceptor);
    conduit.send(new Uint8Array(5_000));
    const error = await uncaught(() => page.tellDocument("freeze"));
    expect((error as unknown as { code: string }).code).toBe("CONDUIT_STATE");
    page.tellDocument("resume");
    expect((await server.recv())?.length).toBe(5_000);
  });
});

describe("persistent() without luck", () => {
  test("a page whose storage is full goes on when it is back", async () => {
    const acceptor = await service();
    const page = new FakePage();
    const storage = new FakeStorage();
    storage.setItem = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
    const conduit = track(
      await persistent<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), "full", { storage, pageLife: page }),
    );
    await conduit.opened;
    const server = await accepted(acceptor);
    conduit.send(bytes("kept"));
    const error = await uncaught(() => page.tellDocument("freeze"));
    expect(error.name).toBe("QuotaExceededError");
    page.tellDocument("resume");
    expect(await take(server, 1)).toEqual(["kept"]);
  });

  test.each(["its state is too large", "its storage is full"])(
    "a page that sends after freeze, and %s, leaves no state that is out of date, and goes on when it is back",
    async (why) => {
      const locks = new FakeLocks();
      vi.stubGlobal("navigator", { locks });
      const warnings: Error[] = [];
      const note = (warning: Error) => warnings.push(warning);
      process.on("warning", note);
      onTestFinished(() => {
        vi.unstubAllGlobals();
        process.off("warning", note);
      });
      const acceptor = await service();
      const page = new FakePage();
      const storage = new FakeStorage();
      const conduit = track(
        await persistent<Uint8Array, Bytes>(sourceFor(portOf(acceptor)), "late", {
          storage,
          pageLife: page,
          maxStateBytes: 4_096,
        }),
      );
      const server = await accepted(acceptor);
      page.tellDocument("freeze");
      expect(storage.items.size).toBe(1);
      if (why === "its storage is full") {
        storage.setItem = () => {
          throw new DOMException("full", "QuotaExceededError");
        };
      }
      const item = new Uint8Array(why === "its storage is full" ? 1 : 5_000);
      conduit.send(item);
      await until(() => warnings.length > 0);
      expect(storage.items.size).toBe(0);
      conduit.send(item);
      await turn(5);
      expect(warnings).toMatchObject([{ code: "CONDUIT_STATE" }]);
      page.tellDocument("resume");
      expect(await take(server, 2)).toHaveLength(2);
      expect([...locks.held]).toEqual([`stable-conduit ${conduit.session}`]);
      conduit.abort();
      await until(() => locks.held.size === 0);
    },
  );

  test("a conduit that is over before it began leaves no listener and holds no lock", async () => {
    const locks = new FakeLocks();
    vi.stubGlobal("navigator", { locks });
    try {
      const page = new FakePage();
      const signal = AbortSignal.abort();
      const options = { storage: new FakeStorage(), pageLife: page, signal };
      const conduit = await persistent(new NoNetwork(), "never", options);
      expect(conduit.status.state).toBe("closed");
      await turn();
      expect([page.allListeners, locks.held.size]).toEqual([0, 0]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test("a conduit that is aborted while its page goes into the cache leaves no state to the next", async () => {
    const page = new FakePage();
    const storage = new FakeStorage();
    const conduit = await persistent(new NoNetwork(), "aborted", { storage, pageLife: page });
    page.tell("pagehide", true);
    expect(storage.items.size).toBe(1);
    conduit.abort();
    expect([storage.items.size, page.allListeners]).toEqual([0, 0]);
  });

  test("the peer's end, read before the page was loaded again, is told to who listens then", async () => {
    const acceptor = await service({ allowHalfOpen: true });
    const source = sourceFor(portOf(acceptor));
    const storage = new FakeStorage();
    const load = async (pageLife: FakePage) =>
      track(await persistent<Uint8Array, Bytes>(source, "ended", { storage, pageLife, allowHalfOpen: true }));
    const page = new FakePage();
    const conduit = await load(page);
    const server = await accepted(acceptor);
    await Promise.all([server.end(), conduit.recv()]);
    page.tell("pagehide");
    const again = await load(new FakePage());
    const ended = new Promise<void>((resolve) => again.on("end", resolve));
    await timeout(ended, 5_000, "end");
    await again.close();
  });

  test("whoever is told of a lost state is told once, also when that throws", async () => {
    const locks = new FakeLocks();
    locks.held.add("stable-conduit elsewhere");
    vi.stubGlobal("navigator", { locks });
    try {
      const state = '{"session":"elsewhere"}';
      const told: unknown[] = [];
      const options = {
        storage: new FakeStorage([["stable-conduit told", state]]),
        pageLife: new FakePage(),
        onStateLost: (...lost: unknown[]) => {
          told.push(lost);
          throw new Error("not today");
        },
      };
      const error = await failure(persistent(new NoNetwork(), "told", options));
      expect([error.message, told]).toEqual(["not today", [[null, state]]]);
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

test("a suspended conduit says so to whoever opened it", async () => {
  const conduit = conduitOf(new NoNetwork(), new FakePage());
  const opening = failure(conduit.opened);
  conduit.suspend();
  expect((await opening).code).toBe("CONDUIT_CLOSED");
});
