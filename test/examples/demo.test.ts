// The demo with small numbers: what it counts, what it prints, how it exits.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Checker, Writer } from "../../examples/demo/messages.js";
import { Program } from "./program.js";

async function demo(...args: string[]) {
  const program = new Program("demo/demo.js", [...args, "--json"]);
  const code = await program.ended;
  expect(program.stderr).toBe("");
  expect(program.stdout).toMatch(/^\{.*\}\n$/);
  return { code, ...JSON.parse(program.stdout) };
}

const nothingWrong = { code: 0, lost: 0, duplicated: 0, reordered: 0, corrupted: 0, error: null };

test.for(["base", "extended"] as const)(
  "the demo gets 20 000 messages each way through 10 cuts, %s profile",
  async (profile) => {
    const result = await demo("--messages", "20000", "--cuts", "10", "--profile", profile, "--seed", "7");
    expect(result).toMatchObject({
      ...nothingWrong,
      sent: 40_000,
      received: 40_000,
      cuts: 10,
      profile,
      size: 64,
      seed: 7,
    });
    expect(result.resumeP50Ms).toBeGreaterThan(0);
    expect(result.resumeP99Ms).toBeGreaterThanOrEqual(result.resumeP50Ms);
    expect(result.resumes).toBeGreaterThan(0);
    expect(result.resumes).toBeLessThanOrEqual(10);
    expect(result.messagesPerSecond).toBeGreaterThan(0);
    expect(result.peakRssMiB).toBeGreaterThan(10);
    expect(result.peakRssMiB).toBeLessThan(200);
  },
);

test("the demo sends for a time, with messages of an odd size", async () => {
  const result = await demo("--seconds", "1", "--cuts", "10", "--size", "1027");
  expect(result).toMatchObject({ ...nothingWrong, cuts: 10, size: 1027 });
  expect(result.sent).toBeGreaterThan(0);
  expect(result.received).toBe(result.sent);
});

test("the demo without cuts has no resume time", async () => {
  const result = await demo("--messages", "1000", "--cuts", "0");
  expect(result).toMatchObject({ ...nothingWrong, cuts: 0, resumeP50Ms: null, resumeP99Ms: null });
});

test("the demo prints a table without --json, and nothing live where nobody looks", async () => {
  const program = new Program("demo/demo.js", ["--messages", "1000", "--cuts", "2"]);
  expect(await program.ended).toBe(0);
  expect(program.stdout).toMatch(/^lost +0 +0 +0$/m);
  expect(program.stdout).toMatch(/^Every message arrived once, in order and unchanged\.$/m);
  expect(program.stderr).toBe("");
});

test("a process of the demo ends when the demo itself was killed", async () => {
  const script = fileURLToPath(new URL("../../examples/demo/peer.js", import.meta.url));
  const child = fork(script, [JSON.stringify({ role: "acceptor", profile: "extended", size: 64 })]);
  const ended = once(child, "exit");
  try {
    expect(await once(child, "message")).toMatchObject([{ type: "listening" }, undefined]);
    child.disconnect();
    expect(await ended).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
  }
});

test("the demo refuses options it cannot use, with exit code 2", async () => {
  for (const args of [
    ["--size", "15"],
    ["--cuts", "x"],
    ["--profile", "other"],
    ["--messages", "1", "--seconds", "1"],
    ["--what"],
  ]) {
    const program = new Program("demo/demo.js", args);
    expect(await program.ended).toBe(2);
    expect(program.stderr).toContain(args[0]);
    expect(program.stdout).toBe("");
  }
});

test("the demo explains itself", async () => {
  const program = new Program("demo/demo.js", ["--help"]);
  expect(await program.ended).toBe(0);
  for (const option of ["messages", "seconds", "size", "cuts", "profile", "seed", "json"]) {
    expect(program.stdout).toContain(`--${option}`);
  }
});

const SIZE = 67;

/** The checker's verdict on messages that come in this order. */
function verdict(order: number[], change: (message: Uint8Array, number: number) => Uint8Array = (m) => m) {
  const writer = new Writer(SIZE, 1);
  const messages = Array.from({ length: 10 }, () => writer.next().slice());
  const checker = new Checker(SIZE, 1);
  for (const number of order) {
    const bytes = change(messages[number].slice(), number);
    checker.check({ bytes, spans: Uint32Array.of(0, bytes.length), length: 1 });
  }
  const { received, distinct, duplicated, reordered, corrupted } = checker;
  return { received, distinct, duplicated, reordered, corrupted };
}

test("the demo's checker tells what is missing, repeated and out of order", () => {
  const fine = { duplicated: 0, reordered: 0, corrupted: 0 };
  expect(verdict([0, 1, 2, 3])).toEqual({ ...fine, received: 4, distinct: 4 });
  expect(verdict([0, 1, 4])).toEqual({ ...fine, received: 3, distinct: 3 });
  expect(verdict([0, 1, 1, 0, 2])).toEqual({ ...fine, received: 5, distinct: 3, duplicated: 2 });
  expect(verdict([0, 3, 1, 2, 2, 4])).toEqual({
    ...fine,
    received: 6,
    distinct: 5,
    reordered: 2,
    duplicated: 1,
  });
});

test("the demo's checker sees every change of a single byte, a wrong size and a message of the other side", () => {
  for (let at = 0; at < SIZE; at++) {
    const changed = verdict([0, 1, 2], (message, number) => {
      if (number === 1) message[at] ^= 1 << (at % 8);
      return message;
    });
    expect(changed).toMatchObject({ received: 3, corrupted: 1, distinct: 2 });
  }
  expect(verdict([0], (message) => message.subarray(1)).corrupted).toBe(1);
  const other = new Writer(SIZE, 2).next();
  expect(verdict([0], () => other).corrupted).toBe(1);
});
