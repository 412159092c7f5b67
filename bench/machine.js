// Where figures come from.
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";

/** Other systems that are compared; the file is their package.json. */
const COMPARED = [
  "ws",
  "undici",
  "socket.io",
  "capnweb",
  "msgpackr",
  "protobufjs",
  "avsc",
  "@msgpack/msgpack",
];

export function machine() {
  // Other work on the machine takes more from two busy processes than from one: its load belongs to the result.
  const [loadBefore] = loadavg();
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${type()} ${release()}`,
    node: process.version,
    loadBefore: Number(loadBefore.toFixed(2)),
  };
}

/** @returns {Record<string, string>} */
export function versions() {
  const own = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const others = COMPARED.map((name) => {
    const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
    return [name, JSON.parse(readFileSync(file, "utf8")).version];
  });
  return { "stable-conduit": own.version, ...Object.fromEntries(others), "vox-core": "0.4.0" };
}
