import assert from "node:assert/strict";
import { test } from "node:test";
import { pageOf } from "./named";
import { split } from "./split";

test("a fragment is a path and a query", () => {
  assert.deepEqual(split("#/events?state=failed"), { path: "/events", query: "state=failed" });
  assert.deepEqual(split(""), { path: "/", query: "" });
  assert.deepEqual(split("#events"), { path: "/events", query: "" });
});

test("a pasted id opens what it names", () => {
  assert.equal(pageOf(" evt_01m8qtx1steypvrbjzv0p08dxc "), "/events/evt_01m8qtx1steypvrbjzv0p08dxc");
  assert.equal(pageOf("dlv_01m8"), "/deliveries/dlv_01m8");
  assert.equal(pageOf("order-17"), null);
  assert.equal(pageOf("javascript:alert(1)"), null);
});

test("the secret part of a key stays out of the address", () => {
  assert.equal(pageOf("key_01m8_4c245f824fb5"), "/keys?id=key_01m8");
});
