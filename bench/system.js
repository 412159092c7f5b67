// What the benchmarks compare: a system moves items from one process to another. To add one, write a module with a
// default export of type System and name it with --systems, by its path or, in systems/, by its name. README.md has
// an example.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * What a system promises besides speed, so that a comparison is honest.
 * @typedef {object} Guarantees
 * @property {boolean} exactlyOnce every item once, whatever happens to the link
 * @property {boolean} ordered
 * @property {boolean} survivesCut goes on after the link was cut
 * @property {boolean} bounded the sender's memory has a bound when the receiver is slow
 * @property {boolean} boundaries the receiver sees the items, not just bytes
 */

/**
 * @typedef {object} ReceiveContext
 * @property {number} size bytes of an item
 * @property {(messages: number, bytes: number, firstBytes: number) => void} received
 *   to be called for what has arrived; firstBytes is the sum of the items' first bytes, which shows that each was
 *   looked at. A system without boundaries gives messages as bytes / size, and 0.
 * @property {boolean} [echo] sends each item back to where it came from
 * @property {number} [keepaliveMs] silence before it asks whether the other side is there; undefined = as usual
 */

/**
 * @typedef {object} SendContext
 * @property {number} size bytes of an item
 * @property {(messages: number) => void} [answered] to be called for items that came back
 * @property {number} [holdBytes] so much has to be taken without waiting while the link is cut
 */

/**
 * Where a receiver listens: JSON, because the sender lives in another process.
 * @typedef {Record<string, string | number>} Address
 */

/**
 * @typedef {object} Receiver
 * @property {Address} address
 * @property {() => void | Promise<void>} close
 */

/**
 * @typedef {object} Sender
 * @property {(payload: Uint8Array, times: number) => void | Promise<void>} push
 *   sends `payload` so many times, one item each; settles when more may be sent, so that memory stays bounded
 * @property {() => Promise<void>} flushed everything pushed has left this process
 * @property {() => void | Promise<void>} close
 * @property {() => Cut} [cut] (resume) cuts the link, as a cable would
 * @property {() => void} [detach] (sessions) cuts the link and forgets this side; the receiver keeps its session
 */

/**
 * @typedef {object} Cut
 * @property {Promise<void>} asked the system wants its next link
 * @property {() => void} restore lets it come
 */

/**
 * @typedef {object} System
 * @property {string} name
 * @property {Guarantees} guarantees
 * @property {() => true | string | Promise<true | string>} available true, or why it cannot run here
 * @property {(context: ReceiveContext) => Promise<Receiver>} receive
 * @property {(address: Address, context: SendContext) => Promise<Sender>} send
 * @property {boolean} [external] its work is done by processes of its own, so CPU time and heap of ours say nothing
 * @property {boolean} [echoes] (latency) it does what `echo` and `answered` ask for
 */

/** A name that --systems should not have. */
export class UnknownSystem extends Error {
  /** @param {string} name */
  constructor(name) {
    super(`no system of this suite: ${name}`);
  }
}

/**
 * @template T
 * @param {URL} url
 * @param {string} name
 * @returns {Promise<T>} its default export
 */
export async function importSystem(url, name) {
  if (!existsSync(url)) throw new UnknownSystem(name);
  return (await import(url.href)).default;
}

/**
 * @param {string} name of a file in systems/, or a path
 * @returns {Promise<System>}
 */
export async function loadSystem(name) {
  const url =
    /^[\w-]+(\.[\w-]+)*$/.test(name) && !name.endsWith(".js")
      ? new URL(`systems/${name}.js`, import.meta.url)
      : pathToFileURL(resolve(name));
  return importSystem(url, name);
}
