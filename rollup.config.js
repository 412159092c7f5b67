// What dist/ is made of: readable modules for Node and for bundlers, which minify as well as we could; their types; and
// dist/browser/, minified, for pages that load the package as it is, by an import map or from a CDN. Its source maps lead to
// the readable modules, which are in the package anyway and need none themselves: they are the sources without their types.
import { dts } from "rollup-plugin-dts";
import { minify } from "terser";

/** @param {string} extension */
const entries = (extension) => ({
  index: `build/js/src/index${extension}`,
  node: `build/js/src/node${extension}`,
  ws: `build/js/src/ws${extension}`,
  schema: `build/js/src/schema${extension}`,
  "stable-websocket": `build/js/src/stable-websocket${extension}`,
});

/** The entries that run in a page, as the first step leaves them. */
const pageEntries = ["dist/index.js", "dist/schema.js", "dist/stable-websocket.js"];

const commands = {
  "bin/stable-conduit-schema": "build/js/src/bin/stable-conduit-schema.js",
  "bin/typescript-loader": "build/js/src/bin/typescript-loader.js",
};

/** @type {import("rollup").Plugin} */
const minified = {
  name: "minified",
  renderChunk: async (readable) => {
    const { code = "", map } = await minify(readable, { module: true, sourceMap: true });
    return { code, map: String(map) };
  },
};

export default [
  {
    input: { ...entries(".js"), ...commands },
    external: [/^node:/, "ws"],
    output: { dir: "dist", format: "es", chunkFileNames: "internal-[name].js" },
  },
  {
    input: pageEntries,
    plugins: [minified],
    output: {
      dir: "dist/browser",
      format: "es",
      sourcemap: true,
      sourcemapExcludeSources: true,
      chunkFileNames: "[name].js", // named for what they are made of, which is internal already
    },
  },
  {
    input: entries(".d.ts"),
    plugins: [dts()],
    external: [/^node:/, "ws"],
    output: {
      dir: "dist",
      format: "es",
      chunkFileNames: "internal-[name].d.ts",
      // For Symbol.asyncDispose, which neither ES2022 nor the DOM's types have.
      banner: '/// <reference lib="esnext.disposable" />',
    },
  },
];
