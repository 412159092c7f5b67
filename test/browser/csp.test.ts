// Content-Security-Policy: what a conduit needs of it, tried with dist/browser as it is.
import { expect, test } from "vitest";
import { openPage, run, site } from "./harness.js";

/** A page without inline scripts, which these policies would forbid. */
const pages = {
  "/": '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>strict</title>',
};

test.each([
  { isolated: true, prepare: null },
  { isolated: true, prepare: "init" },
  { isolated: false, prepare: "initSync" },
  { isolated: false, prepare: "init" },
])(
  "script-src 'self' 'wasm-unsafe-eval' is enough: isolated $isolated, first $prepare",
  async ({ isolated, prepare }) => {
    const headers = { "content-security-policy": "script-src 'self' 'wasm-unsafe-eval'" };
    const { origin } = await site({ isolated, headers, pages });
    const page = await openPage(origin);
    expect(await run(page, "unbundled", prepare)).toEqual({
      isolated,
      answer: { id: 2, item: "tea, please" },
    });
  },
);

test.each([null, "init", "initSync"])(
  "where a policy forbids WebAssembly the error says what it has to allow, first %s",
  async (prepare) => {
    const headers = { "content-security-policy": "script-src 'self'" };
    const { origin } = await site({ headers, pages });
    const page = await openPage(origin);
    await expect(run(page, "unbundled", prepare)).rejects.toThrow(
      /WebAssembly was refused \(CompileError.*Content-Security-Policy has to allow 'wasm-unsafe-eval'/,
    );
  },
);
