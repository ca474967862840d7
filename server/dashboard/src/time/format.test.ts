import assert from "node:assert/strict";
import { test } from "node:test";
import { heard, measure, now } from "./clock";
import { ago, bytes, percent, span } from "./span";

test("spans have the units that matter", () => {
  assert.equal(span(350), "350 ms");
  assert.equal(span(4_200), "4.2 s");
  assert.equal(span(59_700), "1 m");
  assert.equal(span(200_000), "3 m 20 s");
  assert.equal(span(5 * 3.6e6 + 120_000), "5 h 2 m");
  assert.equal(span(-5), "0 ms");
});

test("how long ago is one unit", () => {
  assert.equal(ago(2_000), "now");
  assert.equal(ago(61_000), "1 m ago");
  assert.equal(ago(49 * 3.6e6), "2 d ago");
});

test("a part that is nearly all is not said to be all", () => {
  assert.equal(percent(0.9999), "99.99 %");
  assert.equal(percent(1), "100 %");
  assert.equal(percent(null), "–");
});

test("bytes have binary units", () => {
  assert.equal(bytes(512), "512 B");
  assert.equal(bytes(3_812_000_000), "3.6 GiB");
});

test("the clock is the server's, taken from the quickest answer", () => {
  const hour = 3_600_000;
  const at = performance.now();
  const server = (moment: number) => new Date(Date.now() + hour + (moment - performance.now())).toISOString();
  measure(server(at), at - 10, at + 10);
  const off = () => Math.abs(now() - (Date.now() + hour));
  assert.ok(off() < 50, String(off()));
  // One that is less exact changes nothing, nor does the date of an answer.
  measure(new Date(Date.now()).toISOString(), at - 2_000, at + 2_000);
  heard(new Date(Date.now() - hour).toUTCString());
  assert.ok(off() < 50, String(off()));
});
