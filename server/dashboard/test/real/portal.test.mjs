import assert from "node:assert/strict";
import { go } from "../browser/page.mjs";
import { api, BASE, eventIn, given, KEYS, open, Receiver, stage, test, until } from "./server.mjs";

const it = stage();

const SHOP = given("SHOP_URL");
const STRANGER = given("STRANGER_URL");

const link = (form = {}) => api("POST", "/v1/portal-links", form);

/** Something of each kind, of a tenant that tells its name wherever it can. */
async function belongings(key, name) {
  const receiver = await Receiver.start(400);
  const endpoint = await api("POST", "/v1/endpoints", { url: `${receiver.url}/${name}-address` }, key);
  const { id } = await api("POST", "/v1/events", { type: `${name}.failed`, payload: { secret: `${name}-payload` } }, key);
  const event = await eventIn(id, "failed", key);
  return { endpoint, event, delivery: event.deliveries[0], words: [`${name}-address`, `${name}-payload`, `${name}.failed`] };
}

/** A page that is signed in by a link, in no frame. */
async function portal(form) {
  const made = await link(form);
  const { context, page, trouble } = await open(it);
  await page.goto("about:blank");
  await page.goto(made.url);
  await page.getByText("Webhooks of acme").waitFor();
  return { context, page, trouble, made };
}

test("the portal of one tenant shows what is its own, and nothing of another by its ids", async () => {
  const mine = await belongings(KEYS.acme, "acme");
  const other = await belongings(KEYS.globex, "globex");
  const { context, page, trouble } = await portal({ acts: ["retry", "manage_endpoints", "test"] });
  assert.ok(!page.url().includes("plk_"), page.url());
  await go(page, `/events/${mine.event.id}`);
  await page.getByLabel("The payload", { exact: true }).getByText("acme-payload").waitFor();
  for (const path of [
    `/events/${other.event.id}`,
    `/deliveries/${other.delivery.id}`,
    `/endpoints/${other.endpoint.id}`,
    `/endpoints/${other.endpoint.id}?tab=secret`,
    `/events/${other.event.id}?tenant=globex`,
    `/endpoints/${other.endpoint.id}?tenant=*`,
  ]) {
    await go(page, "/");
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await go(page, path);
    await page.locator(".failure").getByText("not_found").first().waitFor();
    const shown = await page.locator("main").innerText();
    for (const word of other.words) assert.ok(!shown.includes(word), `${path} shows ${word}`);
  }
  for (const [path, title, own] of [
    ["/events", "Events", "acme.failed"],
    ["/endpoints", "Endpoints", "acme-address"],
    ["/dead-letters", "Dead letters", "acme.failed"],
    ["/", "Overview", "Accepted"],
  ]) {
    await go(page, path);
    await page.getByRole("heading", { name: title, level: 1 }).waitFor();
    await page.locator("main").getByText(own).first().waitFor();
    await page.waitForFunction(() => !document.querySelector(".loading"));
    const shown = await page.locator("main").innerText();
    assert.ok(!shown.includes("globex"), path);
  }
  for (const name of ["Keys", "Tenants", "System"]) assert.equal(await page.getByRole("link", { name, exact: true }).count(), 0, name);
  assert.deepEqual(trouble, []);
  await context.close();
});

test("a session of the portal reaches nothing of another tenant by the requests that a page can make", async () => {
  const other = await belongings(KEYS.globex, "hidden");
  const { context, page } = await portal({ acts: ["retry", "manage_endpoints", "test"] });
  const { endpoint, event, delivery } = other;
  const asks = [
    `GET /v1/endpoints/${endpoint.id}`,
    `GET /v1/endpoints/${endpoint.id}/secret`,
    `GET /v1/endpoints/${endpoint.id}/stats`,
    `GET /v1/endpoints/${endpoint.id}/deliveries`,
    `PATCH /v1/endpoints/${endpoint.id}`,
    `DELETE /v1/endpoints/${endpoint.id}`,
    `POST /v1/endpoints/${endpoint.id}/test`,
    `POST /v1/endpoints/${endpoint.id}/rotate-secret`,
    `GET /v1/events/${event.id}`,
    `GET /v1/events/${event.id}/payload`,
    `GET /v1/deliveries/${delivery.id}`,
    `GET /v1/deliveries/${delivery.id}/attempts`,
    `GET /v1/deliveries/${delivery.id}/attempts/1/request-body`,
    `POST /v1/deliveries/${delivery.id}/retry`,
    "GET /v1/endpoints?tenant=globex",
    "GET /v1/events?tenant=*",
    "GET /v1/stats?tenant=*",
    "GET /v1/keys",
    "GET /v1/audit",
    "GET /v1/tenants",
    "GET /v1/system",
    "POST /v1/portal-links",
    "POST /v1/keys",
  ];
  const answers = await page.evaluate(
    async ([base, asks]) => {
      const key = sessionStorage.getItem("postrider.key");
      const answers = [];
      for (const ask of asks) {
        const [method, path] = ask.split(" ");
        const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
        const body = ["POST", "PATCH"].includes(method) ? "{}" : undefined;
        let answer;
        do answer = await fetch(base + path, { method, headers, body });
        while (answer.status === 429);
        answers.push([ask, answer.status, await answer.text()]);
      }
      return answers;
    },
    [BASE, asks],
  );
  assert.equal(answers.length, asks.length);
  for (const [ask, status, text] of answers) {
    assert.ok([400, 403, 404].includes(status), `${ask}: ${status} ${text}`);
    for (const word of other.words) assert.ok(!text.includes(word), `${ask}: ${text}`);
  }
  const still = await api("GET", `/v1/endpoints/${endpoint.id}`, undefined, KEYS.globex);
  assert.equal(still.url, endpoint.url);
  await context.close();
});

test("a link signs in once", async () => {
  const first = await portal({});
  await first.context.close();
  const second = await open(it);
  await second.page.goto("about:blank");
  await second.page.goto(first.made.url);
  await second.page.getByText("does not sign in any more").waitFor();
  assert.deepEqual([...first.trouble, ...second.trouble], []);
  await second.context.close();
});

/** Puts the portal into a frame of another site's page. */
async function framed(page, site, url) {
  await page.goto(site);
  await page.evaluate((url) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    frame.width = "1000";
    frame.height = "700";
    document.body.append(frame);
  }, url);
}

test("the portal stands in a frame of the site that the operator names, and in no other", async () => {
  const made = await link();
  const context = await it.browser.newContext();
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  const said = [];
  const scripts = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("request", (request) => request.url().includes("/assets/") && scripts.push(request.url()));
  await framed(page, STRANGER, made.url);
  const isRefused = () => said.some((line) => line.includes("frame-ancestors")) || page.frames().some((frame) => frame.url().startsWith("chrome-error:"));
  await until("the browser refuses the frame", isRefused);
  assert.deepEqual(scripts, [], "nothing of the portal runs there");
  // So the link is as good as before.
  await framed(page, SHOP, made.url);
  await page.frameLocator("iframe").getByText("Webhooks of acme").waitFor();
  said.length = 0;
  await framed(page, SHOP, `${BASE}/ui/`);
  await until("the dashboard is in no frame", isRefused);
  await context.close();
});
