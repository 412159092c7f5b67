// What the benchmarks compare: a system moves items from one process to another. To add one, write
// systems/<name>.js with a default export of type System and name it with --systems; nothing else is needed.

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
 */

/**
 * @typedef {object} SendContext
 * @property {number} size bytes of an item
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
 */

/**
 * @typedef {object} System
 * @property {string} name
 * @property {Guarantees} guarantees
 * @property {() => true | string | Promise<true | string>} available true, or why it cannot run here
 * @property {(context: ReceiveContext) => Promise<Receiver>} receive
 * @property {(address: Address, context: SendContext) => Promise<Sender>} send
 */

/**
 * @param {string} name of a file in systems/
 * @returns {Promise<System>}
 */
export async function loadSystem(name) {
  if (!/^[\w.-]+$/.test(name)) throw new Error(`not the name of a system: ${name}`);
  return (await import(new URL(`systems/${name}.js`, import.meta.url).href)).default;
}
