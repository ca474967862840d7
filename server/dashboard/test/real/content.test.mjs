import assert from "node:assert/strict";
import { go } from "../browser/page.mjs";
import { api, ask, eventIn, KEYS, open, Receiver, stage, test, until } from "./server.mjs";

const it = stage();

const SCRIPT = "<script>window.owned = 1</script>";
const IMAGE = "<img src=x onerror=window.owned=1>";
const ADDRESS = "javascript:window.owned=1";

/** What a parser would lose: digits, a name that comes twice, escapes, white space. */
const PAYLOAD = `{"text": "${SCRIPT}${IMAGE}", "link":"${ADDRESS}", "n":9007199254740993, "a":1, "a":2,\t"é":"\\u00e9 é 漢 😀 \\ud83d"}`;

/** An event whose every part was written by somebody who means ill, and a receiver that does, too. */
async function hostile() {
  const receiver = await Receiver.start(400);
  receiver.headers = { location: ADDRESS, "x-odd": SCRIPT };
  receiver.body = `${SCRIPT}${IMAGE}`;
  const endpoint = await api("POST", "/v1/endpoints", { url: `${receiver.url}/${encodeURIComponent(SCRIPT)}`, description: `${IMAGE} ${ADDRESS}` });
  const { id } = await api("POST", "/v1/events", `{"type":"page.saved","ordering_key":${JSON.stringify(ADDRESS)},"payload":${PAYLOAD}}`);
  const event = await eventIn(id, "failed");
  return { receiver, endpoint, event, delivery: event.deliveries[0] };
}

/** What is saved when this is clicked. */
async function saved(page, button) {
  const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
  const parts = [];
  for await (const part of await download.createReadStream()) parts.push(part);
  return Buffer.concat(parts);
}

test("markup and addresses of others stay text, wherever they are shown", async () => {
  const { endpoint, event, delivery } = await hostile();
  const { page, context, trouble } = await open(it, { key: KEYS.acme });
  const views = [
    ["/events", () => page.getByRole("table", { name: "Events" }).getByText("page.saved")],
    [`/events/${event.id}`, () => page.getByLabel("The payload", { exact: true }).getByText(SCRIPT)],
    [`/deliveries/${delivery.id}`, () => page.getByLabel("Body of the response", { exact: true }).getByText(SCRIPT)],
    [`/deliveries/${delivery.id}?attempt=1`, () => page.getByRole("region", { name: "Headers of the response" }).getByText(ADDRESS)],
    [`/endpoints/${endpoint.id}`, () => page.getByText(`${IMAGE} ${ADDRESS}`)],
    [`/endpoints/${endpoint.id}?tab=settings`, () => page.getByLabel("Description")],
    [`/endpoints/${endpoint.id}?tab=deliveries`, () => page.getByText(ADDRESS)],
    ["/dead-letters", () => page.getByRole("table", { name: "Dead letters" }).getByText(ADDRESS)],
    ["/events?payload=window.owned", () => page.getByRole("table", { name: "Events" }).getByText("page.saved")],
  ];
  for (const [path, seen] of views) {
    await go(page, path);
    await seen().first().waitFor();
    assert.equal(await page.locator('a[href^="javascript:" i]').count(), 0, path);
    assert.equal(await page.locator('img[src="x"], #root script').count(), 0, path);
    assert.equal(await page.evaluate(() => "owned" in window), false, path);
  }
  assert.deepEqual(trouble, []);
  await context.close();
});

test("an endpoint at an address that is none of the web is refused", async () => {
  const { status } = await ask("POST", "/v1/endpoints", { body: { url: ADDRESS } });
  assert.ok(status >= 400 && status < 500, `${status}`);
  const { page, context, trouble } = await open(it, { key: KEYS.acme, path: "/endpoints/new" });
  await page.getByLabel("URL").fill(ADDRESS);
  await page.getByRole("button", { name: "Make the endpoint" }).click();
  await page.locator(".wrong, .failure").first().waitFor();
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.deepEqual(trouble, []);
  await context.close();
});

test("bytes that are copied and saved are those that were published and sent", async () => {
  const { receiver, event, delivery } = await hostile();
  const payload = Buffer.from(PAYLOAD);
  assert.deepEqual(receiver.received[0].body, payload);
  const { page, context, trouble } = await open(it, { key: KEYS.acme, path: `/events/${event.id}`, permissions: ["clipboard-read", "clipboard-write"] });
  for (const [path, label] of [
    [`/events/${event.id}`, "The payload"],
    [`/deliveries/${delivery.id}`, "Body of the request"],
  ]) {
    await go(page, path);
    const shown = page.locator(".payload").filter({ has: page.getByLabel(label, { exact: true }) });
    await page.evaluate(() => navigator.clipboard.writeText("nothing"));
    await shown.getByRole("button", { name: "Copy" }).click();
    const copied = await until("it is copied", async () => {
      const text = await page.evaluate(() => navigator.clipboard.readText());
      return text !== "nothing" && text;
    });
    assert.equal(copied, PAYLOAD, label);
    assert.deepEqual(await saved(page, shown.getByRole("button", { name: "Save" })), payload, label);
  }
  assert.deepEqual(trouble, []);
  await context.close();
});

/** Puts a request into the debugger and gives what that says. */
async function judged(page, { raw, secret, body }) {
  const lines = [];
  for (let at = 0; at < raw.length; at += 2) lines.push(`${raw[at]}: ${raw[at + 1]}`);
  await page.getByLabel("Headers", { exact: true }).fill(lines.join("\n"));
  await page.getByLabel("Secrets", { exact: true }).fill(secret);
  await page.getByLabel("Body", { exact: true }).fill(body);
  await page.getByRole("button", { name: "Check the signature" }).click();
  return page.locator(".verdict-box").innerText();
}

test("the debugger finds that the body of a real delivery was parsed and written again", async () => {
  const receiver = await Receiver.start();
  const { secret } = await api("POST", "/v1/endpoints", { url: receiver.url }, KEYS.globex);
  await api("POST", "/v1/events", { type: "order.paid", payload: { order: 7, lines: [{ sku: "a" }] } }, KEYS.globex);
  const { raw, body } = await until("it has come", () => receiver.received[0]);
  const { page, context, trouble } = await open(it, { key: KEYS.globex, path: "/debugger" });
  const sent = body.toString();
  assert.match(await judged(page, { raw, secret, body: sent }), /The signature is right/);
  const rewritten = JSON.stringify(JSON.parse(sent), null, 2);
  assert.match(await judged(page, { raw, secret, body: rewritten }), /NO_MATCH[^]*written again/);
  const changed = sent.replace("7", "8");
  const verdict = await judged(page, { raw, secret, body: changed });
  assert.match(verdict, /NO_MATCH/);
  assert.deepEqual(trouble, []);
  await context.close();
});

test("what is against the policy of the page does not run, and is noticed", async () => {
  const { page, context, trouble } = await open(it, { key: KEYS.acme });
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  assert.deepEqual(trouble, []);
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.owned = 1";
    const image = document.createElement("img");
    image.src = "https://elsewhere.example/pixel.png";
    document.body.append(script, image);
    document.body.setAttribute("onclick", "window.owned = 1");
  });
  await page.locator("h1").click();
  for (const directive of ["script-src-elem", "script-src-attr", "img-src"]) {
    await until(`${directive} is noticed`, () => trouble.some((line) => line.includes(`policy: ${directive} forbids`)));
  }
  assert.equal(await page.evaluate(() => "owned" in window), false);
  await context.close();
});
