// A SharedWorker and its pages: a link each, and what happens when a page is gone.
import { expect, test } from "vitest";
import { newContext, openPage, run, site } from "./harness.js";

test.each([true, false])(
  "pages have a conduit each to their SharedWorker, which notices that one is gone: isolated %s",
  async (isolated) => {
    const { origin } = await site({ isolated });
    const context = await newContext();
    const first = await openPage(origin, context);
    const second = await openPage(origin, context);
    expect(await run(first, "hub", 1)).toEqual([1]);
    expect(await run(second, "hub", 2)).toEqual([2]);
    await second.close();
    expect(await run(first, "hub", 1)).toEqual([2, 1]);
  },
);
