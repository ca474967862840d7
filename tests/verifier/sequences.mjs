// What a receiver knows of its lanes: the same cases as in signature/src/gaps.rs.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import { install } from "./install.mjs";

install();
const { sequences, splitId } = await import("@postrider/verifier/sequences");
const { webhook } = await import("@postrider/verifier");
const { sign } = await import("@postrider/verifier/testing");

const see = (seen, place) => seen.see(`evt_1:${place}`);
const told = ({ missing, filled, repeated }) => ({ missing, filled, repeated });
const NOTHING = { missing: [], filled: [], repeated: [] };

test("what follows is next and what does not is a gap until it comes", () => {
  const seen = sequences();
  assert.ok(see(seen, "k:1:1").isFirst);
  assert.deepEqual(told(see(seen, "k:1:2")), NOTHING);
  assert.deepEqual(see(seen, "k:1:6").missing, [[3, 5]]);
  assert.deepEqual(told(see(seen, "k:1:7")), NOTHING);
  assert.deepEqual(told(see(seen, "k:1:4")), { ...NOTHING, filled: [[4, 4]] });
  assert.deepEqual(seen.missing("k"), [[3, 3], [5, 5]]);
  assert.deepEqual(see(seen, "k:1:4").repeated, [[4, 4]]);
  assert.deepEqual(see(seen, "k:1:7").repeated, [[7, 7]]);
});

test("a new epoch begins at one and an old one is not counted", () => {
  const seen = sequences();
  see(seen, "k:5:8");
  const later = see(seen, "k:6:3");
  assert.ok(later.isNewEpoch);
  assert.deepEqual(later.missing, [[1, 2]]);
  assert.ok(see(seen, "k:5:9").isOldEpoch);
  assert.deepEqual(told(see(seen, "k:6:4")), NOTHING);
});

test("a batch fills, repeats and goes on at once", () => {
  const seen = sequences();
  see(seen, "k:1:1-4");
  see(seen, "k:1:8");
  assert.deepEqual(told(see(seen, "k:1:3-10+13")), { missing: [[11, 12]], filled: [[5, 7]], repeated: [[3, 4], [8, 8]] });
});

test("a text reads back and goes on where it was", () => {
  const seen = sequences();
  for (const place of ["k:1:1", "m:7:4", "k:1:5", "k:1:9"]) see(seen, place);
  assert.equal(String(seen), "m:7:4:\nk:1:9:2-4+6-8\n");
  const read = sequences(JSON.parse(JSON.stringify({ seen })).seen);
  assert.equal(String(read), String(seen));
  assert.deepEqual(see(read, "k:1:3").filled, [[3, 3]]);
  assert.deepEqual(read.last(), { m: { epoch: 7, number: 4 }, k: { epoch: 1, number: 9 } });
  for (const line of ["k", "k:1:2", "K:1:2:", "k:1:2:3", "k:1:9:5+4", "k:1:2::"]) {
    assert.throws(() => sequences(`m:1:1:\n${line}\n`), /line 2/, line);
  }
});

test("an id of another form has no place", () => {
  for (const id of ["evt_1", ":k:1:2", "evt_1:k:1", "evt_1:k:1:2:3", "evt_1:K:1:2", "evt_1:k:1:0", "evt_1:k:1:9-8", "evt_1:k:1:9007199254740992"]) {
    assert.deepEqual(splitId(id), { id, place: undefined }, id);
    assert.deepEqual(told(sequences().see(id)), NOTHING);
  }
  assert.equal(sequences().see({}).place, undefined);
});

test("lanes have a bound, and the one that was quiet for longest is forgotten", () => {
  const seen = sequences();
  for (let number = 0; number <= 10_000; number++) see(seen, `k${number}:1:1`);
  assert.ok(!see(seen, "k10000:1:2").isFirst);
  assert.ok(see(seen, "k0:1:2").isFirst);
});

test("the place is signed as everybody reads it, and one line tells of a gap", () => {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const options = { scheme: "standard", secrets: [secret] };
  const wh = webhook(options);
  const body = "{}";
  const received = (number) => {
    const headers = sign({ ...options, body, id: `evt_1:k3x9:1700000000000:${number}` });
    const { "webhook-id": id, "webhook-timestamp": time } = headers;
    const hmac = createHmac("sha256", Buffer.from(secret.slice(6), "base64")).update(`${id}.${time}.${body}`);
    assert.equal(headers["webhook-signature"], `v1,${hmac.digest("base64")}`);
    assert.deepEqual(new Webhook(secret).verify(body, headers), {}, "the library of Standard Webhooks");
    return { headers, result: wh.safeVerify(body, headers) };
  };
  const seen = sequences();
  seen.see(received(1).result);
  const { missing } = seen.see(received(4).result);
  assert.deepEqual(missing, [[2, 3]]);
  const { headers } = received(5);
  const moved = { ...headers, "webhook-id": headers["webhook-id"].replace(/5$/, "6") };
  assert.equal(wh.safeVerify(body, moved).code, "NO_MATCH", "a place that was changed");
});
