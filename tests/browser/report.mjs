// Looks at a failure report as people do: node report.mjs REPORT.html [directory for screenshots]

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, delimiter, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

const report = resolve(process.argv[2]);
const address = pathToFileURL(report).href;
const shots = process.argv[3] ?? await mkdtemp(join(tmpdir(), "postrider-report-"));

function browserPath() {
  const places = (process.env.PATH ?? "").split(delimiter);
  const found = NAMES.flatMap((name) => places.map((place) => join(place, name))).find((path) => existsSync(path));
  if (!found) throw new Error(`no browser: none of ${NAMES.join(", ")} is in the PATH; on Debian: apt-get install chromium`);
  return found;
}

/** Opens the report with the network off; `trouble` is what the page complains of or asks for. */
async function open(browser, options) {
  const context = await browser.newContext({ offline: true, acceptDownloads: true, ...options });
  const page = await context.newPage();
  const trouble = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) trouble.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => trouble.push(`error: ${error.stack}`));
  page.on("request", (request) => {
    if (request.url() !== address && !request.url().startsWith("blob:")) trouble.push(`asks for ${request.url()}`);
  });
  await page.goto(address);
  await painted(page);
  return { context, page, trouble };
}

const painted = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
const data = (page) => page.evaluate(() => window.report.data);
const text = (page, selector) => page.locator(selector).innerText();

/** Where a mark stands in the window, after it was brought into sight. */
async function place(page, mark) {
  return page.evaluate((at) => {
    const { boxOf } = window.report;
    const canvas = document.getElementById("timeline").getBoundingClientRect();
    const box = boxOf(at);
    return { x: canvas.left + box.x + box.width / 2, y: canvas.top + box.y + box.height / 2, left: box.x, width: box.width };
  }, mark);
}

const ATTEMPTS = ["delivered", "retried", "failed", "lost", "open"];

/** A mark that nothing else is near to, in the row that is in sight. */
function lonely(page) {
  return page.evaluate((kinds) => {
    const { data: { marks }, boxOf, markAt } = window.report;
    const canvas = document.getElementById("timeline");
    const high = canvas.clientHeight, wide = canvas.clientWidth;
    return marks.findIndex((mark, at) => {
      if (!kinds.includes(mark.kind) || !mark.attempt || mark.about[0] !== "d") return false;
      const { x, y, width, height } = boxOf(at);
      const seen = x > 0 && x + width < wide && y > 0 && y + height < high;
      return seen && markAt(x + width / 2, y + height / 2) === at;
    });
  }, ATTEMPTS);
}

async function saysWhatItIs(page) {
  const { violation } = await data(page);
  const verdict = await text(page, "#verdict");
  if (!violation) {
    assert.match(verdict, /All promises held/);
    assert.equal(await page.locator("#flag").count(), 0);
    return;
  }
  assert.equal(verdict.replace(/\s+/g, " "), `Broke: ${violation.promise}`);
  assert.equal((await text(page, "#said")).trim(), violation.said.trim());
  assert.equal(await page.locator("#said img").count(), 0, "what was said is text");
}

async function hasARowForEach(page) {
  const { rows, plan } = await data(page);
  const shown = await page.locator("#rows .row").count();
  assert.equal(shown, rows.length);
  for (const kind of ["sender", "disk", "fault", "receiver", "endpoint", "lane"]) {
    const expected = rows.filter((row) => row.kind === kind).length;
    assert.equal(await page.locator(`#rows .row.${kind}`).count(), expected, `${kind} rows`);
  }
  const { faults, receivers } = JSON.parse(plan);
  assert.equal(await page.locator("#rows .row.fault").count(), faults.length);
  assert.equal(await page.locator("#rows .row.receiver").count(), receivers.length);
  const lanes = new Set(rows.filter((row) => row.kind === "lane").map((row) => `${row.note}/${row.name}`));
  assert.equal(await page.locator("#rows .row.lane").count(), lanes.size);
}

async function paintsSomething(page) {
  const colours = await page.evaluate(() => {
    const canvas = document.getElementById("timeline");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data: pixels } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let at = 0; at < pixels.length; at += 4) if (pixels[at + 3] > 200) seen.add(pixels[at] << 16 | pixels[at + 1] << 8 | pixels[at + 2]);
    return seen.size;
  });
  assert.ok(colours >= 4, `${colours} colours`);
}

