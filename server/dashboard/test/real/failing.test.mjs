import assert from "node:assert/strict";
import { api, eventIn, KEYS, open, Receiver, stage, test, until } from "./server.mjs";

const it = stage();

const HOUR_MS = 3_600_000;

test("from the overview it is two clicks to the cause and to the retry of a mended endpoint", async () => {
  const receiver = await Receiver.start(503);
  const endpoint = await api("POST", "/v1/endpoints", { url: receiver.url, retry: { delays_ms: [HOUR_MS] } });
  const publish = async (order) => (await api("POST", "/v1/events", { type: "order.paid", payload: { order } })).id;
  const first = await publish(1);
  await until("the first backs off", async () => (await api("GET", `/v1/events/${first}`)).deliveries[0]?.wait?.cause === "backoff");
  const second = await publish(2);

  const { page, context, trouble } = await open(it, { key: KEYS.acme });
  await page.locator(".panel").filter({ hasText: "Endpoints that fail" }).locator(".status").filter({ hasText: "failing" }).waitFor();
  await page.getByRole("link", { name: "All lanes" }).click();
  const lane = page.locator(".lane");
  await lane.locator(".wait").filter({ hasText: "backs off after a failure" }).waitFor();
  await lane.locator(".code.bad").filter({ hasText: "503" }).waitFor();
  await lane.locator(".countdown").waitFor();
  await lane.getByRole("button", { name: "2 queued" }).waitFor();
  assert.equal(await lane.count(), 1);

  receiver.status = 200;
  await lane.getByRole("button", { name: "Retry now" }).click();
  await page.getByText("Its next attempt starts now.").waitFor();
  await eventIn(first, "delivered");
  await eventIn(second, "delivered");
  await page.getByRole("heading", { name: "Nothing waits" }).waitFor();
  assert.deepEqual(
    receiver.received.map(({ body }) => body.toString()),
    ['{"order":1}', '{"order":1}', '{"order":2}'],
  );
  const mended = await api("GET", `/v1/endpoints/${endpoint.id}`);
  assert.equal(mended.failures, 0);
  assert.deepEqual(trouble, []);
  await context.close();
});

/** Numbers in a text, as people write them. */
const number = (text) => Number(text.replaceAll(/\D/g, ""));

test("a bulk retry does what its dry run has told, and passes over what that has told", async () => {
  const receiver = await Receiver.start(400);
  const make = async () => (await api("POST", "/v1/endpoints", { url: receiver.url }, KEYS.globex)).id;
  const [good, off] = [await make(), await make()];
  for (const type of ["bulk.a", "bulk.b", "bulk.a", "bulk.a"]) {
    const { id } = await api("POST", "/v1/events", { type, payload: { type } }, KEYS.globex);
    await eventIn(id, "failed", KEYS.globex);
  }
  await api("POST", `/v1/endpoints/${off}/disable`, {}, KEYS.globex);
  assert.equal(receiver.received.length, 8);
  receiver.status = 200;

  const { page, context, trouble } = await open(it, { key: KEYS.globex, path: "/dead-letters?event_type=bulk.a" });
  await page.getByRole("button", { name: "Retry all that match…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator(".report").waitFor();
  const [matched, actedOn] = (await dialog.locator(".report > p strong").allInnerTexts()).map(number);
  const [skipped] = (await dialog.locator(".report li strong").allInnerTexts()).map(number);
  assert.deepEqual({ matched, actedOn, skipped }, { matched: 6, actedOn: 3, skipped: 3 });
  await dialog.getByText("their endpoint is disabled").waitFor();
  assert.equal(receiver.received.length, 8, "a dry run sends nothing");

  await dialog.getByRole("button", { name: `Retry ${actedOn}` }).click();
  await dialog.getByRole("link", { name: "Watch its progress" }).click();
  const row = page.locator(".row.marked");
  await row.getByText(`${matched} of ${matched}`).waitFor();
  await row.locator(".status").filter({ hasText: "done" }).waitFor();
  const { data: replays } = await api("GET", "/v1/replays", undefined, KEYS.globex);
  assert.equal(replays.length, 1);
  const [done] = replays;
  assert.deepEqual([done.state, done.total, done.resent, done.skipped], ["done", matched, actedOn, skipped]);
  assert.deepEqual(done.skipped_by, [{ why: "endpoint_disabled", count: skipped }]);
  await until("what was resent has come", () => receiver.received.length === 8 + actedOn);
  for (const { body } of receiver.received.slice(8)) assert.equal(body.toString(), '{"type":"bulk.a"}');
  const { data: left } = await api("GET", `/v1/dead-letters?endpoint_id=${good}`, undefined, KEYS.globex);
  assert.deepEqual(left.map(({ event_type }) => event_type), ["bulk.b"]);
  assert.deepEqual(trouble, []);
  await context.close();
});
