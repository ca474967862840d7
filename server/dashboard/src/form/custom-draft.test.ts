import assert from "node:assert/strict";
import { test } from "node:test";
import { customOf, NEW_CUSTOM } from "./custom-draft";

test("a place in the body is a pointer and anything else a header", () => {
  const custom = customOf({ ...NEW_CUSTOM, signatureHeader: " x-sig ", type: "/event/kind", id: "x-id" });
  assert.deepEqual(custom, { scheme: "timestamped-sha256", signature_header: "x-sig", type_pointer: "/event/kind", id_header: "x-id" });
});

test("what is left empty is left out", () => {
  assert.deepEqual(customOf(NEW_CUSTOM), { scheme: "timestamped-sha256" });
});
