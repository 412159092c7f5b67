import { dts } from "rollup-plugin-dts";

/** @param {string} extension */
const entries = (extension) => ({
  index: `build/js/src/index${extension}`,
  node: `build/js/src/node${extension}`,
  ws: `build/js/src/ws${extension}`,
  schema: `build/js/src/schema${extension}`,
});

const commands = {
  "bin/stable-conduit-schema": "build/js/src/bin/stable-conduit-schema.js",
  "bin/typescript-loader": "build/js/src/bin/typescript-loader.js",
};

export default [
  {
    input: { ...entries(".js"), ...commands },
    external: [/^node:/, "ws"],
    output: { dir: "dist", format: "es", sourcemap: true, chunkFileNames: "internal-[name].js" },
  },
  {
    input: entries(".d.ts"),
    plugins: [dts()],
    external: [/^node:/, "ws"],
    output: { dir: "dist", format: "es", chunkFileNames: "internal-[name].d.ts" },
  },
];
