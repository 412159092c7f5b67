// @ts-check
// The networks of the pages, which this server can cut: for a demonstration that needs no administrator. A cut is a real one:
// the TCP connections are reset, so what lies in the kernel's buffers is gone, and new ones are until further notice, too.

/** @typedef {import("node:stream").Duplex} Duplex */

export class Networks {
  /** @type {Map<string, Set<Duplex>>} by page */
  #connections = new Map();
  /** @type {Map<string, NodeJS.Timeout>} the pages that are offline, with what ends it */
  #offline = new Map();

  /**
   * A page wants a connection.
   * @param {string} page
   * @param {Duplex} socket
   * @returns {boolean} false: it has no network, and the socket is gone
   */
  connect(page, socket) {
    if (this.#offline.has(page)) {
      reset(socket);
      return false;
    }
    const connections = this.#connections.get(page) ?? new Set();
    this.#connections.set(page, connections.add(socket));
    socket.once("close", () => {
      connections.delete(socket);
      if (connections.size === 0 && this.#connections.get(page) === connections)
        this.#connections.delete(page);
    });
    return true;
  }

  /**
   * Cuts all connections of a page, and refuses new ones for a while: 0 = not at all, which also ends an earlier while.
   * @param {string} page
   * @param {number} offlineMs
   */
  cut(page, offlineMs) {
    clearTimeout(this.#offline.get(page));
    this.#offline.delete(page);
    if (offlineMs > 0)
      this.#offline.set(
        page,
        setTimeout(() => this.#offline.delete(page), offlineMs),
      );
    for (const socket of this.#connections.get(page) ?? []) reset(socket);
  }

  close() {
    for (const timer of this.#offline.values()) clearTimeout(timer);
    this.#offline.clear();
  }
}

/** @param {Duplex} socket of an upgrade request: a net.Socket, or a TLS one that cannot be reset */
function reset(socket) {
  if ("resetAndDestroy" in socket) /** @type {import("node:net").Socket} */ (socket).resetAndDestroy();
  else socket.destroy();
}
