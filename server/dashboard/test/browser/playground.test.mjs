import assert from "node:assert/strict";
import { test } from "node:test";
import { go, KEY, open, settled, stage, violations } from "./page.mjs";

const it = stage();

test("an event is sent to a receiver that fails, and is seen to be tried again and delivered", async () => {
  const { page, trouble } = await open(it, { key: KEY.acme });
  await settled(page);
  await page.getByRole("link", { name: "Playground" }).click();
  await page.getByLabel("Event type").fill("order.paid");
  await page.waitForFunction(() => document.querySelector("textarea")?.value.includes("order.paid"));
  await page.getByLabel("Payload", { exact: true }).fill('{"amount": 9007199254740993}');
  await page.getByRole("radio", { name: /fails twice/ }).check();
  const sent = page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("/v1/events"));
  await page.getByRole("button", { name: "Send it" }).click();
  assert.match((await sent).postData(), /"payload":\{"amount": 9007199254740993\}/);
  await page.locator(".play-steps .countdown").first().waitFor();
  await page.locator(".play-steps").getByText("attempt 3").waitFor();
  await page.locator(".play-steps").getByText("ended").waitFor();
  assert.equal(it.mock.requests.filter((line) => line.startsWith("PUT ")).at(-1), "PUT /v1/endpoints/by-name/playground-fails_twice");
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(trouble, []);
});

test("a payload that is no JSON is not sent", async () => {
  const { page } = await open(it, { key: KEY.acme, path: "/playground" });
  await page.getByLabel("Payload", { exact: true }).fill("{");
  await page.getByText("Not JSON").waitFor();
  assert.ok(await page.getByRole("button", { name: "Send it" }).isDisabled());
});

test("the playground is where the server has one, and for no customer of a platform", async () => {
  const off = await open(it, { key: KEY.broken });
  await off.page.waitForSelector("h1");
  assert.equal(await off.page.getByRole("link", { name: "Playground" }).count(), 0);
  const portal = await open(it, { key: KEY.portal });
  await settled(portal.page);
  assert.equal(await portal.page.getByRole("link", { name: "Playground" }).count(), 0);
  for (const path of ["/playground", "/audit"]) {
    await go(portal.page, path);
    await portal.page.getByText("There is no such page").waitFor();
  }
});

test("a key that only reads is told what it lacks, and offers no test of a form", async () => {
  const { page } = await open(it, { key: KEY.read, path: "/playground" });
  await page.getByText("This key cannot send").waitFor();
  await go(page, "/endpoints/new");
  await page.getByRole("heading", { name: "New endpoint" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Send a test now" }).count(), 0);
});

test("a version of a template is tried out", async () => {
  const { page, trouble } = await open(it, { key: KEY.acme, path: "/templates" });
  await page.getByRole("link", { name: "slack-message" }).click();
  await page.getByRole("button", { name: "Try the template" }).click();
  await page.getByText("payment.succeeded: 4200").waitFor();
  assert.deepEqual(trouble, []);
});

test("the defaults of endpoints are saved", async () => {
  const { page } = await open(it, { key: KEY.acme, path: "/endpoint-defaults" });
  await page.getByLabel("Time for one attempt").fill("20s");
  await page.getByRole("button", { name: "Save the defaults" }).click();
  await page.getByText("The defaults are saved.").waitFor();
});

test("a source of any other provider says how it signs", async () => {
  const { page } = await open(it, { key: KEY.acme, path: "/sources" });
  await page.getByRole("button", { name: "New source" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("acme");
  await page.getByLabel("Provider").selectOption("custom");
  await page.getByLabel("Where the type is").fill("/event/kind");
  await page.getByLabel("Secrets").fill("0123456789abcdef0123456789abcdef");
  const sent = page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("/v1/sources"));
  await page.getByRole("button", { name: "Make it" }).click();
  assert.deepEqual(JSON.parse((await sent).postData()).custom, { scheme: "timestamped-sha256", type_pointer: "/event/kind" });
});

test("the button in the last column is whole at 1280 pixels", async () => {
  const { page } = await open(it, { key: KEY.operator });
  await settled(page);
  const waiting = it.mock.data.lanes.find(({ head }) => head.wait && head.wait.cause !== "sending" && !head.resent_as).head;
  await go(page, `/events/${waiting.event_id}?tenant=${waiting.tenant}`);
  const button = page.getByRole("button", { name: "Retry now" }).first();
  await button.waitFor();
  const cut = await button.evaluate((it) => {
    const own = it.getBoundingClientRect();
    const cell = it.closest(".cell").getBoundingClientRect();
    const rows = it.closest(".rows").getBoundingClientRect();
    return Math.max(own.right - cell.right, own.right - rows.right);
  });
  assert.ok(cut <= 0, `${cut} pixels are cut`);
});

test("an id of any tenant is opened by a key for all of them", async () => {
  const { page, trouble } = await open(it, { key: KEY.operator });
  await settled(page);
  const delivery = it.mock.data.deliveries.find(({ tenant }) => tenant !== "default");
  await page.getByRole("searchbox", { name: "Open an id" }).fill(delivery.id);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `Delivery of ${delivery.event_type}` }).waitFor();
  assert.ok(it.mock.requests.some((line) => line.startsWith(`GET /v1/deliveries/${delivery.id}?`) && line.includes("tenant=*")));
  assert.deepEqual(trouble, []);
});

test("what has no ordering key is found in its own lane", async () => {
  const endpoint = it.mock.data.endpoints.find(({ tenant }) => tenant === "acme");
  const { page } = await open(it, { key: KEY.acme, path: `/endpoints/${endpoint.id}?tab=deliveries` });
  await settled(page);
  const asked = page.waitForRequest((request) => new URL(request.url()).searchParams.get("ordering_key") === "");
  await page.getByLabel("Lane", { exact: true }).selectOption("own");
  await asked;
  assert.match(page.url(), /lane=own/);
});
