import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf, NEW_SOURCE } from "./source-draft";

test("a source that is as usual says nothing of itself", () => {
  assert.deepEqual(changesOf(NEW_SOURCE, NEW_SOURCE), {});
});

test("what is filled in is what the api takes", () => {
  const draft = { ...NEW_SOURCE, networks: "192.0.2.0/24\n\n 10.0.0.1 ", url: " https://a.example/in/x ", status: "202", kind: "hub_challenge", token: "t", pings: "no", mib: "25" } as const;
  assert.deepEqual(changesOf(draft, NEW_SOURCE), {
    allowed_networks: ["192.0.2.0/24", "10.0.0.1"],
    url: "https://a.example/in/x",
    answer: { status: 202 },
    handshake: { kind: "hub_challenge", verify_token: "t", unsigned_pings: false },
    body_bytes_max: 26_214_400,
  });
});

test("what was there is sent with a change beside it and left out without one", () => {
  const before = { ...NEW_SOURCE, status: "200", body: "ok", kind: "hook_secret", mib: "1" } as const;
  assert.deepEqual(changesOf({ ...before, status: "" }, before), { answer: { body: "ok" } });
  assert.deepEqual(changesOf({ ...before, learns: true }, before), { handshake: { kind: "hook_secret", learn_secret: true } });
  assert.deepEqual(changesOf({ ...before, status: "", body: "" }, before), { answer: {} });
});
