// What the packed package refers to is in it: the relative links of its documents with their headings, and the sources of
// its source maps.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { folderWithPackage } from "./packed.js";

let root: string;
let files: string[];
beforeAll(() => {
  root = join(folderWithPackage("documents"), "node_modules/stable-conduit");
  files = readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((name) => join(root, name))
    .filter((path) => statSync(path).isFile());
});

const endingIn = (ending: string) => files.filter((path) => path.endsWith(ending));

/** Fenced code is no text: its brackets are no links, and its comments no headings. */
function textOf(path: string): string {
  return readFileSync(path, "utf8").replace(/^```[\s\S]*?^```$/gm, "");
}

/** The names that links have for a document's headings, as GitHub and npm make them. */
function headingsOf(path: string): string[] {
  return [...textOf(path).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test("every relative link of every document leads to a file or a heading in the package", () => {
  const dangling: string[] = [];
  let links = 0;
  for (const document of endingIn(".md")) {
    for (const [, link] of textOf(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      links++;
      const [name, heading] = link.split("#");
      const target = name === "" ? document : join(dirname(document), name);
      const found = existsSync(target) && (heading === undefined || headingsOf(target).includes(heading));
      if (!found) dangling.push(`${relative(root, document)}: ${link}`);
    }
  }
  expect(dangling).toEqual([]);
  expect(links).toBeGreaterThan(40);
});

test("only the minified modules have source maps, and those lead to readable modules in the package", () => {
  const withMap = endingIn(".js").filter((path) =>
    readFileSync(path, "utf8").includes("\n//# sourceMappingURL="),
  );
  const maps = endingIn(".map");
  expect(maps.map((path) => relative(root, path))).toEqual(
    withMap.map((path) => `${relative(root, path)}.map`),
  );
  expect(maps.length).toBe(readdirSync(join(root, "dist/browser")).length / 2);
  for (const map of maps) {
    const { sources, sourcesContent } = JSON.parse(readFileSync(map, "utf8"));
    expect(sourcesContent).toBeUndefined();
    for (const source of sources) expect(existsSync(join(dirname(map), source)), source).toBe(true);
  }
});