async function anAttemptShowsItsLines(page) {
  // The lanes are below; near the last of them something stands alone.
  await page.evaluate(() => { const stage = document.getElementById("stage"); stage.scrollTop = stage.scrollHeight; });
  await painted(page);
  let mark = await lonely(page);
  for (let tries = 0; mark < 0 && tries < 6; tries += 1) {
    await page.click("#zoom-in");
    await painted(page);
    mark = await lonely(page);
  }
  assert.ok(mark >= 0, "an attempt that can be clicked");
  const { marks, lines } = await data(page);
  const { x, y } = await place(page, mark);
  await page.mouse.click(x, y);
  const { label, about } = marks[mark];
  assert.equal(await text(page, "#detail h2"), label);
  const expected = lines.about.filter((names) => names.includes(about)).length;
  assert.equal(await page.locator("#detail .told li").count(), expected, `lines about ${about}`);
  const sent = lines.text[marks[mark].lines[0]].replace(/\s+/g, " ");
  assert.ok((await page.locator("#detail .told li.strong").allInnerTexts()).some((line) => line.includes(sent)), sent);
  assert.equal(await page.evaluate(() => window.report.chosen.line), marks[mark].lines[0], "the list follows");
  await page.click("#fit");
}

async function theBreakIsThere(page) {
  const { violation, lines } = await data(page);
  if (!violation) return;
  await page.click("#fit");
  const flag = await page.locator("#flag").boundingBox();
  const line = await page.evaluate(() => {
    const canvas = document.getElementById("timeline");
    return canvas.getBoundingClientRect().left + window.report.across(window.report.data.violation.at);
  });
  assert.ok(line >= flag.x - 1 && line <= flag.x + flag.width + 1, "the flag stands over the line");
  const red = await page.evaluate(() => {
    const canvas = document.getElementById("timeline"), sharp = devicePixelRatio;
    const x = Math.round(window.report.across(window.report.data.violation.at) * sharp);
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data: [r, g, b] } = copy.getImageData(x, 2, 1, 1);
    return r > 150 && r > 1.5 * g && r > 1.5 * b;
  });
  assert.ok(red, "the line is red");
  await page.click("#flag");
  assert.equal(await text(page, "#detail h2"), `Broke: ${violation.promise}`);
  assert.match(await text(page, "#detail .told li.broke"), new RegExp(lines.text[violation.line].trim().split(/\s+/).slice(0, 4).join("\\s+").replace(/[()#]/g, "\\$&")));
}

async function zoomAndCompressMoveTheBars(page) {
  const { marks } = await data(page);
  const first = marks.findIndex((mark) => ATTEMPTS.includes(mark.kind) && mark.attempt);
  await page.click("#fit");
  await painted(page);
  const whole = await place(page, first);
  const canvas = await page.locator("#timeline").boundingBox();
  await page.mouse.move(canvas.x + canvas.width * 0.7, canvas.y + 30);
  await page.mouse.wheel(0, -300);
  await painted(page);
  const wheeled = await place(page, first);
  assert.ok(Math.abs(wheeled.left - whole.left) > 3, "the wheel zooms");
  await page.mouse.down();
  await page.mouse.move(canvas.x + canvas.width * 0.7 + 60, canvas.y + 30, { steps: 4 });
  await page.mouse.up();
  await painted(page);
  const dragged = await place(page, first);
  assert.ok(Math.abs(dragged.left - wheeled.left - 60) < 2, "a drag pans");
  await page.click("#fit");
  await painted(page);
  assert.deepEqual(await place(page, first), whole, "the whole run again");
  const compress = page.locator("#compress");
  const { end } = await data(page);
  if (end > 3_600_000) assert.equal(await compress.getAttribute("aria-pressed"), "true", "days are compressed at first");
  if (await compress.isEnabled()) {
    const before = await compress.getAttribute("aria-pressed");
    await compress.click();
    await painted(page);
    assert.notEqual(await compress.getAttribute("aria-pressed"), before);
    assert.ok(Math.abs((await place(page, first)).left - whole.left) > 3, "compressing moves the bars");
    await compress.click();
    await painted(page);
  }
}

async function keysAreEnough(page) {
  await page.click("#fit");
  await page.locator("#timeline").focus();
  const span = () => page.evaluate(() => window.report.view.to - window.report.view.from);
  const whole = await span();
  await page.keyboard.press("+");
  assert.ok(await span() < whole, "+ zooms");
  const before = await page.evaluate(() => window.report.view.from);
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.evaluate(() => window.report.view.from) > before, "→ pans");
  await page.keyboard.press("0");
  assert.equal(await span(), whole, "0 shows the whole run");
  for (const key of ["ArrowDown", "ArrowDown", ".", ","]) await page.keyboard.press(key);
  const mark = await page.evaluate(() => window.report.chosen.mark);
  assert.ok(mark >= 0, "a mark has the focus");
  assert.ok((await text(page, "#spoken")).length > 5, "and is spoken");
  await page.keyboard.press("Enter");
  assert.equal(await text(page, "#detail h2"), (await data(page)).marks[mark].label);
  const line = () => page.evaluate(() => window.report.chosen.line);
  await page.locator("#lines").focus();
  await page.keyboard.press("Home");
  assert.equal(await line(), 0);
  await page.keyboard.press("ArrowDown");
  assert.equal(await line(), 1);
  assert.equal(await page.locator("#lines [aria-selected=true]").getAttribute("data-line"), "1");
}

async function theListNarrows(page) {
  const { lines } = await data(page);
  const count = async () => Number((await text(page, "#count")).split(" ")[0].replaceAll(",", ""));
  assert.equal(await count(), lines.text.length);
  await page.fill("#search", "Attempt d1");
  const expected = lines.text.filter((line) => line.toLowerCase().includes("attempt") && line.includes("d1")).length;
  assert.ok(expected > 0 && expected < lines.text.length);
  assert.equal(await count(), expected);
  for (const line of await page.locator("#lines .line .text").allInnerTexts()) assert.match(line, /d1/);
  await page.fill("#search", "");
  await page.locator("#who .chip", { hasText: "sender" }).click();
  assert.ok(await count() < lines.text.length);
  await page.locator("#who .chip", { hasText: "sender" }).click();
  assert.equal(await count(), lines.text.length);
  assert.ok(await page.locator("#lines .line").count() < 90, "only lines in sight are elements");
}

async function thePlanCanBeSaved(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save-plan")]);
  assert.equal(download.suggestedFilename(), "PLAN.json");
}

async function nothingStandsOut(page) {
  const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= inner, `${wide} px wide in a window of ${inner}`);
}

/** Draws a hundred times while it zooms. */
async function isFluent(page) {
  const worst = await page.evaluate(async () => {
    const canvas = document.getElementById("timeline"), took = [];
    for (let turn = 0; turn < 40; turn += 1) {
      const start = performance.now();
      canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: turn < 20 ? -40 : 40, cancelable: true }));
      await new Promise((done) => requestAnimationFrame(done));
      took.push(performance.now() - start);
    }
    return took.sort((a, b) => a - b)[30];
  });
  assert.ok(worst < 250, `a frame takes ${worst} ms`);
}

