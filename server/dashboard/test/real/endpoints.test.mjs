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
