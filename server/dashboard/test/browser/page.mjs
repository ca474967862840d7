// What the tests in a browser share: a server of made-up data, a page that is signed in, and a list of
// all that the browser complains of.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { after, before } from "node:test";
import { chromium } from "playwright-core";
import { browserPath } from "../browser-path.mjs";
import { Mock } from "../mock/server.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const KEY = { operator: "key_operator_1", acme: "key_acme_1", read: "key_read_1", publish: "key_publish_1", portal: "key_portal_1", empty: "key_empty_1", slow: "key_slow_1", broken: "key_broken_1", many: "key_many_1" };

/** A browser and a server for the tests of a file. */
export function stage({ prefix = "/below/some/path" } = {}) {
  const it = { browser: null, mock: null };
  before(async () => {
    it.mock = await new Mock({ prefix }).listen();
    it.browser = await chromium.launch({ executablePath: browserPath(), args: ["--no-sandbox"] });
  });
  after(async () => {
    await it.browser?.close();
    await it.mock?.close();
  });
  return it;
}

/** A page; `trouble` is what the browser complains of, and what it asks another server for. */
export async function open({ browser, mock }, { key, path = "/", width = 1280, theme = "light", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 860 }, colorScheme: theme, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const trouble = watched(page, mock);
  if (key) await page.goto(`${mock.url}/ui/#token=${key}`);
  else await page.goto(`${mock.url}/ui/`);
  if (path !== "/") await go(page, path);
  return { context, page, trouble };
}

export function watched(page, mock) {
  const trouble = [];
  page.on("console", (message) => {
    // A refused request is a line on the console, too; whether it is right is asserted elsewhere.
    if (["error", "warning"].includes(message.type()) && !/Failed to load resource/.test(message.text())) trouble.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => trouble.push(`error: ${error.stack}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${mock.url}/`) && !request.url().startsWith("blob:")) trouble.push(`asks for ${request.url()}`);
  });
  return trouble;
}

export async function go(page, path) {
  await page.evaluate((to) => void (location.hash = to), path);
}

/** What is against the rules of accessibility. The script runs in the page beside its policy. */
export async function violations(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary?.split("\n")[1] ?? ""}`).join(" | ")}`);
  });
}

/** Waits until nothing is being loaded. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelector("h1") !== null && !document.querySelector(".loading"), null, { timeout: 20_000 });
}
