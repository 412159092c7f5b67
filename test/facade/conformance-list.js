// What a WebSocket does, line by line, after the WHATWG's standard. Each line is held against StableWebSocket and against
// a real WebSocket, which proves the list: in Node (conformance.test.ts) and in Chromium (test/browser). It runs in a page,
// so it needs nothing but the platform.
//
// The server at env.url: echoes what it is sent; a text "close CODE REASON" or "close" makes it close; on the path /two it
// sends "one" and "two" at once; it takes the first subprotocol.

/**
 * @typedef {object} Env
 * @property {new (url: string | URL, protocols?: string | string[]) => WebSocket} WebSocket
 * @property {string} url of the server, without a path: "ws://127.0.0.1:7400"
 * @property {string} nobody a URL where nothing listens
 */

/** @typedef {{ title: string, run: (env: Env) => unknown }} Line */

/** @type {Line[]} */
export const LINES = [];

/**
 * @param {string} title
 * @param {(env: Env) => unknown} run
 */
function line(title, run) {
  LINES.push({ title, run });
}

/**
 * @param {unknown} actual
 * @param {unknown} expected
 */
function equal(actual, expected) {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value) ?? String(value));
  if (a !== b) throw new Error(`expected ${b}, got ${a}`);
}

/**
 * @param {string} name of a DOMException, or of an error's class
 * @param {() => unknown} call
 */
function throws(name, call) {
  let thrown;
  try {
    call();
  } catch (error) {
    thrown = /** @type {Error} */ (error);
  }
  equal(thrown?.name, name);
}

/**
 * @param {EventTarget} target
 * @param {string} type
 * @returns {Promise<any>}
 */
function event(target, type) {
  return new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));
}

