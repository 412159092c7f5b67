// examples/arena in a page: what it shows after cuts. ARENA_SCREENSHOT=1 npm run test:browser -- arena
// takes the picture of its README anew.
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { ConduitSide } from "../../examples/arena/page/conduit-side.js";
import { Program } from "../examples/program.js";
import { later, openPage, type Page } from "./harness.js";

/** The arena in a page, with what it must not do: load from elsewhere, or offend its own policy. */
async function openArena(size: { width: number; height: number }): Promise<{
  server: Program;
  page: Page;
  wrong: string[];
}> {
  const server = new Program("arena/server/server.js", ["0", "127.0.0.1"]);
  const [, origin] = await server.until(/(http:\/\/127\.0\.0\.1:\d+)\//);
  const page = await openPage("about:blank");
  const wrong: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) wrong.push(request.url());
  });
  page.on("response", (response) => {
    if (response.status() >= 400) wrong.push(`${response.status()} ${response.url()}`);
  });
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) wrong.push(message.text());
  });
  await page.setViewportSize(size);
  await page.goto(`${origin}/?name=You`);
  await linked(page);
  return { server, page, wrong };
}

const SIDES = ["#conduit", "#plain"];

async function linked(page: Page, text = "connected"): Promise<void> {
  for (const side of SIDES) await page.locator(`${side} .link`, { hasText: text }).waitFor();
}

/** Until both sides show so many cuts, and have a link. */
async function cuts(page: Page, count: number): Promise<void> {
  for (const side of SIDES) {
    await expect.poll(() => figure(page, side, "cuts"), { timeout: 20_000 }).toBe(String(count));
  }
  await linked(page);
}

function figure(page: Page, side: string, name: string): Promise<string | null> {
  return page.locator(`${side} [data-figure=${name}]`).textContent();
}

/** Pixels of the world that something is drawn on. */
function drawn(page: Page, side: string): Promise<number> {
  return page.evaluate((selector) => {
    const canvas = document.querySelector(`${selector} canvas`) as HTMLCanvasElement;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
  }, side);
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel("Say something").fill(text);
  await page.getByRole("button", { name: "Say" }).click();
}

test("the arena in a page shows nothing lost or repeated through the conduit, and what the plain WebSocket lost", async () => {
  const { page, wrong } = await openArena({ width: 1280, height: 730 });
  for (const side of SIDES) expect(await drawn(page, side)).toBeGreaterThan(1_000);
  const { x, y, width, height } = (await page.locator("#conduit canvas").boundingBox())!;
  await page.mouse.move(x + width / 2, y + height / 3);

  await page.getByRole("button", { name: "Offline for 3 s" }).click();
  await linked(page, "no link");
  await page.getByRole("button", { name: "Pulse" }).click();
  await say(page, "hello from the tunnel");
  await cuts(page, 1);
  await page.locator("#conduit .lines", { hasText: "hello from the tunnel" }).waitFor();
  for (let count = 2; count <= 5; count++) {
    await page.getByRole("button", { name: "Cut my network" }).click();
    await cuts(page, count);
  }
  await say(page, "out again");
  for (const side of SIDES) await page.locator(`${side} .lines`, { hasText: "out again" }).waitFor();

  await expect.poll(() => figure(page, "#plain", "lostParts"), { timeout: 20_000 }).toMatch(/ 2 actions$/);
  for (const name of ["lost", "repeated"]) {
    expect(await figure(page, "#conduit", name)).toBe("0");
    expect(await figure(page, "#conduit", `${name}Parts`)).toBe("0 events, 0 actions");
  }
  for (const side of SIDES) {
    expect(await figure(page, side, "rtt")).toMatch(/^\d+(\.\d)? m?s$/);
    expect(await figure(page, side, "resume")).toMatch(/^\d+(\.\d)? m?s$/);
    expect(await figure(page, side, "rate")).not.toBe("0/s");
  }
  expect(wrong).toEqual([]);
  if (process.env.ARENA_SCREENSHOT)
    await page.screenshot({ path: "examples/arena/screenshot.png", fullPage: true });
});

test("the arena fits a phone", async () => {
  const { page, wrong } = await openArena({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  for (const name of ["Cut my network", "Offline for 3 s", "Pulse", "Say"]) {
    const { x, y, width, height } = (await page.getByRole("button", { name }).boundingBox())!;
    expect(x).toBeGreaterThanOrEqual(0);
    expect(x + width).toBeLessThanOrEqual(360);
    expect(y + height).toBeLessThanOrEqual(740); // without scrolling
    expect(height).toBeGreaterThanOrEqual(44);
  }
  expect(wrong).toEqual([]);
});

test("the arena fits a phone on its side: both worlds and the buttons, without scrolling", async () => {
  const { page } = await openArena({ width: 667, height: 375 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(667);
  const inView = [
    ...SIDES.flatMap((side) => [page.locator(`${side} canvas`), page.locator(`${side} [data-figure=lost]`)]),
    ...["Cut my network", "Pulse", "Say"].map((name) => page.getByRole("button", { name })),
    page.getByLabel("Say something"),
  ];
  for (const part of inView) {
    const { x, y, width, height } = (await part.boundingBox())!;
    expect(x + width).toBeLessThanOrEqual(667);
    expect(y + height).toBeLessThanOrEqual(375);
  }
});

test("the arena in a page says when its session is over", async () => {
  const { server, page } = await openArena({ width: 1280, height: 730 });
  server.signal("SIGTERM");
  expect(await server.ended).toBe(0);
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  expect(await dialog.textContent()).toMatch(/The arena has closed\..*Join again/s);
  await linked(page, "no link");
});

test("a page that is loaded again leaves no ship behind", async () => {
  const { page } = await openArena({ width: 1280, height: 730 });
  const { host } = new URL(page.url());
  const ann = new ConduitSide(`ws://${host}/conduit?page=the-page-of-ann-0`, "ann", { WebSocket });
  later(() => ann.leave());
  const ids = () => [...ann.world.ships.values()].flatMap(({ id, name }) => (name === "You" ? [id] : []));
  await expect.poll(ids).toHaveLength(1);
  const [before] = ids();
  await page.reload();
  await linked(page);
  // At once: the server waits a minute for a page that has only lost its link.
  await expect.poll(ids, { timeout: 20_000 }).not.toContain(before);
  expect(ids()).toHaveLength(1);
});
