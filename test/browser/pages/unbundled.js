// dist/browser as a page loads it that has no bundler: a typed conduit within the page.

/** Paths of the page's origin, which TypeScript does not look for. */
const PATHS = { conduit: "/dist/browser/index.js", schema: "/dist/browser/schema.js" };

/**
 * @param {"init" | "initSync" | null} prepare what to call before the first conduit
 * @returns {Promise<{ isolated: boolean, answer: unknown }>}
 */
export default async (prepare) => {
  /** @type {typeof import("stable-conduit")} */
  const lib = await import(PATHS.conduit);
  /** @type {typeof import("stable-conduit/schema")} */
  const { struct, string, u32 } = await import(PATHS.schema);
  if (prepare !== null) await lib[prepare]();

  const Order = struct("Order", { id: u32, item: string });
  const schema = { send: Order, recv: Order };
  const { port1, port2 } = new MessageChannel();
  const acceptor = await lib.listen(lib.messagePort.server(port2), { schema });
  const conduit = await lib.connect(lib.messagePort(port1), { schema });
  conduit.send({ id: 1, item: "tea" });
  for await (const accepted of acceptor) {
    const order = await accepted.recv();
    accepted.send({ id: 2, item: `${order?.item}, please` });
    break;
  }
  const answer = await conduit.recv();
  await Promise.all([conduit.close(), acceptor.close()]);
  return { isolated: crossOriginIsolated, answer };
};
