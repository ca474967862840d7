import assert from "node:assert/strict";
import { test } from "node:test";
import { Buffer, lineOf, matches } from "./tail";
import type { Item } from "./stream";

const item = (kind: string, data: Record<string, unknown>): Item => ({ kind, data, place: null });
const attempt = (status: number | null) => item("attempt", { number: 2, status, failure: status ? null : "timeout", duration_ms: 12, event_type: "a.b", delivery_id: "dlv_1" });

test("an attempt says what came back", () => {
  assert.equal(lineOf(attempt(503), 1, 0)?.what, "attempt 2: HTTP 503 after 12 ms");
  assert.equal(lineOf(attempt(null), 1, 0)?.what, "attempt 2: timeout after 12 ms");
  assert.equal(lineOf(attempt(200), 1, 0)?.tone, "good");
});

test("what is unknown is no line", () => {
  assert.equal(lineOf(item("message", {}), 1, 0), null);
});

test("every word of the filter has to be somewhere", () => {
  const line = lineOf(attempt(503), 1, 0);
  assert.ok(line);
  assert.ok(matches(line, "503 A.B"));
  assert.ok(!matches(line, "503 c.d"));
});

test("the newest line is the first, and those that went are counted", () => {
  const buffer = new Buffer();
  for (let at = 0; at < 350; at += 1) buffer.take(attempt(200), at);
  buffer.flush();
  assert.equal(buffer.lines.length, 300);
  assert.equal(buffer.dropped, 50);
  assert.equal(buffer.lines[0]?.at, 349);
});

test("what the server skipped is counted", () => {
  const buffer = new Buffer();
  buffer.take(item("skipped", { count: 7 }), 0);
  buffer.take(item("skipped", { count: 5 }), 0);
  assert.equal(buffer.skipped, 12);
  buffer.take(item("skipped", { count: null }), 0);
  assert.ok(buffer.skippedUnknown);
});

test("a page that is not painted does not gather without end", () => {
  const buffer = new Buffer();
  for (let at = 0; at < 5_000; at += 1) buffer.take(attempt(200), at);
  assert.ok(buffer.waiting <= 600);
  assert.equal(buffer.waiting + buffer.dropped, 5_000);
});
