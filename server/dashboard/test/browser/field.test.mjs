import assert from "node:assert/strict";
import { test } from "node:test";
import { go, KEY, open, settled, stage, violations } from "./page.mjs";

const it = stage();

const numberIn = (text) => Number(text.replace(/\D/g, ""));
const sent = (page, method, end) => page.waitForRequest((request) => request.method() === method && request.url().endsWith(end));
const dataOf = async (request) => JSON.parse((await request).postData());
const acme = (rows, is = () => true) => rows.find((row) => row.tenant === "acme" && is(row));

test("an endpoint is given what it has missed once a dry run has said what that is", async () => {
  const endpoint = acme(it.mock.data.endpoints, ({ status }) => status === "active");
  const { page, trouble } = await open(it, { key: KEY.acme, path: `/endpoints/${endpoint.id}` });
  await page.getByRole("button", { name: "Backfill" }).click();
  const dialog = page.getByRole("dialog", { name: "Backfill" });
  await dialog.getByLabel("Published in").selectOption("");
  const act = dialog.getByRole("button", { name: /^Deliver \d/ });
  await act.waitFor();
  const told = numberIn(await act.innerText());
  const lines = await dialog.locator(".report td.number").allInnerTexts();
  assert.ok(told > 0);
  assert.equal(lines.map(numberIn).reduce((a, b) => a + b, 0), told);
  await dialog.getByText("the endpoint has, had or may have had a delivery of them").waitFor();
  assert.deepEqual(await violations(page), []);
  const asked = page.waitForRequest((request) => request.url().endsWith("/backfill") && !JSON.parse(request.postData()).dry_run);
  await act.click();
  assert.deepEqual(Object.keys(await dataOf(asked)).sort(), ["event_types", "from", "until"]);
  await dialog.getByRole("link", { name: "Watch its progress" }).click();
  await page.getByRole("heading", { name: "Replays" }).waitFor();
  await page.locator(".row.marked").getByText(/^backfill to/).waitFor();
  assert.deepEqual(trouble, []);
});

test("a dry run counts the types alone that were typed", async () => {
  const endpoint = acme(it.mock.data.endpoints, ({ status }) => status === "active");
  const { page } = await open(it, { key: KEY.acme, path: `/endpoints/${endpoint.id}` });
  await page.getByRole("button", { name: "Backfill" }).click();
  const dialog = page.getByRole("dialog", { name: "Backfill" });
  const asked = page.waitForRequest((request) => request.url().endsWith("/backfill") && JSON.parse(request.postData()).event_types.length === 2);
  await dialog.getByLabel("Event types").fill("nothing.here, nor.here");
  assert.equal((await dataOf(asked)).dry_run, true);
  await dialog.getByText("0 match.").waitFor();
  assert.ok(await dialog.getByRole("button", { name: "Deliver 0" }).isDisabled());
});

