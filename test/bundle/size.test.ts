// What a page loads for a conduit over WebSocket, compressed as it is served: no more than its budget.
import { brotliCompressSync, gzipSync } from "node:zlib";
import { rollup } from "rollup";
import { minify } from "terser";
import { beforeAll, expect, test } from "vitest";

/** Bundles `code`, which imports from dist/, as an application's build does: tree shaking, one file, minified. */
async function bundle(code: string): Promise<string> {
  const build = await rollup({
    input: "page",
    plugins: [
      {
        name: "page",
        resolveId: (id) =>
          id === "page" ? id : id === "stable-conduit" ? { id: `${process.cwd()}/dist/index.js` } : null,
        load: (id) => (id === "page" ? code : null),
      },
    ],
  });
  const { output } = await build.generate({ format: "es" });
  expect(output).toHaveLength(1);
  return (await minify(output[0].code, { module: true })).code!;
}

/** Goal 12 is 14 KiB, which this is not: README says so. The budget keeps it from growing further unseen. */
const BUDGET_BYTES = 32 * 1024;

let page: string;
beforeAll(async () => {
  page = await bundle('export { connect, webSocket } from "stable-conduit";');
});

test("a page that connects by WebSocket loads at most 32 KiB with brotli, WebAssembly included", () => {
  const brotli = brotliCompressSync(page).length;
  console.log(`page bundle: ${page.length} bytes minified, ${gzipSync(page).length} gzip, ${brotli} brotli`);
  expect(brotli).toBeLessThanOrEqual(BUDGET_BYTES);
});

test("it has one WebAssembly binary, and neither an acceptor nor the other links", async () => {
  const everything = await bundle('export * from "stable-conduit";');
  expect(page.match(/0061736d01/g)).toHaveLength(1);
  // Words that minifiers keep: each is in the whole package.
  for (const word of ["maxPendingHandshakes", "message-port", "Atomics", "pair"]) {
    expect(everything.includes(word), word).toBe(true);
    expect(page.includes(word), word).toBe(false);
  }
});

test("an application that imports the package and uses nothing of it pays nothing", async () => {
  const unused = await bundle('import { connect } from "stable-conduit"; export const used = typeof 1;');
  expect(unused.length).toBeLessThan(60);
});
