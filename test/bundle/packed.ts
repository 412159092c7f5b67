// The package as its users get it: packed, and unpacked in node_modules of a folder of its own. The build is taken as it is.
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

/** @returns a new folder build/bundle/NAME, absolute, in which "stable-conduit" resolves to the packed package. */
export function folderWithPackage(name: string): string {
  const folder = resolve("build/bundle", name);
  rmSync(folder, { recursive: true, force: true });
  const modules = join(folder, "node_modules");
  mkdirSync(modules, { recursive: true });
  // Its prepack would build, under the feet of other tests.
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", modules];
  const [{ filename }] = JSON.parse(execFileSync("npm", pack, { encoding: "utf8" }));
  execFileSync("tar", ["-xzf", filename], { cwd: modules });
  renameSync(join(modules, "package"), join(modules, "stable-conduit"));
  rmSync(join(modules, filename));
  return folder;
}
