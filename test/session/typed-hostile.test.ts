// Typed messages when the peer, or the application's own values, do what they should not.
import { describe, expect, test } from "vitest";
import { connect, listen, type Schemas, type StableConduit, tcp } from "../../src/node.js";
import { bytes, list, recursive, string, struct, u32 } from "../../src/schema.js";
import { cleanSlate, failure, later, PROFILES, RawPeer, thrown, track } from "./helpers.js";
import { control, greet } from "./raw-session.js";

cleanSlate();

const SCHEMA = 0x41;
const Note = struct("Note", { title: string, text: string });

async function pair<S, R>(schema: Schemas<S, R>, peer: Schemas<R, S>, profile: "base" | "extended") {
  const acceptor = await listen<R, S>(tcp.server({ host: "127.0.0.1", port: 0 }), { profile, schema: peer });
  later(() => acceptor.close({ timeoutMs: 1 }));
  const { port } = acceptor.address as { port: number };
  const client = track(await connect<S, R>(tcp({ host: "127.0.0.1", port }), { profile, schema }));
  const { value } = await acceptor[Symbol.asyncIterator]().next();
  return { client, server: value as StableConduit<R, S> };
}

describe.each(PROFILES)("typed messages (%s)", (profile) => {
  test("whose getters prepare another item do not open the way for a third", async () => {
    const { client, server } = await pair({ send: Note }, { recv: Note }, profile);
    const { tx } = client.split();
    const title = () => {
      expect(() => tx.prepareSend({ title: "prepared", text: "" })).toThrow(/must not be used/);
      expect(() => client.send({ title: "within", text: "another" })).toThrow(/must not be used/);
      return "outer";
    };
    client.send({
      get title() {
        return title();
      },
      text: "longer than the other",
    });
    client.send({ title: "after", text: "" });
    expect(await server.recv()).toEqual({ title: "outer", text: "longer than the other" });
    expect(await server.recv()).toEqual({ title: "after", text: "" });
    expect(client.stats().sentItems).toBe(2);
  });

  test("that lie about their length, or are 2^40 times as large as they look, are refused, and the conduit lives on", async () => {
    interface Tree {
      data: Uint8Array;
      parts: Tree[];
    }
    const Tree = recursive<Tree>("Tree", (tree) => struct("Tree", { data: bytes, parts: list(tree) }));
    const { client, server } = await pair({ send: Tree }, { recv: Tree }, profile);
    const good: Tree = { data: Uint8Array.of(1, 2, 3), parts: [] };
    client.send(good);
    let tree = good;
    for (let i = 0; i < 40; i++) tree = { data: good.data, parts: [tree, tree] };
    const refusal = { code: "CONDUIT_FRAME_TOO_LARGE", blame: "local", fatal: false };
    expect(thrown(() => client.send(tree))).toMatchObject(refusal);
    expect(await failure(client.write(tree))).toMatchObject(refusal);
    if (profile === "extended") expect(thrown(() => client.sendVolatile(tree))).toMatchObject(refusal);
    for (const length of [-1, 0.5, Number.NaN, 2 ** 40]) {
      const parts = new Proxy([good], {
        get: (target, name) => (name === "length" ? length : Reflect.get(target, name)),
      });
      const error = thrown(() => client.send({ data: good.data, parts }));
      expect(error).toMatchObject({ code: "CONDUIT_ENCODE", blame: "local", fatal: false });
      // Its own `length` does not count.
      const data = Object.defineProperty(Uint8Array.of(4, 5), "length", { value: length });
      client.send({ data, parts: [] });
    }
    client.send(good);
    expect(await server.recv()).toEqual(good);
    for (let i = 0; i < 4; i++) expect(await server.recv()).toEqual({ data: Uint8Array.of(4, 5), parts: [] });
    expect(await server.recv()).toEqual(good);
  });

  test("that are undelivered and not of the type are there as bytes: the session ends as any other", async () => {
    const { client, server } = await pair({ send: Note }, { recv: Note }, profile);
    client.send({ title: "one", text: "" });
    client.sendBatch(Uint8Array.of(9, 9, 9), Uint32Array.of(3));
    client.send({ title: "three", text: "" });
    client.abort();
    const close = await client.closed;
    expect(client.status.state).toBe("closed");
    expect(close.clean ? [] : [...close.undelivered]).toEqual([
      { title: "one", text: "" },
      Uint8Array.of(9, 9, 9),
      { title: "three", text: "" },
    ]);
    server.abort();
  });
});

test("a peer cannot have one plan made after another [ext.schema]", async () => {
  const acceptor = await listen<Uint8Array, number[]>(tcp.server({ host: "127.0.0.1", port: 0 }), {
    schema: { recv: list(u32) },
  });
  later(() => acceptor.close({ timeoutMs: 1 }));
  const raw = await RawPeer.dial((acceptor.address as { port: number }).port);
  await greet(raw, "extended", null);
  const { value } = await acceptor[Symbol.asyncIterator]().next();
  const server = value as StableConduit<Uint8Array, number[]>;
  const says = (schema: object) =>
    raw.write(control(SCHEMA, new TextEncoder().encode(JSON.stringify(schema))));
  says({ kind: "set", element: { kind: "u32" } });
  says({ kind: "set", element: { kind: "u32" } }); // as on another link
  says(list(u32));
  expect(await server.closed).toMatchObject({
    clean: false,
    error: { code: "CONDUIT_SCHEMA", blame: "peer", message: expect.stringContaining("has changed") },
  });
});