/** @param {() => boolean} what */
async function until(what) {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/**
 * @param {Env} env
 * @param {string} [path]
 * @param {string[]} [protocols]
 */
async function opened(env, path = "/", protocols = []) {
  const socket = new env.WebSocket(env.url + path, protocols);
  socket.binaryType = "arraybuffer";
  await event(socket, "open");
  return socket;
}

/**
 * What the server sends back.
 * @param {WebSocket} socket
 * @param {string | ArrayBuffer | ArrayBufferView<ArrayBuffer> | Blob} message
 */
async function echo(socket, message) {
  const answer = event(socket, "message");
  socket.send(message);
  const { data } = await answer;
  return data instanceof ArrayBuffer ? [...new Uint8Array(data)] : data;
}

/** @param {WebSocket} socket */
async function closed(socket) {
  const closing = event(socket, "close");
  socket.close();
  await closing;
}

/**
 * A socket for one line, closed after it.
 * @param {string} title
 * @param {(socket: WebSocket) => unknown} run
 */
function withSocket(title, run) {
  line(title, async (env) => {
    const socket = await opened(env);
    await run(socket);
    if (socket.readyState !== 3) await closed(socket);
  });
}

// ------------------------------------------------------------------ the constructor

line("the four states have their numbers on the constructor and on every instance", async (env) => {
  const states = /** @type {const} */ (["CONNECTING", "OPEN", "CLOSING", "CLOSED"]);
  const socket = await opened(env);
  states.forEach((state, i) => {
    equal(/** @type {any} */ (env.WebSocket)[state], i);
    equal(socket[state], i);
  });
  await closed(socket);
});

for (const url of ["ws://", "http://a:b/", "ftp://127.0.0.1/", "mailto:a@b.test", "ws://127.0.0.1/#part"]) {
  line(`a URL that no WebSocket can have is a SyntaxError: ${url}`, ({ WebSocket }) => {
    throws("SyntaxError", () => new WebSocket(url));
  });
}

line("it says that it is a WebSocket", async (env) => {
  const socket = await opened(env);
  equal(String(socket), "[object WebSocket]");
  await closed(socket);
});

line("url is the parsed URL, with ws: for http:", async (env) => {
  const socket = new env.WebSocket(`${env.url.replace("ws:", "HTTP:")}/a/../b?c`);
  equal(socket.url, `${env.url}/b?c`);
  await event(socket, "open");
  await closed(socket);
});

line("a URL object is taken as a string is", async (env) => {
  const socket = new env.WebSocket(new URL(env.url));
  equal(socket.url, `${env.url}/`);
  await event(socket, "open");
  await closed(socket);
});

for (const protocols of ["", "a b", "a,b", "ü", ["a", "a"], ["a", ""]]) {
  line(
    `subprotocols that are no tokens, or not different, are a SyntaxError: ${JSON.stringify(protocols)}`,
    (env) => {
      throws("SyntaxError", () => new env.WebSocket(env.url, protocols));
    },
  );
}

line(
  "a new socket is CONNECTING, has no subprotocol, no extensions, nothing buffered, and gives Blobs",
  async (env) => {
    const socket = new env.WebSocket(env.url, "chat");
    const { readyState, protocol, extensions, bufferedAmount, binaryType } = socket;
    equal([readyState, protocol, extensions, bufferedAmount, binaryType], [0, "", "", 0, "blob"]);
    await event(socket, "open");
    await closed(socket);
  },
);

// ------------------------------------------------------------------ opening

line("open comes once, in a task after the constructor's, and the state is OPEN then", async (env) => {
  const socket = new env.WebSocket(env.url);
  /** @type {number[]} */
  const states = [];
  socket.addEventListener("open", () => states.push(socket.readyState));
  await Promise.resolve();
  equal(states, []);
  await event(socket, "open");
  equal(await echo(socket, "a"), "a");
  equal(states, [1]);
  await closed(socket);
});

line("protocol is what the server chose", async (env) => {
  const socket = await opened(env, "/", ["chat", "game"]);
  equal(socket.protocol, "chat");
  await closed(socket);
});

line("where nobody listens error comes, then close with 1006, not clean", async ({ WebSocket, nobody }) => {
  const socket = new WebSocket(nobody);
  /** @type {unknown[]} */
  const events = [];
  socket.onopen = () => events.push("open");
  socket.onerror = () => events.push(["error", socket.readyState]);
  const { code, reason, wasClean } = await event(socket, "close");
  equal(events, [["error", 3]]);
  equal([code, reason, wasClean, socket.readyState], [1006, "", false, 3]);
});

line("send() before open is an InvalidStateError", async (env) => {
  const socket = new env.WebSocket(env.url);
  throws("InvalidStateError", () => socket.send("early"));
  await event(socket, "open");
  await closed(socket);
});

line(
  "close() before open is CLOSING at once, then error and close with 1006 come, and no open",
  async (env) => {
    const socket = new env.WebSocket(env.url);
    /** @type {string[]} */
    const events = [];
    for (const type of ["open", "error", "close"]) socket.addEventListener(type, () => events.push(type));
    const closing = event(socket, "close");
    socket.close();
    equal([socket.readyState, events.length], [2, 0]);
    const { code, wasClean } = await closing;
    equal([code, wasClean], [1006, false]);
    equal(events, ["error", "close"]);
  },
);

// ------------------------------------------------------------------ messages

withSocket("text goes there and back, whatever is in it", async (socket) => {
  for (const text of ["", "a", "grüße", "\u0000", "😀", "\ufeffwith a BOM", "x".repeat(70_000)]) {
    equal(await echo(socket, text), text);
  }
});

withSocket("a lone surrogate becomes U+FFFD", async (socket) => {
  equal(await echo(socket, "a\ud800b"), "a\ufffdb");
});

withSocket(
  "bytes go there and back: an ArrayBuffer, the part that a view shows, and none",
  async (socket) => {
    const { buffer } = new Uint8Array([1, 2, 3, 4, 5, 6]);
    equal(await echo(socket, buffer), [1, 2, 3, 4, 5, 6]);
    equal(await echo(socket, new Uint8Array(buffer, 1, 2)), [2, 3]);
    equal(await echo(socket, new Uint16Array(buffer, 2, 1)), [3, 4]);
    equal(await echo(socket, new DataView(buffer, 4)), [5, 6]);
    equal(await echo(socket, new ArrayBuffer(0)), []);
  },
);

withSocket("bytes are those at the time of send()", async (socket) => {
  const bytes = new Uint8Array([1]);
  const answer = event(socket, "message");
  socket.send(bytes);
  bytes[0] = 2;
  equal([...new Uint8Array((await answer).data)], [1]);
});

withSocket("what is neither bytes nor text is sent as its text", async (socket) => {
  for (const [value, text] of [
    [12, "12"],
    [null, "null"],
    [undefined, "undefined"],
    [[1, 2], "1,2"],
    [{ toString: () => "mine" }, "mine"],
  ]) {
    equal(await echo(socket, /** @type {any} */ (value)), text);
  }
});

withSocket("a Symbol has no text: sending it is a TypeError", (socket) => {
  throws("TypeError", () => socket.send(/** @type {any} */ (Symbol("a"))));
});

withSocket("send() without an argument is a TypeError", (socket) => {
  throws("TypeError", () => /** @type {any} */ (socket).send());
});

withSocket("a Blob is sent as its bytes, and nothing overtakes it", async (socket) => {
  /** @type {unknown[]} */
  const answers = [];
  socket.addEventListener("message", ({ data }) =>
    answers.push(typeof data === "string" ? data : data.byteLength),
  );
  socket.send("first");
  socket.send(new Blob(["x".repeat(100_000)]));
  socket.send("second");
  socket.send(new Blob([]));
  socket.send("third");
  await until(() => answers.length === 5);
  equal(answers, ["first", 100_000, "second", 0, "third"]);
});

withSocket("binaryType decides what a binary message is, at the time that it comes", async (socket) => {
  socket.binaryType = "blob";
  const blob = await echo(socket, new Uint8Array([7]));
  equal([blob instanceof Blob, blob.size, blob.type], [true, 1, ""]);
  equal([...new Uint8Array(await blob.arrayBuffer())], [7]);
  socket.binaryType = "arraybuffer";
  equal(await echo(socket, new Uint8Array([7])), [7]);
});

withSocket("another binaryType is ignored", (socket) => {
  /** @type {any} */ (socket).binaryType = "nodebuffer";
  equal(socket.binaryType, "arraybuffer");
});

withSocket("messages come in their order", async (socket) => {
  /** @type {number[]} */
  const answers = [];
  socket.onmessage = ({ data }) => answers.push(Number(data));
  for (let n = 0; n < 500; n++) socket.send(String(n));
  await until(() => answers.length === 500);
  equal(
    answers.every((answer, n) => answer === n),
    true,
  );
});

line("a message event says its origin, and is of its class", async (env) => {
  const socket = await opened(env);
  const answer = event(socket, "message");
  socket.send("a");
  const message = await answer;
  equal([message.origin, message.lastEventId, message.type], [env.url, "", "message"]);
  equal([message instanceof MessageEvent, message.target === socket, message.bubbles], [true, true, false]);
  await closed(socket);
});

line(
  "each message comes in a task of its own: whoever awaits the first is back before the second",
  async (env) => {
    const socket = new env.WebSocket(`${env.url}/two`);
    for (const text of ["one", "two"]) {
      const { data } = await event(socket, "message");
      await Promise.resolve().then(() => {});
      equal(data, text);
    }
    await closed(socket);
  },
);

withSocket("bufferedAmount counts a message's bytes at once, and comes down to 0", async (socket) => {
  socket.send("grüße");
  equal(socket.bufferedAmount, 7);
  socket.send(new Uint8Array(100));
  equal(socket.bufferedAmount, 107);
  socket.send(new Blob(["abc"]));
  equal(socket.bufferedAmount, 110);
  await until(() => socket.bufferedAmount === 0);
  socket.send("a");
  equal(socket.bufferedAmount, 1);
});

// ------------------------------------------------------------------ closing

for (const code of [0, 999, 1001, 1005, 1006, 2999, 5000, 65_536 + 1000]) {
  withSocket(`close() with a code that is not a client's is an InvalidAccessError: ${code}`, (socket) => {
    throws("InvalidAccessError", () => socket.close(code));
    equal(socket.readyState, 1);
  });
}

withSocket(
  "a reason of more than 123 bytes is a SyntaxError, however few characters they are",
  async (socket) => {
    throws("SyntaxError", () => socket.close(1000, "x".repeat(124)));
    throws("SyntaxError", () => socket.close(1000, "ü".repeat(62)));
    equal(socket.readyState, 1);
    const closing = event(socket, "close");
    socket.close(1000, `${"ü".repeat(61)}x`);
    await closing;
  },
);

for (const [code, reason] of /** @type {[number, string][]} */ ([
  [1000, ""],
  [3000, "bye"],
  [4999, "grüße"],
])) {
  withSocket(
    `close(${code}) is CLOSING at once, and clean with that code once the server has answered`,
    async (socket) => {
      const closing = event(socket, "close");
      socket.close(code, reason);
      equal(socket.readyState, 2);
      const closed = await closing;
      equal([closed.code, closed.wasClean, socket.readyState], [code, true, 3]);
    },
  );
}

withSocket("a code between two is the nearer one, or the even one", async (socket) => {
  throws("InvalidAccessError", () => socket.close(1001.5));
  const closing = event(socket, "close");
  socket.close(3000.5);
  equal((await closing).code, 3000);
});

withSocket("close() without a code is 1005", async (socket) => {
  const closing = event(socket, "close");
  socket.close();
  const { code, reason, wasClean } = await closing;
  equal([code, reason, wasClean], [1005, "", true]);
});

withSocket("close() again does nothing, before and after the end", async (socket) => {
  let closes = 0;
  socket.addEventListener("close", () => closes++);
  const closing = event(socket, "close");
  socket.close(3001);
  socket.close(3002);
  equal((await closing).code, 3001);
  socket.close(3003);
  await new Promise((resolve) => setTimeout(resolve, 10));
  equal(closes, 1);
});

withSocket("the server's close tells its code and reason, without an error", async (socket) => {
  let errors = 0;
  socket.onerror = () => errors++;
  const closing = event(socket, "close");
  socket.send("close 4001 enough");
  const closed = await closing;
  equal([closed.code, closed.reason, closed.wasClean, errors], [4001, "enough", true, 0]);
  equal([closed.type, closed.target === socket], ["close", true]);
});

withSocket("the server's close can have a code that a client's cannot", async (socket) => {
  const closing = event(socket, "close");
  socket.send("close 1001 restart");
  const { code, reason, wasClean } = await closing;
  equal([code, reason, wasClean], [1001, "restart", true]);
});

withSocket("the server's close without a code is 1005", async (socket) => {
  const closing = event(socket, "close");
  socket.send("close");
  const { code, reason, wasClean } = await closing;
  equal([code, reason, wasClean], [1005, "", true]);
});

withSocket("what was sent before close() arrives, and what comes after it is not shown", async (socket) => {
  let shown = 0;
  socket.onmessage = () => shown++;
  const closing = event(socket, "close");
  socket.send("close 4002 you first"); // it is this that the server reads before our close
  socket.close(4003);
  const { code } = await closing;
  equal([code, shown], [4002, 0]);
});

withSocket("send() after close() is silent, and counted for ever", async (socket) => {
  const closing = event(socket, "close");
  socket.close();
  socket.send("abc");
  equal(socket.bufferedAmount, 3);
  await closing;
  socket.send(new Uint8Array(4));
  socket.send(new Blob(["12"]));
  equal(socket.bufferedAmount, 9);
});

// ------------------------------------------------------------------ events

withSocket(
  "a handler attribute is null, what it was set to, or null again for what is no function",
  (socket) => {
    for (const name of /** @type {const} */ (["onopen", "onmessage", "onerror", "onclose"])) {
      equal(socket[name], null);
      const handler = () => {};
      socket[name] = handler;
      equal(socket[name] === handler, true);
      /** @type {any} */ (socket)[name] = "text";
      equal(socket[name], null);
    }
  },
);

withSocket(
  "a handler is called with the socket as this, in the place of its first setting",
  async (socket) => {
    /** @type {unknown[]} */
    const calls = [];
    socket.addEventListener("message", () => calls.push(1));
    socket.onmessage = () => calls.push("replaced");
    socket.addEventListener("message", () => calls.push(3));
    socket.onmessage = function () {
      calls.push(this === socket ? 2 : "not this");
    };
    await echo(socket, "a");
    equal(calls, [1, 2, 3]);
    calls.length = 0;
    socket.onmessage = null;
    await echo(socket, "b");
    equal(calls, [1, 3]);
  },
);

withSocket("it is an EventTarget: once, removal, events of one's own", async (socket) => {
  equal(socket instanceof EventTarget, true);
  let calls = 0;
  const count = () => calls++;
  socket.addEventListener("message", count, { once: true });
  await echo(socket, "a");
  await echo(socket, "b");
  equal(calls, 1);
  socket.addEventListener("mine", count);
  socket.dispatchEvent(new Event("mine"));
  socket.removeEventListener("mine", count);
  socket.dispatchEvent(new Event("mine"));
  equal(calls, 2);
});
