import assert from "node:assert/strict";
import { test } from "node:test";
import { VIEWS, worth } from "../views.mjs";
import { go, KEY, open, settled, stage, violations } from "./page.mjs";

const it = stage();

async function all(options, ready = settled, only = null) {
  const { page, trouble, context } = await open(it, options);
  await ready(page);
  const found = [];
  for (const [name, path] of VIEWS) {
    if (only && !only.includes(name)) continue;
    await go(page, path(worth(it.mock.data)));
    await page.waitForTimeout(60);
    await ready(page);
    for (const violation of await violations(page)) found.push(`${name}: ${violation}`);
  }
  await context.close();
  assert.deepEqual(found, []);
  assert.deepEqual(trouble, []);
}

for (const theme of ["light", "dark"]) {
  for (const width of [1280, 390]) {
    test(`every view is accessible in ${theme} at ${width} pixels`, () => all({ key: KEY.operator, theme, width }));
  }
}

test("views that have nothing to show are accessible", () => all({ key: KEY.empty }));

test("views that cannot load are accessible", () => all({ key: KEY.broken }, (page) => page.waitForSelector("h1")));

test("views that are loading are accessible", () => all({ key: KEY.slow, theme: "dark" }, (page) => page.waitForSelector("h1")));

test("the portal is accessible in the tenant's colour", async () => {
  for (const theme of ["light", "dark"]) await all({ key: KEY.portal, theme }, settled, ["overview", "endpoints", "endpoint", "events", "dead-letters"]);
});

test("signing in and being signed out are accessible", async () => {
  const { page, trouble } = await open(it);
  await page.waitForSelector("h1");
  assert.deepEqual(await violations(page), []);
  await page.getByLabel("Key of the API").fill("key_wrong_1");
  await page.keyboard.press("Enter");
  await page.getByText("does not accept this key").waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(trouble, []);
});

test("dialogs are accessible", async () => {
  const { page, trouble } = await open(it, { key: KEY.operator, path: "/keys" });
  await page.getByRole("button", { name: "New key" }).click();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press("Escape");
  await go(page, "/dead-letters");
  await page.getByRole("button", { name: "Retry all…" }).click();
  await page.getByRole("button", { name: /^Retry \d/ }).waitFor();
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(trouble, []);
});

test("no view is wider than a narrow page", async () => {
  const { page } = await open(it, { key: KEY.operator, width: 390 });
  await settled(page);
  const wide = [];
  for (const [name, path] of VIEWS) {
    await go(page, path(worth(it.mock.data)));
    await page.waitForTimeout(100);
    await settled(page);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 390) wide.push(`${name}: ${width}`);
  }
  assert.deepEqual(wide, []);
});
