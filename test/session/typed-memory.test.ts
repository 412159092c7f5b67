// Items whose own code makes the thread's memory grow while they are encoded into it: a getter that sends on another
// conduit. Growing a plain memory, as pages that are not isolated have it, takes away the place that is written to.
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import * as schemas from "../../src/schema.js";

type Package = typeof import("../../src/index.js");

describe.each(["plain", "shared"] as const)(
  "in %s memory, an item whose getter sends on another conduit",
  (build) => {
    let conduits: Package;
    let totalBytes: () => number;
    const open: { abort(): void }[] = [];

    beforeEach(async () => {
      vi.resetModules();
      if (build === "plain") vi.stubGlobal("SharedArrayBuffer", undefined);
      conduits = await import("../../src/index.js");
      const { memory } = (await import("../../src/wasm/core.js")).threadCore();
      expect(memory.shared).toBe(build === "shared");
      totalBytes = () => memory.totalBytes;
      vi.unstubAllGlobals();
    });
    afterEach(() => {
      for (const conduit of open.splice(0)) conduit.abort();
    });
    afterAll(() => vi.resetModules());

    /** Fills the ring of a conduit that has no link, until the memory has grown. */
    function grow(): void {
      const before = totalBytes();
      const other = conduits.StableConduit.create(
        { nextLink: () => new Promise(() => {}) },
        { replayBytes: 2 ** 27 },
      );
      open.push(other);
      other.closed.catch(() => {});
      while (totalBytes() === before) other.send(new Uint8Array(60_000));
    }

    async function session<S>(schema: schemas.Schema<S>) {
      const [near, far] = conduits.pair();
      const source = conduits.exhaustedSource();
      const accept = async () =>
        conduits.StableConduit.withFirstLink<Uint8Array, S>(
          far,
          await conduits.recvClientHello(far),
          source,
          {
            schema: { recv: schema },
          },
        );
      const [server, client] = await Promise.all([
        accept(),
        conduits.StableConduit.withFirstLink<S, Uint8Array>(near, undefined, source, {
          schema: { send: schema },
        }),
      ]);
      open.push(client, server);
      return { client, server };
    }

    const Item = schemas.struct("Item", {
      first: schemas.u32,
      text: schemas.string,
      real: schemas.f64,
      data: schemas.bytes,
    });
    const value = {
      first: 7,
      text: "some text",
      real: 1.5,
      data: Uint8Array.from({ length: 500 }, (_, i) => i),
    };

    test.each(["first", "text", "real", "data"] as const)("arrives whole when that is `%s`", async (name) => {
      const { client, server } = await session(Item);
      client.send(value);
      let reads = 0;
      const item = Object.defineProperty({ ...value }, name, {
        get() {
          // Not when it is measured: then there is no place yet.
          if (++reads > 1 || name === "first" || name === "real") grow();
          return value[name];
        },
      });
      client.send(item);
      client.send(value);
      for (let i = 0; i < 3; i++) expect(await server.recv()).toEqual(value);
    });

    test("that is wrong besides is refused with its path, and the conduit goes on", async () => {
      const { client, server } = await session(Item);
      const wrong = Object.defineProperty({ ...value, data: 3 as unknown as Uint8Array }, "real", {
        get() {
          grow();
          return 1;
        },
      });
      expect(() => client.send(wrong)).toThrow(/Item\.data: expected a Uint8Array, got 3/);
      client.send(value);
      expect(await server.recv()).toEqual(value);
    });

    test("by sendInto() is sent, or refused when its bytes are lost", async () => {
      const { client, server } = await session(Item);
      const bytes = schemas.codecOf(Item).encode(value);
      const send = () =>
        client.sendInto(1_000, (ring, at) => {
          grow();
          if (ring.length > 0) ring.set(bytes, at);
          return at + bytes.length;
        });
      if (build === "shared") send();
      else expect(send).toThrow(expect.objectContaining({ code: "CONDUIT_ENCODE" }));
      client.send(value);
      expect(await server.recv()).toEqual(value);
    });
  },
);
