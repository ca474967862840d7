import assert from "node:assert/strict";
import { test } from "node:test";
import { customOf, NEW_CUSTOM, OWN, UNSIGNED } from "./custom-draft";

test("a place in the body is a pointer and anything else a header", () => {
  const custom = customOf({ ...NEW_CUSTOM, signatureHeader: " x-sig ", type: "/event/kind", id: "x-id" });
  assert.deepEqual(custom, { scheme: "timestamped-sha256", signature_header: "x-sig", type_pointer: "/event/kind", id_header: "x-id" });
});

test("what is left empty is left out", () => {
  assert.deepEqual(customOf(NEW_CUSTOM), { scheme: "timestamped-sha256" });
});

test("a signature that is described takes the place of a scheme and of its headers", () => {
  const draft = { ...NEW_CUSTOM, scheme: OWN, signature: '{"algorithm": "token", "header": "x-token"}', signatureHeader: "x-left", id: "/id" };
  assert.deepEqual(customOf(draft), { signature: { algorithm: "token", header: "x-token" }, id_pointer: "/id" });
});

test("where nothing is signed no header of a signature is named", () => {
  assert.deepEqual(customOf({ ...NEW_CUSTOM, scheme: UNSIGNED, timestampHeader: "x-left" }), { scheme: "none" });
});
