import assert from "node:assert/strict";
import { watched } from "../browser/page.mjs";
import { api, BASE, KEYS, open, Receiver, stage, test, until } from "./server.mjs";

const it = stage();

/** The streams that a browser has open, and how many it has opened. */
function streams(context) {
  const all = { now: new Set(), opened: 0 };
  context.on("request", (request) => {
    if (!request.url().includes("/v1/stream")) return;
    all.now.add(request);
    all.opened += 1;
  });
  for (const end of ["requestfinished", "requestfailed"]) context.on(end, (request) => all.now.delete(request));
  return all;
}

test("ten tabs have one stream between them, all show what it brings, and the next takes it over", async () => {
  const receiver = await Receiver.start();
  await api("POST", "/v1/endpoints", { url: receiver.url });
  const { context, page: first, trouble } = await open(it);
  const open_ = streams(context);
  const tabs = [];
  for (let at = 0; at < 10; at += 1) {
    const tab = at === 0 ? first : await context.newPage();
    if (at > 0) trouble.push(...watched(tab, { url: BASE }));
    // A fragment alone would not load the page anew.
    await tab.goto("about:blank");
    await tab.goto(`${BASE}/ui/#token=${KEYS.acme}`);
    await tab.locator(".live-state.open").waitFor();
    tabs.push(tab);
  }
  assert.equal(open_.now.size, 1);
  assert.equal(open_.opened, 1);

  const shows = (tab, type) => tab.locator(".lines li").filter({ hasText: type }).filter({ hasText: "accepted" }).first().waitFor();
  await api("POST", "/v1/events", { type: "to.all", payload: 1 });
  for (const tab of tabs) {
    await tab.bringToFront();
    await shows(tab, "to.all");
  }
  assert.equal(open_.opened, 1);

  // The one that reads goes; what happens meanwhile is not lost.
  await tabs[0].close();
  await until("another tab has opened it", () => open_.opened === 2 && open_.now.size === 1);
  await api("POST", "/v1/events", { type: "to.the.rest", payload: 2 });
  for (const tab of tabs.slice(1)) {
    await tab.bringToFront();
    await shows(tab, "to.the.rest");
  }
  assert.equal(open_.opened, 2);
  assert.deepEqual(trouble, []);
  await context.close();
});
