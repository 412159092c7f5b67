// Tests in a real browser: Debian's Chromium, driven from Node through playwright. npm run test:browser runs them all.
//
// To add one, write test/browser/NAME.test.ts:
//
//     import { expect, test } from "vitest";
//     import { openPage, run, site } from "./harness.js";
//
//     test("a page can do it", async () => {
//       const { server, origin } = await site({ isolated: true }); // with COOP and COEP; `server` takes a webSocketServer
//       const page = await openPage(origin);                       // Playwright's Page, in a browser context of its own
//       expect(await run(page, "NAME", { count: 3 })).toBe(6);
//     });
//
// and what is to happen in the page as a module, test/browser/pages/NAME.js, whose default export gets the arguments:
//
//     import { connect, webSocket } from "stable-conduit";       // the built package, by the exports of package.json
//     export default async ({ count }) => count * 2;             // arguments and result as JSON
//
// `page.evaluate(() => document.title)` does for a line or two, but a function of a test file cannot import there: vitest
// rewrites `import`. Sites, pages and their context are closed after each test; an error that nobody caught in a page
// fails its test.
import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from "playwright";
import { afterAll, afterEach, expect } from "vitest";
import { CHROMIUM, missing } from "./chromium.js";
import { type Site, type SiteOptions, startSite } from "./site.js";

export type { Browser, BrowserContext, CDPSession, Page } from "playwright";
export { blankPage, type Site, type SiteOptions } from "./site.js";

let launched: Promise<Browser> | undefined;
const leftovers: (() => unknown)[] = [];
/** Errors that nobody caught in a page. */
const uncaught: Error[] = [];

/** This file's browser, started when it is first asked for. */
export function browser(): Promise<Browser> {
  if (missing) throw new Error(missing);
  launched ??= chromium.launch({
    executablePath: CHROMIUM,
    args: ["--enable-blink-features=ForceEagerMeasureMemory"],
    // Pages are to go into the back/forward cache as they do for users.
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });
  return launched;
}

/** Cleans up after the running test, last one first. */
export function later(clean: () => unknown): void {
  leftovers.push(clean);
}

/** An origin to open pages of; the project's files and "/", a blank page. */
export async function site(options?: SiteOptions): Promise<Site> {
  const started = await startSite(options);
  later(() => started.close());
  return started;
}

/** Storage, cookies and cache of its own. */
export async function newContext(): Promise<BrowserContext> {
  const context = await (await browser()).newContext();
  later(() => context.close());
  return context;
}

/** A page that shows `url`; in a context of its own unless one is given. Its console goes to the terminal with DEBUG_PAGE=1. */
export async function openPage(url: string, context?: BrowserContext): Promise<Page> {
  const page = await (context ?? (await newContext())).newPage();
  page.on("pageerror", (error) => uncaught.push(error));
  if (process.env.DEBUG_PAGE) page.on("console", (message) => console.log(`page: ${message.text()}`));
  await page.goto(url);
  return page;
}

/**
 * Calls the default export of test/browser/pages/NAME.js in the page, and waits for what it returns.
 * @param name of the file, or a path on the page's origin that begins with "/"
 * @param args as JSON; the result too
 */
export function run<Result>(page: Page, name: string, ...args: unknown[]): Promise<Result> {
  const url = name.startsWith("/") ? name : `/test/browser/pages/${name}.js`;
  // As text: vitest would rewrite an import().
  const call = `import(${JSON.stringify(url)}).then((program) => program.default(...${JSON.stringify(args)}))`;
  return page.evaluate(call) as Promise<Result>;
}

/** The DevTools protocol of this page: network conditions, garbage, metrics, lifecycle. */
export function devTools(page: Page): Promise<CDPSession> {
  return page.context().newCDPSession(page);
}

afterEach(async () => {
  for (const clean of leftovers.splice(0).reverse()) await clean();
  expect(uncaught.splice(0)).toEqual([]);
});

afterAll(async () => {
  await (await launched)?.close();
});
