import assert from "node:assert/strict";
import { test } from "node:test";
import { KEY, open, settled, stage } from "./page.mjs";

const it = stage();

/** Presses Tab until something of this name has the focus. */
async function tabTo(page, name, most = 90) {
  for (let at = 0; at < most; at += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const it = document.activeElement;
      // Before the page is drawn nothing has the focus, and the body holds every text.
      if (!it || it === document.body) return "";
      const labelled = it?.labels?.[0]?.textContent ?? "";
      return (it?.getAttribute("aria-label") ?? `${labelled} ${it?.textContent ?? ""}`).trim();
    });
    if (focused.includes(name)) return;
  }
  throw new Error(`the keyboard does not reach ${name}`);
}

async function signedIn(path = "/", key = KEY.acme) {
  const opened = await open(it, { key, path });
  await settled(opened.page);
  return opened.page;
}

const heading = (page, name) => page.getByRole("heading", { name, level: 1 }).waitFor();

test("by keyboard: sign in", async () => {
  const { page } = await open(it);
  await tabTo(page, "Key of the API");
  await page.keyboard.type(KEY.acme);
  await page.keyboard.press("Enter");
  await heading(page, "Overview");
});

test("by keyboard: skip to the content", async () => {
  const page = await signedIn();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
});

test("by keyboard: go to another view, whose title has the focus", async () => {
  const page = await signedIn();
  await tabTo(page, "Lanes");
  await page.keyboard.press("Enter");
  await heading(page, "Lanes");
  await page.waitForFunction(() => document.activeElement?.textContent === "Lanes");
});

test("by keyboard: open an id", async () => {
  const page = await signedIn();
  const { id } = it.mock.data.deliveries.find(({ tenant }) => tenant === "acme");
  await tabTo(page, "Open an id");
  await page.keyboard.type(id);
  await page.keyboard.press("Enter");
  await heading(page, /^Delivery of/);
});

test("by keyboard: filter a list", async () => {
  const page = await signedIn("/events");
  await tabTo(page, "In the payload");
  await page.keyboard.type("nothing has this");
  await page.getByText("Nothing matches these filters").waitFor();
});

test("by keyboard: retry a head", async () => {
  const page = await signedIn("/lanes");
  await page.getByRole("button", { name: "Retry now" }).first().waitFor();
  await tabTo(page, "Retry now");
  await page.keyboard.press("Enter");
  await page.getByText("Its next attempt starts now.").waitFor();
});

test("by keyboard: see what is in a lane", async () => {
  const page = await signedIn("/lanes");
  await tabTo(page, "queued");
  await page.keyboard.press("Enter");
  await page.getByRole("list", { name: "The queue, in order" }).waitFor();
});

test("by keyboard: a dialog keeps the focus, closes by Escape and gives it back", async () => {
  const page = await signedIn("/keys");
  await tabTo(page, "New key");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  for (let at = 0; at < 25; at += 1) {
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement?.closest("dialog") !== null), "the focus left the dialog");
  }
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.querySelector("dialog") === null);
  assert.equal(await page.evaluate(() => document.activeElement?.textContent?.trim()), "New key");
});

test("by keyboard: read the chart hour by hour", async () => {
  const page = await signedIn();
  await tabTo(page, "Hour: use the arrow keys");
  const before = await page.locator(".readout").innerText();
  await page.keyboard.press("ArrowLeft");
  assert.notEqual(await page.locator(".readout").innerText(), before);
});

test("by keyboard: check a signature", async () => {
  const page = await signedIn("/debugger");
  await page.getByRole("button", { name: "a right request" }).waitFor();
  await tabTo(page, "a right request");
  await page.keyboard.press("Enter");
  await tabTo(page, "Check the signature");
  await page.keyboard.press("Enter");
  await page.getByText("The signature is right").waitFor();
});

test("by keyboard: change the theme and sign out", async () => {
  const page = await signedIn();
  await tabTo(page, "Theme: auto");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "light");
  await tabTo(page, "Key: acme admin");
  await page.keyboard.press("Enter");
  await tabTo(page, "Sign out", 3);
  await page.keyboard.press("Enter");
  await page.getByText("You are signed out.").waitFor();
});
