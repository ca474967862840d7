// What senders are answered by each of the examples, which run as they would for a user.

import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { after, before, describe, test } from "node:test";
import { install } from "./install.mjs";
import { startFile, startNext, startWorker } from "./servers.mjs";

install();
const { sign } = await import("@postrider/verifier/testing");

const OLD = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQ=";
const NEW = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXc=";
const EVENT = '{"type":"invoice.paid"}';
const MEBIBYTE = 1024 * 1024;

const signed = (body, options) => sign({ scheme: "standard", secrets: [NEW], body, id: "msg_1", ...options });

/**
 * Posts the parts of a body, and gives the status, the text, and whether the connection is kept. A body
 * with a declared length is announced and not sent, and one that is left open is not ended: whoever
 * writes on to a server that has refused the request may lose the answer (RFC 9112, 9.6).
 */
function post(address, { parts, headers = {}, agent, chunked = false, declared, open = false }) {
  const length = declared ?? parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  return new Promise((done, fail) => {
    const sent = request(address, {
      method: "POST",
      agent: agent ?? false,
      headers: chunked ? { "transfer-encoding": "chunked" } : { "content-length": length },
    });
    for (const [name, value] of Object.entries({ "content-type": "application/json", ...headers })) {
      if (value) sent.setHeader(name, value);
    }
    sent.setTimeout(10_000, () => sent.destroy(new Error("no answer within ten seconds")));
    sent.once("error", fail);
    sent.once("response", async (response) => {
      const chunks = await response.toArray();
      const kept = sent.reusedSocket;
      done({ status: response.statusCode, text: Buffer.concat(chunks).toString(), kept });
      sent.on("error", () => {});
      if (open) sent.destroy();
    });
    sent.flushHeaders();
    for (const part of parts) sent.write(part);
    if (!open) sent.end();
  });
}

const SERVERS = {
  node: startFile("node.mjs"),
  express: startFile("express.mjs"),
  fastify: startFile("fastify.mjs"),
  hono: startFile("hono.mjs"),
  worker: startWorker,
  next: startNext,
};

for (const [name, start] of Object.entries(SERVERS)) {
  describe(name, () => {
    let server;
    before(async () => (server = await start({ WEBHOOK_SECRET: `${NEW},${OLD}` })));
    after(() => server?.stop());

    const deliver = (body, options = {}, sent = {}) =>
      post(`${server.url}/webhooks`, { parts: [body], headers: signed(body, options), ...sent });

    const isTaken = ({ status, text }, event) => {
      assert.equal(status, 200, text);
      assert.deepEqual(JSON.parse(text), { id: "msg_1", keyIndex: 0, type: "invoice.paid", ...event });
    };

    const isRefused = (answer, code, status = 400) => {
      assert.equal(answer.text, JSON.stringify({ code }));
      assert.equal(answer.status, status);
    };

    test("a request that is rightly signed is handled", async () => {
      isTaken(await deliver(EVENT));
    });

    test("the bytes are verified as they came, whatever they are", async () => {
      const type = "füllen \u0000\u001f ☃ 𝄞 \u2028";
      isTaken(await deliver(`\t{ "type" : ${JSON.stringify(type)},"n":1.0e2 }\r\n`), { type });
      const broken = Buffer.concat([Buffer.from('{"type":"'), Buffer.from([0xff, 0xc0]), Buffer.from('"}')]);
      isTaken(await deliver(broken), { type: "\ufffd\ufffd" });
    });

    test("a type of content that the framework parses otherwise is verified, too", async () => {
      for (const type of ["application/x-www-form-urlencoded", "text/plain", "application/cloudevents+json; charset=utf-16", "nothing/known", undefined]) {
        const headers = { ...signed(EVENT), "content-type": type };
        isTaken(await post(`${server.url}/webhooks`, { parts: [EVENT], headers }));
      }
    });

    test("a body in pieces is one body", async () => {
      const parts = ['{"type":', '"invoice', '.paid"}'];
      isTaken(await post(`${server.url}/webhooks`, { parts, headers: signed(EVENT), chunked: true }));
    });

    test("both secrets are taken while one is rotated", async () => {
      isTaken(await deliver(EVENT, { secrets: [OLD] }), { keyIndex: 1 });
      isTaken(await deliver(EVENT, { secrets: ["whsec_bm9uZS1vZi10aGVtLW5vbmU=", OLD] }), { keyIndex: 1 });
    });

    test("a wrong signature is refused with its code and nothing else", async () => {
      isRefused(await deliver(EVENT, { secrets: ["whsec_bm9uZS1vZi10aGVtLW5vbmU="] }), "NO_MATCH");
      const headers = signed(EVENT);
      isRefused(await post(`${server.url}/webhooks`, { parts: [`${EVENT}\n`], headers }), "NO_MATCH");
    });

    test("a stale request is refused", async () => {
      const timestamp = Math.floor(Date.now() / 1000) - 302;
      isRefused(await deliver(EVENT, { timestamp }), "TIMESTAMP_TOO_OLD");
    });

    test("a request without the headers, or without anything, is refused", async () => {
      isRefused(await post(`${server.url}/webhooks`, { parts: [EVENT] }), "MISSING_HEADER");
      isRefused(await post(`${server.url}/webhooks`, { parts: [] }), "MISSING_HEADER");
      isRefused(await deliver(""), "INVALID_JSON");
    });

    test("a body that is too large is answered with 413, and not read", async () => {
      const announced = { parts: [], declared: 3 * MEBIBYTE, open: true };
      const inParts = { parts: ["x".repeat(MEBIBYTE), "x"], chunked: true, open: true };
      for (const body of [announced, inParts]) {
        isRefused(await post(`${server.url}/webhooks`, body), "BODY_TOO_LARGE", 413);
      }
      const largest = `{"type":"${"x".repeat(MEBIBYTE - 11)}"}`;
      isTaken(await deliver(largest), { type: "x".repeat(MEBIBYTE - 11) });
      isTaken(await deliver(EVENT));
    });

    test("a connection serves on after a refusal", async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const wrong = await post(`${server.url}/webhooks`, { parts: [EVENT], agent });
      isRefused(wrong, "MISSING_HEADER");
      const right = await deliver(EVENT, {}, { agent });
      agent.destroy();
      isTaken(right);
      assert.ok(right.kept, "on the same connection");
    });

    test("a sender that goes away amid the body harms nobody", async () => {
      const gone = request(`${server.url}/webhooks`, { method: "POST", headers: { ...signed(EVENT), "content-length": 100 } });
      gone.once("error", () => {});
      gone.write("{");
      await new Promise((done) => setTimeout(done, 100));
      gone.destroy();
      await new Promise((done) => setTimeout(done, 100));
      isTaken(await deliver(EVENT));
    });

    if (name === "next") {
      test("the edge runtime, which has no Node, gives the same verdicts", async () => {
        const at = `${server.url}/edge`;
        isTaken(await post(at, { parts: [EVENT], headers: signed(EVENT) }));
        isRefused(await post(at, { parts: [`${EVENT} `], headers: signed(EVENT) }), "NO_MATCH");
      });
    }

    test("other routes parse JSON as ever", async () => {
      const answer = await post(`${server.url}/json`, { parts: ['{"a" :1}'] });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(JSON.parse(answer.text), { got: { a: 1 } });
    });
  });
}
