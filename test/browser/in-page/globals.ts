// What suites that were written for Node use of it, for a page: Buffer and setImmediate.
import { Buffer } from "buffer";

// The package is as Node's, but for two things that the suites do: buffers on shared memory, and equals() with any bytes.
const from = Buffer.from;
const bufferFrom = (source: unknown, ...rest: never[]) => {
  if (Object.prototype.toString.call(source) !== "[object SharedArrayBuffer]") {
    return from(source as never, ...rest);
  }
  const bytes = new Uint8Array(source as SharedArrayBuffer, ...(rest as number[]));
  return Object.setPrototypeOf(bytes, Buffer.prototype);
};
Buffer.from = bufferFrom as typeof Buffer.from;
Buffer.prototype.equals = function equals(other: Uint8Array): boolean {
  if (this.length !== other.length) return false;
  for (let i = 0; i < other.length; i++) if (this[i] !== other[i]) return false;
  return true;
};

const { port1, port2 } = new MessageChannel();
const tasks: (() => void)[] = [];
port1.onmessage = () => tasks.shift()?.();

Object.assign(globalThis, {
  Buffer,
  setImmediate(task: () => void) {
    tasks.push(task);
    port2.postMessage(0);
  },
});
