// Two kinds of tests: *.test.ts here run in Node and drive pages; the suites listed below run in a page themselves, once
// with cross-origin isolation and once without.
import { fileURLToPath } from "node:url";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { CHROMIUM } from "./chromium.js";

const timeouts = { testTimeout: 60_000, hookTimeout: 60_000 };

const IN_PAGE = ["test/browser/in-page/*.test.ts", "test/wasm/!(artefact).test.ts", "test/proto/*.test.ts"];
/** Where SharedArrayBuffer has its name. */
const IN_ISOLATED_PAGE = [...IN_PAGE, "test/links/chunk.test.ts"];

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

declare module "vitest" {
  interface ProvidedContext {
    /** Whether the page is meant to be cross-origin isolated. */
    isolated: boolean;
  }
}

const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

function inPage(name: string, isolated: boolean): TestProjectInlineConfiguration {
  const headers = isolated ? ISOLATION : {};
  return {
    server: { headers, fs: { deny: [] } }, // the TLS fixture is no secret
    resolve: {
      alias: {
        "node:assert/strict": here("in-page/node-assert.ts"),
        "node:fs": here("in-page/node-fs.ts"),
      },
    },
    define: { "process.env": JSON.stringify({ SEED: process.env.SEED }) },
    test: {
      name,
      include: isolated ? IN_ISOLATED_PAGE : IN_PAGE,
      globalSetup: here("in-page/relay.ts"),
      setupFiles: here("in-page/globals.ts"),
      provide: { isolated },
      ...timeouts,
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({
          launchOptions: { executablePath: CHROMIUM },
        }),
        instances: [{ browser: "chromium" }],
      },
    },
  };
}

export default defineConfig({
  test: {
    // A browser is several processes: on two cores one file at a time is as fast, and its timings are its own.
    fileParallelism: false,
    projects: [
      { test: { name: "driven", include: ["test/browser/*.test.ts"], ...timeouts } },
      inPage("in an isolated page", true),
      inPage("in a plain page", false),
    ],
  },
});
