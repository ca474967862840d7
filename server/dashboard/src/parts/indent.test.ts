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

test("what is no JSON is left alone, with its white space", () => {
  for (const text of ["<b>a b</b>", "[error] out of memory", "{a: 1}", '{"a" "b"}', "1 2", "[1,]", '{"a":1}}', "{]", "", "ok then", '["a":1]']) {
    assert.equal(indented(text), null, text);
  }
  assert.equal(indented(" [1, true,\n{}, [ [] ]] "), "[\n  1,\n  true,\n  {},\n  [\n    []\n  ]\n]");
  assert.equal(indented('"a"'), '"a"');
});

test("a text whose brackets do not match is left alone", () => {
  assert.equal(indented('{"a":'), null);
  assert.equal(indented('a"b'), null);
  assert.equal(indented("]"), null);
});
