// Nothing in it is there for stable-conduit: it has no file to load.
/** @type {import("webpack").Configuration} */
export default {
  mode: "production",
  entry: "./main.js",
};
