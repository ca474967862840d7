import assert from "node:assert/strict";
import { test } from "node:test";
import { apiBase } from "./place";

test("the api is before the page at the root", () => {
  assert.equal(apiBase("https://a.example/ui/#/events"), "https://a.example");
});

test("the api is below the same path as the page", () => {
  assert.equal(apiBase("https://a.example/hooks/ui/ui/#/x"), "https://a.example/hooks/ui");
  assert.equal(apiBase("http://a.example:8080/one/two/ui/index.html"), "http://a.example:8080/one/two");
});

test("the api of the portal is where that of the dashboard is", () => {
  assert.equal(apiBase("https://a.example/hooks/portal/#/events"), "https://a.example/hooks");
});
