import assert from "node:assert/strict";
import { test } from "node:test";
import { go, KEY, open, settled, stage, watched } from "./page.mjs";

const it = stage();

const until = async (what, ms = 15_000) => {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    if (await what()) return true;
    await new Promise((done) => setTimeout(done, 100));
  }
  return false;
};

test("ten tabs have one stream between them, and one that goes hands it on", async () => {
  const { page, context, trouble } = await open(it, { key: KEY.acme });
  await page.locator(".lines li.calm, .lines li.good").first().waitFor();
  const tabs = [page];
  const troubles = [trouble];
  for (let at = 1; at < 10; at += 1) {
    const tab = await context.newPage();
    troubles.push(watched(tab, it.mock));
    await tab.goto(`${it.mock.url}/ui/#token=${KEY.acme}`);
    tabs.push(tab);
  }
  const last = tabs.at(-1);
  await last.locator(".lines li[class]").first().waitFor();
  assert.equal(it.mock.streams.size, 1);
  await page.close();
  assert.ok(await until(() => it.mock.streams.size === 1));
  const before = await last.locator(".lines li[class]").first().innerText();
  assert.ok(await until(async () => (await last.locator(".lines li[class]").first().innerText()) !== before));
  assert.deepEqual(troubles.flat(), []);
  await context.close();
  assert.ok(await until(() => it.mock.streams.size === 0));
});

test("a hidden tab has no stream", async () => {
  const { page, context } = await open(it, { key: KEY.acme });
  assert.ok(await until(() => it.mock.streams.size === 1));
  const turn = (hidden) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await turn(true);
  assert.ok(await until(() => it.mock.streams.size === 0));
  await turn(false);
  assert.ok(await until(() => it.mock.streams.size === 1));
  await context.close();
});

test("the tail can be paused, and says how much waits", async () => {
  const { page, context } = await open(it, { key: KEY.acme });
  await page.locator(".lines li[class]").first().waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  const first = () => page.locator(".lines li").first().innerText();
  const before = await first();
  await page.getByText(/\d+ wait/).waitFor();
  assert.equal(await first(), before);
  await page.getByRole("button", { name: "Go on" }).click();
  assert.ok(await until(async () => (await first()) !== before));
  await context.close();
});

test("a countdown is the server's though the browser's clock is an hour wrong", async () => {
  const lane = it.mock.data.lanes.find(({ tenant, head }) => tenant === "acme" && head.wait?.until);
  const { browser, mock } = it;
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(() => {
    const real = Date.now;
    const Real = Date;
    // Every reading of the calendar is an hour ahead.
    globalThis.Date = class extends Real {
      constructor(...args) {
        if (args.length === 0) super(real() + 3_600_000);
        else super(...args);
      }
      static now = () => real() + 3_600_000;
    };
  });
  await page.goto(`${mock.url}/ui/#token=${KEY.acme}`);
  await settled(page);
  lane.head.wait.until = new Date(Date.now() + 9_000).toISOString();
  await go(page, `/deliveries/${lane.head.id}`);
  const shown = page.locator(".banner .countdown");
  await shown.filter({ hasText: /^\d\.\d s$/ }).waitFor();
  const [text, at] = await page.evaluate(() => [document.querySelector(".banner .countdown").textContent, performance.timeOrigin + performance.now()]);
  const left = Number.parseFloat(text) * 1_000;
  const due = Date.parse(lane.head.wait.until);
  assert.ok(Math.abs(due - at - left) < 250, `${left} is shown, ${due - at} are left`);
  await context.close();
});
