import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultsOf, draftOf } from "./defaults-draft";

test("defaults that are shown and saved again are the same", () => {
  const defaults = { retry: { delays_ms: [1_000, 60_000] }, timeout_ms: 15_000, signatures: [{ scheme: "standard" }] };
  assert.deepEqual(defaultsOf(draftOf(defaults)), { form: defaults, wrong: {} });
  assert.deepEqual(defaultsOf(draftOf({})), { form: {}, wrong: {} });
});

test("what is no JSON and what is no span are told of", () => {
  const { wrong } = defaultsOf({ retry: "{", timeout: "soon", signatures: "" });
  assert.deepEqual(Object.keys(wrong).sort(), ["retry", "timeout"]);
});
