// The golden vectors are what the reference writes today, to the byte.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const BINARY = fileURLToPath(new URL("./rust-peer/target/release/vectors", import.meta.url));
const GOLDEN = fileURLToPath(new URL("../golden", import.meta.url));

function filesIn(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const files = names.filter((name) => statSync(join(folder, name)).isFile() && name !== "README.md");
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name)).toString("base64")]));
}

it("the vectors of test/golden are what the reference's crates write", () => {
  const folder = mkdtempSync(join(tmpdir(), "golden-"));
  try {
    const { status, stderr } = spawnSync(BINARY, [folder], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const written = filesIn(folder);
    const kept = filesIn(GOLDEN);
    expect(Object.keys(written)).toEqual(Object.keys(kept));
    for (const [name, content] of Object.entries(written)) expect(content === kept[name], name).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
