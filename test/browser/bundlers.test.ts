// The example projects for Vite and webpack, with the package as npm would install it: they build as they are, and their
// pages exchange items with their servers.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync } from "node:fs";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { folderWithPackage } from "../bundle/packed.js";
import { later, newContext, openPage } from "./harness.js";

/** Builds a copy of examples/NAME and starts its server. Bundlers and ws come from this repository. */
async function startExample(name: string): Promise<string> {
  const folder = folderWithPackage(name);
  cpSync(`examples/${name}`, folder, { recursive: true });
  execFileSync("npm", ["run", "build"], { cwd: folder, stdio: "pipe" });
  const server = spawn(process.execPath, ["server.js", "0"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  later(async () => {
    server.kill();
    if (server.exitCode === null) await once(server, "exit");
  });
  const [url] = await once(createInterface(server.stdout), "line");
  return url;
}

test("Vite: pages chat in typed messages, under a policy that forbids code from text", async () => {
  const url = await startExample("vite");
  const context = await newContext();
  await context.addInitScript(() => {
    const blocked: string[] = [];
    Object.assign(globalThis, { blocked });
    addEventListener("securitypolicyviolation", ({ blockedURI }) => blocked.push(blockedURI));
  });
  const pages = [await openPage(url, context), await openPage(url, context)];
  for (const page of pages) await page.getByText("open").waitFor();
  for (const [i, page] of pages.entries()) {
    await page.getByLabel("Message").fill(`hello from ${i}`);
    await page.getByLabel("Message").press("Enter");
    for (const other of pages) await other.getByText(`hello from ${i}`).waitFor();
  }
  for (const page of pages) {
    expect(await page.locator("li").allTextContents()).toEqual(["hello from 0", "hello from 1"]);
    // The schema has tried once, and went on with closures.
    expect(await page.evaluate("blocked")).toEqual(["eval"]);
  }
});

test("webpack: 20,000 items of a page come back, after init()", async () => {
  const page = await openPage(await startExample("webpack"));
  await page.getByText("20000 of 20000 came back").waitFor();
});
