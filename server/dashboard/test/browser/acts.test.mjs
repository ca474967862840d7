import assert from "node:assert/strict";
import { test } from "node:test";
import { go, KEY, open, settled, stage } from "./page.mjs";

const it = stage();

test("a failing endpoint, its cause and the retry are two clicks apart", async () => {
  const { page } = await open(it, { key: KEY.operator });
  await settled(page);
  await page.getByRole("link", { name: "All lanes" }).click();
  const lane = page.locator(".lane", { has: page.getByRole("button", { name: "Retry now" }) }).first();
  await lane.locator(".error-line").waitFor();
  await lane.getByRole("button", { name: "Retry now" }).click();
  await page.getByText("Its next attempt starts now.").waitFor();
});

test("an endpoint is made and its secret shown once", async () => {
  const { page, trouble } = await open(it, { key: KEY.acme, path: "/endpoints/new" });
  await page.getByRole("button", { name: "Make the endpoint" }).click();
  await page.getByText("Where do its requests go?").waitFor();
  await page.getByLabel("URL").fill("https://example.com/hook");
  await page.getByRole("checkbox", { name: "*", exact: false }).first().uncheck();
  await page.getByLabel("Another type or family").fill("order.*, payment.failed");
  await page.keyboard.press("Enter");
  assert.ok(await page.getByRole("checkbox", { name: "payment.failed" }).isChecked());
  await page.getByRole("button", { name: "Send a test now" }).click();
  await page.getByText("The receiver took it.").waitFor();
  await page.getByRole("button", { name: "Make the endpoint" }).click();
  const dialog = page.getByRole("dialog", { name: "The secret of the endpoint" });
  await dialog.getByText("whsec_").waitFor();
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByRole("heading", { name: "example.com/hook" }).waitFor();
  assert.equal(await page.getByText("whsec_").count(), 0);
  assert.deepEqual(trouble, []);
});

test("a filter is tried before it is saved", async () => {
  const { page } = await open(it, { key: KEY.acme, path: "/endpoints/new" });
  await page.getByText("Filter by content").click();
  await page.getByLabel("Only payloads that match").fill('{"amount": {"$gt": 100}}');
  await page.getByRole("button", { name: "Try the filter" }).click();
  await page.getByText("It gets this payload.").waitFor();
  await page.getByLabel("Payload to try").fill('{"amount": 4}');
  await page.getByRole("button", { name: "Try the filter" }).click();
  await page.getByText("It does not get this payload.").waitFor();
});

test("a bulk act says what it will do and then does that", async () => {
  const { page } = await open(it, { key: KEY.acme, path: "/dead-letters?reason=exhausted" });
  await settled(page);
  await page.getByRole("button", { name: "Retry all that match…" }).click();
  const dialog = page.getByRole("dialog");
  const act = dialog.getByRole("button", { name: /^Retry \d/ });
  await act.waitFor();
  const told = Number((await act.innerText()).replace(/\D/g, ""));
  const dry = await dialog.locator(".report td.number").allInnerTexts();
  assert.equal(dry.map((text) => Number(text.replace(/\D/g, ""))).reduce((a, b) => a + b, 0), told);
  await act.click();
  await dialog.getByRole("link", { name: "Watch its progress" }).click();
  await page.getByRole("heading", { name: "Replays" }).waitFor();
  await page.locator(".row.marked").waitFor();
});

test("dead letters are chosen and resent", async () => {
  const { page } = await open(it, { key: KEY.operator, path: "/dead-letters" });
  await settled(page);
  await page.getByRole("checkbox").first().check();
  await page.getByRole("button", { name: "Resend 1" }).click();
  await page.getByText("1 resent.").waitFor();
});

test("a secret is rotated with an overlap that counts down", async () => {
  const endpoint = it.mock.data.endpoints.find(({ secrets }) => secrets.length === 1);
  const { page } = await open(it, { key: KEY.operator, path: `/endpoints/${endpoint.id}?tenant=${endpoint.tenant}&tab=secret` });
  await page.getByRole("button", { name: "Rotate" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
  await page.getByRole("dialog", { name: "The secret" }).getByRole("button", { name: "Done" }).click();
  await page.getByText("signs for another").waitFor();
  await page.locator(".secrets .countdown").waitFor();
});

test("deleting says what it will take with it", async () => {
  const endpoint = it.mock.data.endpoints[5];
  const { page } = await open(it, { key: KEY.operator, path: `/endpoints/${endpoint.id}?tenant=${endpoint.tenant}` });
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByText(`${endpoint.counts.dead_letters} dead`, { exact: false }).waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
});

test("the debugger finds a body that was parsed and written again", async () => {
  const { page, trouble } = await open(it, { key: KEY.acme, path: "/debugger" });
  await page.getByRole("button", { name: "a right request" }).click();
  await page.getByRole("button", { name: "Check the signature" }).click();
  await page.getByText("The signature is right").waitFor();
  await page.getByRole("button", { name: "a body that was parsed" }).click();
  await page.getByRole("button", { name: "Check the signature" }).click();
  await page.getByText("NO_MATCH").waitFor();
  await page.locator(".verdict-box").getByText(/written again|parsed/).first().waitFor();
  assert.deepEqual(trouble, []);
});

test("the verifier is loaded where it is needed only", async () => {
  const { page } = await open(it, { key: KEY.acme });
  await settled(page);
  const wasm = () => page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => name.endsWith(".wasm")).length);
  assert.equal(await wasm(), 0);
  await go(page, "/debugger");
  await page.getByRole("button", { name: "Check the signature" }).waitFor();
  assert.equal(await wasm(), 1);
});

test("an attempt is copied as a line for a shell, signed anew", async () => {
  const delivery = it.mock.data.deliveries.find(({ tenant, attempts }) => tenant === "acme" && attempts.length > 0 && attempts[0].url.startsWith("https"));
  const { page, context } = await open(it, { key: KEY.acme, path: `/deliveries/${delivery.id}`, permissions: ["clipboard-read", "clipboard-write"] });
  await page.getByRole("button", { name: "Copy as curl" }).click();
  await page.getByText("It is signed for now").waitFor();
  const line = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(line, /^curl -i -X POST 'https:/);
  assert.match(line, /webhook-signature: v1,/);
  assert.ok(!line.includes("dGhpcyBpcyBub3QgYSByZWFsIHNpZ25hdHVyZQ"));
  await context.close();
});

test("what an endpoint did not get is explained", async () => {
  const event = it.mock.data.events.find(({ tenant }) => tenant === "acme");
  const { page } = await open(it, { key: KEY.acme, path: `/events/${event.id}` });
  await settled(page);
  const choice = page.locator(".why-not select");
  await page.waitForFunction(() => document.querySelectorAll(".why-not option").length > 1);
  await choice.selectOption({ index: 1 });
  await page.getByText("it does not subscribe to this type").waitFor();
});
