import { nodeResolve } from "@rollup/plugin-node-resolve";
import { dts } from "rollup-plugin-dts";

/** @param {string} extension */
const entries = (extension) => ({
  index: `build/js/src/index${extension}`,
  node: `build/js/src/node${extension}`,
});

export default [
  {
    input: entries(".js"),
    plugins: [nodeResolve()],
    external: [/^node:/],
    output: { dir: "dist", format: "es", sourcemap: true, chunkFileNames: "core.js" },
  },
  {
    input: entries(".d.ts"),
    plugins: [dts()],
    external: [/^node:/],
    output: { dir: "dist", format: "es", chunkFileNames: "core.d.ts" },
  },
];