const DESK = [saysWhatItIs, hasARowForEach, paintsSomething, theBreakIsThere, zoomAndCompressMoveTheBars,
  anAttemptShowsItsLines, keysAreEnough, theListNarrows, thePlanCanBeSaved, isFluent, nothingStandsOut];
const PHONE = [saysWhatItIs, hasARowForEach, paintsSomething, anAttemptShowsItsLines, theListNarrows, nothingStandsOut];
const VIEWS = [
  ["light", { viewport: { width: 1280, height: 800 }, colorScheme: "light" }, DESK],
  ["dark", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" }, DESK],
  ["phone", { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, deviceScaleFactor: 2 }, PHONE],
];

const browser = await chromium.launch({ executablePath: browserPath(), args: ["--no-sandbox"] });
try {
  const grounds = new Set();
  for (const [name, options, looks] of VIEWS) {
    const { context, page, trouble } = await open(browser, options);
    await page.screenshot({ path: join(shots, `${basename(report, ".html")}-${name}.png`), fullPage: name === "phone" });
    for (const look of looks) {
      try {
        await look(page);
      } catch (error) {
        throw new Error(`${name}: ${look.name}: ${error.message}`, { cause: error });
      }
    }
    grounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    assert.deepEqual(trouble, [], `${name}: the page complains or asks for something`);
    await context.close();
  }
  assert.equal(grounds.size, 2, "light and dark differ");
  console.log(`looked at ${basename(report)}; screenshots in ${shots}`);
} finally {
  await browser.close();
}
