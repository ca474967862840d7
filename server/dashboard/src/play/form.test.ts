import assert from "node:assert/strict";
import { test } from "node:test";
import { eventText, formOf, nameOf } from "./form";

test("a payload is sent as it was written", () => {
  const text = eventText('a"b', "ep_1", '{"n": 9007199254740993, "n": 1.50}');
  assert.equal(text, '{"type":"a\\"b","endpoint_id":"ep_1","payload":{"n": 9007199254740993, "n": 1.50}}');
});

test("the endpoint of a behaviour has one name and gets nothing else", () => {
  assert.equal(nameOf("fails_twice"), "playground-fails_twice");
  const form = formOf({ behaviour: "slow", url: "http://127.0.0.1:1/slow", description: "late" });
  assert.ok(!form.event_types.some((type) => type.includes("*")));
  assert.ok(form.timeout_ms > 3_000, "a slow answer comes in time");
});