test("who may not manage is not offered a backfill", async () => {
  const endpoint = acme(it.mock.data.endpoints);
  const { page } = await open(it, { key: KEY.portal, path: `/endpoints/${endpoint.id}` });
  await page.getByRole("button", { name: "Send a test" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Backfill" }).count(), 0);
});

test("a payload that is no JSON is shown as text or as bytes with its type", async () => {
  const { events } = it.mock.data;
  const xml = events.find(({ content_type }) => content_type === "application/xml");
  const { page, trouble } = await open(it, { key: KEY.operator, path: `/events/${xml.id}?tenant=${xml.tenant}` });
  const shown = page.getByLabel("The payload", { exact: true });
  await shown.getByText('<order id="11"><paid/></order>').waitFor();
  await page.locator(".payload").getByText("application/xml").waitFor();
  const coded = events.find(({ content_encoding }) => content_encoding === "gzip");
  await go(page, `/events/${coded.id}?tenant=${coded.tenant}`);
  await shown.getByText("00 07 0e 15 1c").waitFor();
  await page.locator(".payload").getByText("application/octet-stream, gzip · no text, the first 256 bytes").waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save" }).click()]);
  assert.equal(download.suggestedFilename(), `${coded.id}.gz`);
  assert.deepEqual(trouble, []);
});

test("an attempt says that its request was sent twice, and why", async () => {
  const delivery = it.mock.data.deliveries.find(({ attempts }) => attempts.at(-1)?.repeated);
  const { page } = await open(it, { key: KEY.acme, path: `/deliveries/${delivery.id}` });
  await page.getByText("Sent twice").waitFor();
  await page.getByText("found that closed", { exact: false }).waitFor();
  await page.getByRole("region", { name: "Headers of the request" }).getByText("x-attempt-repeat").waitFor();
});

test("an endpoint gets a media type of its own, and requests that are sent once", async () => {
  const endpoint = acme(it.mock.data.endpoints, ({ content_type }) => content_type === null);
  const { page, trouble } = await open(it, { key: KEY.acme, path: `/endpoints/${endpoint.id}?tab=settings` });
  await page.getByText("Order, retries and limits").click();
  await page.getByLabel("If a connection closes under a request").selectOption("no");
  await page.getByText("Signature, headers and body").click();
  await page.getByLabel("Content-Type", { exact: true }).fill("application/x-shop");
  assert.deepEqual(await violations(page), []);
  const asked = sent(page, "PATCH", `/v1/endpoints/${endpoint.id}`);
  await page.getByRole("button", { name: "Save" }).click();
  assert.deepEqual(await dataOf(asked), { content_type: "application/x-shop", send_again: false });
  await page.getByText("Saved.").waitFor();
  assert.deepEqual(trouble, []);
});

test("a source of a provider that signs the URL is made with it", async () => {
  const { page, trouble } = await open(it, { key: KEY.acme, path: "/sources" });
  await page.getByRole("button", { name: "New source" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("sms");
  await page.getByLabel("Provider").selectOption("twilio");
  await page.getByText("The auth token.").waitFor();
  await page.getByLabel("Secrets").fill("12345");
  await page.getByLabel("URL as it was entered there").fill("https://hooks.example.com/sms");
  assert.deepEqual(await violations(page), []);
  const asked = sent(page, "POST", "/v1/sources");
  await page.getByRole("button", { name: "Make it" }).click();
  assert.deepEqual(await dataOf(asked), { name: "sms", provider: "twilio", secrets: ["12345"], tolerance_s: 300, url: "https://hooks.example.com/sms" });
  await page.getByText("URL that is signed").waitFor();
  assert.deepEqual(trouble, []);
});

test("a signature that no scheme has is described", async () => {
  const { page } = await open(it, { key: KEY.acme, path: "/sources" });
  await page.getByRole("button", { name: "New source" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("acme-2");
  await page.getByLabel("Provider").selectOption("custom");
  await page.getByLabel("Scheme").selectOption("own");
  await page.getByLabel("How it is signed").fill('{"algorithm": "token", "header": "x-token"}');
  await page.getByLabel("Secrets").fill("0123456789abcdef0123456789abcdef");
  const asked = sent(page, "POST", "/v1/sources");
  await page.getByRole("button", { name: "Make it" }).click();
  assert.deepEqual((await dataOf(asked)).custom, { signature: { algorithm: "token", header: "x-token" } });
});

test("a source where nothing is signed has no secret, and says so", async () => {
  const { page } = await open(it, { key: KEY.acme, path: "/sources" });
  await page.getByRole("button", { name: "New source" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("inside");
  await page.getByLabel("Provider").selectOption("custom");
  await page.getByLabel("Scheme").selectOption("none");
  assert.equal(await page.getByLabel("Secrets").count(), 0);
  await page.getByLabel("Networks that requests may come from").fill("10.0.0.0/8");
  const asked = sent(page, "POST", "/v1/sources");
  await page.getByRole("button", { name: "Make it" }).click();
  const { secrets, custom, allowed_networks } = await dataOf(asked);
  assert.deepEqual({ secrets, custom, allowed_networks }, { secrets: [], custom: { scheme: "none" }, allowed_networks: ["10.0.0.0/8"] });
  await page.getByText("whoever can reach it is believed").waitFor();
});

test("a source's answer, handshake and bound are changed, and nothing else", async () => {
  const source = it.mock.data.sources[0];
  const { page, trouble } = await open(it, { key: KEY.acme, path: `/sources/${source.id}` });
  await page.getByRole("button", { name: "Change", exact: true }).click();
  const dialog = page.getByRole("dialog");
  assert.ok(await dialog.getByRole("button", { name: "Save" }).isDisabled());
  await dialog.getByLabel("Status of the answer").fill("202");
  await dialog.getByLabel("Handshake").selectOption("hub_challenge");
  await dialog.getByLabel("Verify token").fill("open sesame");
  await dialog.getByLabel("Largest body, in MiB").fill("25");
  assert.deepEqual(await violations(page), []);
  const asked = sent(page, "PATCH", `/v1/sources/${source.id}`);
  await dialog.getByRole("button", { name: "Save" }).click();
  assert.deepEqual(await dataOf(asked), { answer: { status: 202 }, handshake: { kind: "hub_challenge", verify_token: "open sesame", unsigned_pings: false }, body_bytes_max: 26_214_400 });
  await page.getByText("GET with hub.challenge (Meta, WebSub), with a token").waitFor();
  assert.equal(await page.getByText("open sesame").count(), 0);
  assert.deepEqual(trouble, []);
});

test("the acts of certificates and backfills are in the log, and can be asked for", async () => {
  const { page } = await open(it, { key: KEY.operator, path: "/audit?act=client_certificate.set" });
  await settled(page);
  await page.getByRole("table", { name: "Audit" }).getByText("client_certificate.set").first().waitFor();
  const acts = await page.locator("datalist option").evaluateAll((options) => options.map((option) => option.getAttribute("value")));
  for (const act of ["client_certificate.set", "client_certificate.delete", "endpoint.backfill"]) assert.ok(acts.includes(act), act);
});
