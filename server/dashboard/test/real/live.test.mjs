import assert from "node:assert/strict";
import { watched } from "../browser/page.mjs";
import { api, BASE, KEYS, open, Receiver, stage, test, until } from "./server.mjs";

const it = stage();

/** The streams of a browser: how many it has opened, and how many of them are open now. */
function streams(context) {
  const open = new Map();
  const all = { opened: 0, now: () => [...open.values()].filter((page) => !page.isClosed()).length };
  context.on("request", (request) => {
    if (!request.url().includes("/v1/stream")) return;
    open.set(request, request.frame().page());
    all.opened += 1;
  });
  for (const end of ["requestfinished", "requestfailed"]) context.on(end, (request) => open.delete(request));
  return all;
}

test("ten tabs have one stream between them, all show what it brings, and the next takes it over", async () => {
  const receiver = await Receiver.start();
  await api("POST", "/v1/endpoints", { url: receiver.url });
  const { context, page: first, trouble } = await open(it);
  const read = streams(context);
  const tabs = [];
  const troubles = [trouble];
  for (let at = 0; at < 10; at += 1) {
    const tab = at === 0 ? first : await context.newPage();
    if (at > 0) troubles.push(watched(tab, { url: BASE }));
    // A fragment alone would not load the page anew.
    await tab.goto("about:blank");
    await tab.goto(`${BASE}/ui/#token=${KEYS.acme}`);
    await tab.locator(".live-state.open").waitFor();
    tabs.push(tab);
  }
  assert.equal(read.now(), 1);
  assert.equal(read.opened, 1);

  const shows = (tab, type) => tab.locator(".lines li").filter({ hasText: type }).filter({ hasText: "accepted" }).first().waitFor();
  await api("POST", "/v1/events", { type: "to.all", payload: 1 });
  for (const tab of tabs) await shows(tab, "to.all");
  assert.equal(read.opened, 1);

  // The one that reads goes; what happens meanwhile is not lost.
  await tabs[0].close();
  await until("another tab has opened it", () => read.opened === 2 && read.now() === 1);
  await api("POST", "/v1/events", { type: "to.the.rest", payload: 2 });
  for (const tab of tabs.slice(1)) await shows(tab, "to.the.rest");
  assert.equal(read.opened, 2);
  assert.deepEqual(troubles.flat(), []);
  await context.close();
});
