import assert from "node:assert/strict";
import { test } from "node:test";
import { indented } from "./indent";

test("numbers keep their digits and repeated names stay", () => {
  assert.equal(indented('{"id":9007199254740993,"a":1,"a":2}'), '{\n  "id": 9007199254740993,\n  "a": 1,\n  "a": 2\n}');
});

test("what is in a text is no token", () => {
  assert.equal(indented('["a{,:\\"}"]'), '[\n  "a{,:\\"}"\n]');
});

test("empty lists stay on their line", () => {
  assert.equal(indented('{"a":[],"b":{ }}'), '{\n  "a": [],\n  "b": {}\n}');
});

test("a text whose brackets do not match is left alone", () => {
  assert.equal(indented('{"a":'), null);
  assert.equal(indented('a"b'), null);
  assert.equal(indented("]"), null);
});
