import assert from "node:assert/strict";
import { test } from "node:test";
import { go, KEY, open, settled, stage, watched } from "./page.mjs";

const it = stage();

test("a token in the fragment signs in and is gone from the address and the history", async () => {
  const { page, trouble } = await open(it, { key: KEY.operator });
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  assert.ok(!page.url().includes("token"));
  await page.goBack().catch(() => null);
  assert.ok(!page.url().includes("token"));
  assert.deepEqual(trouble, []);
});

test("a bad key is refused with the reason", async () => {
  const { page } = await open(it);
  await page.getByLabel("Key of the API").fill("key_nobody_1");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("does not accept this key").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test("what one key has seen is not shown to the next in the same tab", async () => {
  const { page } = await open(it, { key: KEY.operator, path: "/keys" });
  await page.getByRole("table", { name: "Keys" }).waitFor();
  await page.getByRole("button", { name: "Key: operator" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Key of the API").fill(KEY.slow);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Keys" }).waitFor();
  await page.waitForTimeout(300);
  assert.equal(await page.getByRole("table", { name: "Keys" }).count(), 0);
});

test("a pasted id opens what it names, of whatever tenant", async () => {
  const { data } = it.mock;
  const { page } = await open(it, { key: KEY.operator });
  const event = data.events.find(({ id, tenant }) => tenant === "globex" && data.deliveries.some(({ event_id }) => event_id === id));
  const finder = page.getByRole("searchbox", { name: "Open an id" });
  await finder.fill(event.id);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: event.type, level: 1 }).waitFor();
  assert.match(page.url(), /tenant=globex/);
});

test("a key is kept in the tab alone", async () => {
  const { page, context } = await open(it, { key: KEY.operator });
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  assert.equal(await page.evaluate(() => Object.values(localStorage).join()), "");
  const other = await context.newPage();
  await other.goto(`${it.mock.url}/ui/`);
  await other.getByLabel("Key of the API").waitFor();
});

test("the link of a portal is good for one key", async () => {
  const good = await open(it, { key: "plk_good" });
  await good.page.getByText("Webhooks of acme").waitFor();
  assert.equal(await good.page.getByRole("link", { name: "Keys" }).count(), 0);
  const used = await open(it, { key: "plk_used" });
  await used.page.getByText("does not sign in any more").waitFor();
});

test("acts that a key may not do are not shown", async () => {
  const { endpoints } = it.mock.data;
  const mine = endpoints.find(({ tenant, failures }) => tenant === "acme" && failures > 0);
  const { page } = await open(it, { key: KEY.read, path: "/lanes" });
  await settled(page);
  await page.locator(".lane").first().waitFor();
  assert.equal(await page.getByRole("button", { name: "Retry now" }).count(), 0);
  await go(page, `/endpoints/${mine.id}`);
  await page.getByRole("link", { name: "Deliveries" }).waitFor();
  for (const name of ["Pause", "Delete", "Send a test"]) assert.equal(await page.getByRole("button", { name }).count(), 0, name);
  assert.equal(await page.getByRole("link", { name: "Secret" }).count(), 0);
});

test("a key that publishes alone is told so", async () => {
  const { page } = await open(it, { key: KEY.publish });
  await page.getByText("This key publishes").waitFor();
});

test("the page works below any path and asks for nothing elsewhere", async () => {
  const { page, trouble } = await open(it, { key: KEY.operator });
  await settled(page);
  const asked = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname));
  assert.ok(asked.length > 5);
  for (const path of asked) assert.ok(path.startsWith("/below/some/path/"), path);
  assert.deepEqual(trouble, []);
});

test("markup and addresses of others stay text", async () => {
  const hostile = it.mock.data.events.find(({ payload }) => payload.includes("<script>"));
  const { page, trouble } = await open(it, { key: KEY.operator, path: `/events/${hostile.id}?tenant=${hostile.tenant}` });
  await settled(page);
  const payload = page.getByLabel("The payload");
  await payload.getByText("<script>alert(1)</script>").waitFor();
  // Digits and repeated names that a parser would lose.
  const text = await payload.innerText();
  assert.ok(text.includes("9007199254740993"));
  assert.equal(text.match(/"a":/g).length, 2);
  const odd = it.mock.data.endpoints.find(({ url }) => url.startsWith("javascript:"));
  await go(page, `/endpoints/${odd.id}?tenant=${odd.tenant}`);
  await page.getByText("javascript:alert(document.domain)").first().waitFor();
  assert.equal(await page.locator('a[href^="javascript:" i]').count(), 0);
  assert.deepEqual(trouble, []);
});

test("the bytes that are saved are the bytes that were published", async () => {
  const hostile = it.mock.data.events.find(({ payload }) => payload.includes("<script>"));
  const { page } = await open(it, { key: KEY.operator, path: `/events/${hostile.id}?tenant=${hostile.tenant}` });
  await settled(page);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save" }).click()]);
  const stream = await download.createReadStream();
  let bytes = "";
  for await (const part of stream) bytes += part;
  assert.equal(bytes, hostile.payload);
});

test("errors say what to do and can be tried again", async () => {
  const { page } = await open(it, { key: KEY.broken, path: "/system" });
  await page.getByText("The store has failed.").first().waitFor({ timeout: 15_000 });
  await page.getByText("Look at the server's log").first().waitFor();
  await page.getByRole("button", { name: "Try again" }).first().waitFor();
});

test("an empty list shows a line for a shell without the key in it", async () => {
  const { page } = await open(it, { key: KEY.empty, path: "/endpoints" });
  const line = await page.locator(".curl pre").innerText();
  assert.ok(line.includes(`${it.mock.url}/v1/endpoints`), line);
  assert.ok(line.includes("$POSTRIDER_API_KEY"));
  assert.ok(!line.includes(KEY.empty));
});

test("filters are in the address and come back with it", async () => {
  const { page, context } = await open(it, { key: KEY.operator, path: "/endpoints" });
  await settled(page);
  await page.getByLabel("State").selectOption("paused");
  await page.getByLabel("URL, name or description").fill("nothing like it");
  await page.waitForURL(/url=nothing/);
  await page.getByText("Nothing matches these filters").waitFor();
  assert.match(page.url(), /state=paused/);
  assert.match(page.url(), /url=nothing/);
  const other = await context.newPage();
  const trouble = watched(other, it.mock);
  await other.addInitScript((key) => sessionStorage.setItem("postrider.key", key), KEY.operator);
  await other.goto(page.url());
  await other.getByText("Nothing matches these filters").waitFor();
  await other.getByRole("button", { name: "Clear the filters" }).click();
  await other.getByRole("table", { name: "Endpoints" }).waitFor();
  assert.deepEqual(trouble, []);
});
