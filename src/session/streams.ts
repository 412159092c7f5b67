// A conduit's two directions as Web Streams. What one of them learns the other side of the pipe has to learn, too: an
// abort reaches the conduit at once, and the session's end both streams, whether or not anybody reads or writes just then.
import { closedError } from "./sender.js";
import type { StableConduit } from "./stable-conduit.js";

/** StableConduit.readable documents it. Nothing is taken ahead: an item is acknowledged when the next one is read. */
export function readableOf<R>(conduit: StableConduit<never, R>): ReadableStream<R> {
  const items = conduit[Symbol.asyncIterator]();
  return new ReadableStream<R>(
    {
      start(controller) {
        conduit.closed.then((close) => {
          if (!close.clean) controller.error(close.error);
        });
      },
      async pull(controller) {
        const { done, value } = await items.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => conduit.abort(reason),
    },
    { highWaterMark: 0 },
  );
}

/** StableConduit.writable documents it. */
export function writableOf<S>(conduit: StableConduit<S, unknown>): WritableStream<S> {
  return new WritableStream<S>({
    start(controller) {
      // The sink's abort() is called after the write that is under way, which may wait for room for ever.
      const { signal } = controller;
      signal.addEventListener("abort", () => conduit.abort(signal.reason));
      // Does nothing to a stream that was closed, or is being closed with success.
      conduit.closed.then((close) =>
        controller.error(close.clean ? closedError("the conduit is closed") : close.error),
      );
    },
    async write(item) {
      await conduit.write(item);
      if (conduit.congested) await conduit.drained();
    },
    close: () => conduit.end(),
  });
}
