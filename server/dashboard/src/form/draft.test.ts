import assert from "node:assert/strict";
import { test } from "node:test";
import { formOf, NEW, spanOf } from "./draft";

test("spans have units", () => {
  assert.equal(spanOf("90s"), 90_000);
  assert.equal(spanOf("250ms"), 250);
  assert.equal(spanOf("5"), 5_000);
  assert.equal(spanOf("soon"), null);
});

test("a form that is filled in is what the api takes", () => {
  const { form, wrong } = formOf({ ...NEW, url: " https://a.example/x ", delays: "5s, 1m", rate: "0.5", headers: [["X-A", "1"], ["", "2"]] });
  assert.deepEqual(wrong, {});
  assert.equal(form.url, "https://a.example/x");
  assert.deepEqual(form.retry, { delays_ms: [5_000, 60_000] });
  assert.deepEqual(form.rate_limit, { requests: 1, per_ms: 2_000 });
  assert.deepEqual(form.headers, { "X-A": "1" });
});

test("what an endpoint sends of its own is left out where it is as usual", () => {
  const usual = formOf({ ...NEW, url: "https://a.example" }).form;
  assert.deepEqual([usual.content_type, usual.user_agent, usual.send_again], [undefined, undefined, undefined]);
  const { form } = formOf({ ...NEW, url: "https://a.example", contentType: " text/xml ", userAgent: "Acme/1", sendAgain: "no" });
  assert.deepEqual([form.content_type, form.user_agent, form.send_again], ["text/xml", "Acme/1", false]);
});

test("each wrong field is named", () => {
  const { wrong } = formOf({ ...NEW, url: "ftp://a", types: [], filter: "[1]", delays: "5 parsecs", timeout: "x", rate: "-1" });
  assert.deepEqual(Object.keys(wrong).sort(), ["delays", "filter", "rate", "timeout", "types", "url"]);
});
