import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { go } from "../browser/page.mjs";
import { api, eventIn, KEYS, open, Receiver, stage, test, until } from "./server.mjs";

const it = stage();

test("an endpoint is made in the form, an event is published, and the page shows it delivered", async () => {
  const receiver = await Receiver.start();
  const { page, context, trouble } = await open(it, { key: KEYS.acme, path: "/endpoints/new" });
  await page.getByLabel("URL").fill(receiver.url);
  await page.getByRole("button", { name: "Send a test now" }).click();
  await page.getByText("The receiver took it.").waitFor();
  await until("the test has come", () => receiver.received.length === 1);
  assert.equal((await api("GET", "/v1/endpoints")).data.length, 0, "nothing is saved by a test");

  await page.getByRole("button", { name: "Make the endpoint" }).click();
  const dialog = page.getByRole("dialog", { name: "The secret of the endpoint" });
  const secret = await dialog.locator("code").innerText();
  assert.match(secret, /^whsec_/);
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByRole("heading", { name: receiver.url, level: 1 }).waitFor();
  assert.equal(await page.getByText("whsec_").count(), 0);
  const { data: made } = await api("GET", "/v1/endpoints");
  assert.equal(made.length, 1);
  assert.ok(page.url().includes(made[0].id), page.url());
  assert.equal((await api("GET", `/v1/endpoints/${made[0].id}/secret`)).secret, secret);

  const answer = receiver.hold();
  const { id } = await api("POST", "/v1/events", { type: "order.paid", payload: { order: 7 } });
  await go(page, `/events/${id}`);
  const state = page.locator(".beside .status");
  await state.filter({ hasText: /pending|retrying/ }).waitFor();
  answer();
  await state.filter({ hasText: "delivered" }).waitFor();
  const rows = page.getByRole("table", { name: "Deliveries" });
  await rows.locator(".status").filter({ hasText: "delivered" }).waitFor();
  await rows.locator('a[href*="/deliveries/dlv_"]').first().click();
  await page.getByRole("heading", { name: "Delivery of order.paid", level: 1 }).waitFor();
  await page.getByText("The receiver took it.").waitFor();
  const sent = receiver.received.at(-1);
  assert.equal(sent.body.toString(), '{"order":7}');
  assert.equal(sent.headers["x-event-id"], id);
  assert.deepEqual(trouble, []);
  await context.close();
});

/** The signatures that this secret makes of a request, in the form of Standard Webhooks. */
function signature(secret, { headers, body }) {
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const hmac = createHmac("sha256", key).update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`);
  return `v1,${hmac.update(body).digest("base64")}`;
}

test("a secret is rotated, and both sign until the countdown is over", async () => {
  const receiver = await Receiver.start();
  const endpoint = await api("POST", "/v1/endpoints", { url: receiver.url }, KEYS.globex);
  const { page, context, trouble } = await open(it, { key: KEYS.globex, path: `/endpoints/${endpoint.id}?tab=secret` });
  await page.getByRole("button", { name: "Rotate" }).click();
  await page.getByRole("dialog", { name: "Rotate the secret?" }).getByRole("button", { name: "Rotate" }).click();
  const dialog = page.getByRole("dialog", { name: "The secret", exact: true });
  const rotated = await dialog.locator("code").innerText();
  assert.match(rotated, /^whsec_/);
  assert.notEqual(rotated, endpoint.secret);
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByText("signs for another").waitFor();
  await page.locator(".secrets .countdown").waitFor();
  assert.equal((await api("GET", `/v1/endpoints/${endpoint.id}/secret`, undefined, KEYS.globex)).secret, rotated);

  const { id } = await api("POST", "/v1/events", { type: "a.b", payload: 1 }, KEYS.globex);
  await eventIn(id, "delivered", KEYS.globex);
  const sent = receiver.received.at(-1);
  const signatures = sent.headers["webhook-signature"].split(" ");
  for (const secret of [rotated, endpoint.secret]) assert.ok(signatures.includes(signature(secret, sent)), `${signatures} of ${secret}`);
  assert.deepEqual(trouble, []);
  await context.close();
});

test("an endpoint that came late is given what it has missed, as it was", async () => {
  const payload = '<order id="7"/>';
  const event = { type: "late.order", payload_text: payload, content_type: "application/xml" };
  await api("POST", "/v1/events", event, KEYS.globex);
  const receiver = await Receiver.start();
  const { id } = await api("POST", "/v1/endpoints", { url: receiver.url, event_types: ["late.*"] }, KEYS.globex);
  const { page, context, trouble } = await open(it, { key: KEYS.globex, path: `/endpoints/${id}` });
  await page.getByRole("button", { name: "Backfill" }).click();
  await page.getByRole("dialog", { name: "Backfill" }).getByRole("button", { name: "Deliver 1" }).click();
  await page.getByRole("link", { name: "Watch its progress" }).click();
  await page.locator(".row.marked").getByText("done", { exact: true }).waitFor();
  const sent = await until("it has come", () => receiver.received[0]);
  assert.equal(sent.body.toString(), payload);
  assert.equal(sent.headers["content-type"], "application/xml");
  assert.deepEqual(trouble, []);
  await context.close();
});

test("a source is made and changed as the page offers it", async () => {
  const { page, context, trouble } = await open(it, { key: KEYS.globex, path: "/sources" });
  await page.getByRole("button", { name: "New source" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("chat");
  await page.getByLabel("Provider").selectOption("meta");
  await page.getByLabel("Secrets").fill("0123456789abcdef0123456789abcdef");
  await page.getByRole("button", { name: "Make it" }).click();
  await page.getByText("GET with hub.challenge (Meta, WebSub)", { exact: true }).last().waitFor();
  await page.getByRole("button", { name: "Change", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Verify token").fill("open sesame");
  await dialog.getByLabel("Body of the answer").fill("EVENT_RECEIVED");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByText("with a token").waitFor();
  const source = (await api("GET", "/v1/sources", undefined, KEYS.globex)).data.find(({ name }) => name === "chat");
  assert.deepEqual(source.answer, { body: "EVENT_RECEIVED" });
  assert.deepEqual([source.handshake.kind, source.handshake.has_verify_token], ["hub_challenge", true]);
  assert.deepEqual(trouble, []);
  await context.close();
});
