// init() and initSync(): the WebAssembly of a thread before its first conduit. Where pages must not compile synchronously is
// played here by a WebAssembly.Module that throws what Chromium threw before about version 114; each test has modules of its own.
import { afterEach, beforeEach, expect, test, vi } from "vitest";

type Package = typeof import("../../src/index.js");
type CoreModule = typeof import("../../src/wasm/core.js");

const { Module, Instance, Memory } = WebAssembly;
let lib: Package;
let threadCore: CoreModule["threadCore"];

beforeEach(async () => {
  vi.resetModules();
  lib = await import("../../src/index.js");
  ({ threadCore } = await import("../../src/wasm/core.js"));
});

afterEach(() => {
  Object.assign(WebAssembly, { Module, Instance, Memory });
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function forbidSynchronousCompilation(): void {
  const forbidden = class {
    constructor() {
      throw new RangeError("WebAssembly.Compile is disallowed on the main thread");
    }
  };
  Object.assign(WebAssembly, { Module: forbidden, Instance: forbidden });
}

/** One item through two conduits that are each other's peer. */
async function exchange(): Promise<number[]> {
  const { pair, prepareAcceptorAttachment, singleLinkSource, StableConduit, exhaustedSource, connect } = lib;
  const [near, far] = pair();
  const connected = connect(singleLinkSource(near));
  const { link, clientHello } = await prepareAcceptorAttachment(far);
  const answering = await StableConduit.withFirstLink(link, clientHello!, exhaustedSource());
  const asking = await connected;
  asking.send(Uint8Array.of(1, 2, 3));
  const item = await answering.recv();
  await asking.close();
  return [...item!];
}

test("where synchronous compilation is allowed, conduits need no init()", async () => {
  expect(await exchange()).toEqual([1, 2, 3]);
});

test("where it is not, the first conduit fails with CONDUIT_OPTIONS, which names init()", async () => {
  forbidSynchronousCompilation();
  const source = lib.exhaustedSource();
  expect(() => lib.StableConduit.create(source)).toThrow(
    expect.objectContaining({
      name: "ConduitError",
      code: "CONDUIT_OPTIONS",
      blame: "local",
      fatal: false,
      message: expect.stringMatching(/disallowed on the main thread.*init\(\).*'wasm-unsafe-eval'/),
      cause: expect.any(RangeError),
    }),
  );
  expect(lib.initSync).toThrow(expect.objectContaining({ code: "CONDUIT_OPTIONS" }));
  await expect(lib.connect(source)).rejects.toMatchObject({ code: "CONDUIT_OPTIONS" });
});

test("after init() conduits are made there as well", async () => {
  forbidSynchronousCompilation();
  await lib.init();
  expect(await exchange()).toEqual([1, 2, 3]);
});

test("init() prepares the shared build, and the plain one where SharedArrayBuffer is hidden", async () => {
  forbidSynchronousCompilation();
  await lib.init();
  expect(threadCore().build).toBe("shared");

  vi.resetModules();
  lib = await import("../../src/index.js");
  ({ threadCore } = await import("../../src/wasm/core.js"));
  vi.stubGlobal("SharedArrayBuffer", undefined);
  await lib.init();
  expect(threadCore().build).toBe("plain");
  expect(threadCore().memory.shared).toBe(false);
  expect(await exchange()).toEqual([1, 2, 3]);
});

test("init() compiles once, however often it is called", async () => {
  const compile = vi.spyOn(WebAssembly, "instantiate");
  await Promise.all([lib.init(), lib.init()]);
  const core = threadCore();
  await lib.init();
  lib.initSync();
  expect(threadCore()).toBe(core);
  expect(compile).toHaveBeenCalledTimes(1);
});

test("init() compiles nothing once initSync() or a conduit has", async () => {
  const compile = vi.spyOn(WebAssembly, "instantiate");
  lib.initSync();
  await lib.init();
  expect(compile).not.toHaveBeenCalled();
});

test("a conduit that is made while init() runs keeps its memory", async () => {
  const initialised = lib.init();
  const core = threadCore();
  await initialised;
  expect(threadCore()).toBe(core);
});

test("init() that was refused rejects with CONDUIT_OPTIONS and may be called again", async () => {
  const cause = new WebAssembly.CompileError("blocked by CSP");
  vi.spyOn(WebAssembly, "instantiate").mockRejectedValueOnce(cause);
  await expect(lib.init()).rejects.toMatchObject({ code: "CONDUIT_OPTIONS", fatal: false, cause });
  await lib.init();
  expect(await exchange()).toEqual([1, 2, 3]);
});

/** Engines that have a SharedArrayBuffer and make no WebAssembly memory of it, each in its way. */
const WITHOUT_SHARED_MEMORY: Record<
  string,
  (descriptor: WebAssembly.MemoryDescriptor) => WebAssembly.Memory
> = {
  "refuses 2 GiB of shared addresses": (descriptor) => {
    if (descriptor.shared) throw new RangeError("could not allocate memory");
    return new Memory(descriptor);
  },
  "knows plain memory only": (descriptor) => new Memory({ ...descriptor, shared: false }),
};

test.each(Object.keys(WITHOUT_SHARED_MEMORY))("an engine that %s runs the plain build", async (engine) => {
  const memoryOf = WITHOUT_SHARED_MEMORY[engine];
  const Limited = class {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      // biome-ignore lint/correctness/noConstructorReturn: stands for a constructor of the engine's
      return memoryOf(descriptor);
    }
  };
  for (const prepare of ["init", "initSync"] as const) {
    vi.resetModules();
    lib = await import("../../src/index.js");
    ({ threadCore } = await import("../../src/wasm/core.js"));
    Object.assign(WebAssembly, { Memory: Limited });
    await lib[prepare]();
    expect(threadCore().build).toBe("plain");
    Object.assign(WebAssembly, { Memory });
    expect(await exchange()).toEqual([1, 2, 3]);
  }
});

test("where the engine gives no memory, conduits and init() fail with CONDUIT_MEMORY, until it does", async () => {
  const cause = new RangeError("could not allocate memory");
  const none = class {
    constructor() {
      throw cause;
    }
  };
  Object.assign(WebAssembly, { Memory: none });
  const noMemory = { code: "CONDUIT_MEMORY", blame: "local", fatal: false, cause };
  expect(lib.initSync).toThrow(expect.objectContaining(noMemory));
  await expect(lib.connect(lib.exhaustedSource())).rejects.toMatchObject(noMemory);
  await expect(lib.init()).rejects.toMatchObject(noMemory);
  Object.assign(WebAssembly, { Memory });
  await lib.init();
  expect(await exchange()).toEqual([1, 2, 3]);
});
