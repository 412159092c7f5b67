// The harness itself: what pages of it are, and what the package finds there.
import { expect, test } from "vitest";
import { devTools, openPage, run, site } from "./harness.js";

test.each([
  [true, "shared"],
  [false, "plain"],
])("a page with isolation %s has the %s build", async (isolated, build) => {
  const { origin } = await site({ isolated });
  const page = await openPage(origin);
  expect(await page.evaluate(() => [isSecureContext, crossOriginIsolated])).toEqual([true, isolated]);
  expect(await run(page, "which-build")).toEqual({ build, item: [7] });
});

test("a program runs under a Content-Security-Policy, which holds", async () => {
  const { origin } = await site({
    headers: { "content-security-policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'" },
    pages: {
      "/strict.html": "<!doctype html><link rel=icon href=data:,><title>strict</title>",
      "/evaluate.js": "export default (text) => { try { return eval(text) } catch (e) { return e.name } }",
    },
  });
  const page = await openPage(`${origin}/strict.html`);
  expect(await run(page, "/evaluate.js", "1 + 1")).toBe("EvalError");
});

test("the DevTools protocol is at hand", async () => {
  const { origin } = await site();
  const session = await devTools(await openPage(origin));
  await session.send("Performance.enable");
  const { metrics } = await session.send("Performance.getMetrics");
  expect(metrics.map(({ name }) => name)).toContain("JSHeapUsedSize");
});

test("nothing outside of the project is served", async () => {
  const { origin } = await site();
  for (const path of ["/../../etc/hostname", "/%2e%2e/%2e%2e/etc/hostname", "/..%2f..%2fetc/hostname"]) {
    expect((await fetch(`${origin}${path}`)).status).toBe(404);
  }
});
