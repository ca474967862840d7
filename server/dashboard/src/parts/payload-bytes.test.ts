import assert from "node:assert/strict";
import { test } from "node:test";
import { BYTES_SHOWN, digits, ending, textOf } from "./payload-bytes";

const bytes = (...list: number[]) => Uint8Array.from(list).buffer;

test("bytes are text if they are UTF-8 without a nought", () => {
  assert.equal(textOf(new TextEncoder().encode("<ä/>")), "<ä/>");
  assert.equal(textOf(bytes(0xef, 0xbb, 0xbf, 0x31)), "\ufeff1");
  assert.equal(textOf(bytes(0x1f, 0x8b, 0x08)), null);
  assert.equal(textOf(bytes(0x61, 0)), null);
  assert.equal(textOf(bytes()), "");
});

test("bytes are shown sixteen to a line and the first of them alone", () => {
  assert.equal(digits(bytes(0, 0x1f, 0xff)), "00 1f ff");
  assert.equal(digits(new Uint8Array(17).buffer), `${"00 ".repeat(15)}00\n00`);
  assert.equal(digits(new Uint8Array(BYTES_SHOWN + 1).buffer).split("\n").length, BYTES_SHOWN / 16);
});

test("a payload is saved under the ending of its type", () => {
  assert.equal(ending("application/json; charset=utf-8", null), "json");
  assert.equal(ending("application/cloudevents+json", null), "json");
  assert.equal(ending("application/xml", null), "xml");
  assert.equal(ending("text/plain", null), "txt");
  assert.equal(ending("application/octet-stream", null), "bin");
  assert.equal(ending("application/json", "gzip"), "gz");
});
