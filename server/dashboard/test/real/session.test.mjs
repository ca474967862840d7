import assert from "node:assert/strict";
import { go } from "../browser/page.mjs";
import { api, KEYS, open, stage, test } from "./server.mjs";

const it = stage();

const kept = (page) => page.evaluate(() => Object.values(sessionStorage).join() + Object.values(localStorage).join());

test("a key that was never made is refused, and is not kept", async () => {
  const { page, context, trouble } = await open(it);
  await page.getByLabel("Key of the API").fill("key_of_nobody");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("does not accept this key").waitFor();
  assert.ok(!(await kept(page)).includes("key_of_nobody"));
  assert.deepEqual(trouble, []);
  await context.close();
});

test("a key that is revoked while it is used is signed out", async () => {
  const { id, key } = await api("POST", "/v1/keys", { name: "guest", scopes: ["read"] });
  const { page, context, trouble } = await open(it, { key });
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  assert.ok(!page.url().includes(key), page.url());
  await api("DELETE", `/v1/keys/${id}`);
  await go(page, "/events");
  await page.getByRole("alert").getByText("does not accept this key").waitFor();
  assert.ok(!(await kept(page)).includes(key));
  assert.deepEqual(trouble, []);
  await context.close();
});

test("a key for all tenants sees each of them, and a key for one that alone", async () => {
  const url = "https://merchant.example/webhooks";
  const of = { acme: await api("POST", "/v1/endpoints", { url: `${url}/acme` }), globex: await api("POST", "/v1/endpoints", { url: `${url}/globex` }, KEYS.globex) };
  const all = await open(it, { key: KEYS.operator, path: "/endpoints" });
  const rows = all.page.getByRole("table", { name: "Endpoints" });
  for (const { id } of Object.values(of)) await rows.locator(`a[href*="${id}"]`).first().waitFor();
  const one = await open(it, { key: KEYS.acme, path: "/endpoints" });
  await one.page.locator(`a[href*="${of.acme.id}"]`).first().waitFor();
  assert.equal(await one.page.locator(`a[href*="${of.globex.id}"]`).count(), 0);
  assert.equal(await one.page.getByRole("link", { name: "Tenants" }).count(), 0);
  for (const { trouble, context } of [all, one]) {
    assert.deepEqual(trouble, []);
    await context.close();
  }
});
