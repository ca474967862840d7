// The adapters within one process: what becomes of repeats, of handlers that fail, of parsed bodies.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { createAdaptorServer } from "@hono/node-server";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import { examples, install } from "./install.mjs";

install();
const { memoryDedupe, webhook } = await import("@postrider/verifier");
const { sign } = await import("@postrider/verifier/testing");
const adapters = Object.fromEntries(
  await Promise.all(
    ["express", "fastify", "hono", "next", "node"].map(async (name) => [name, await import(`@postrider/verifier/${name}`)]),
  ),
);
const { redisDedupe } = await import(pathToFileURL(join(examples, "redis-dedupe.mjs")));

const SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
const EVENT = '{"type":"invoice.paid"}';

const make = (options) => webhook({ scheme: "standard", secrets: SECRETS, ...options });
const signed = (id = "msg_1", body = EVENT) => ({
  "content-type": "application/json",
  ...sign({ scheme: "standard", secrets: SECRETS, id, body }),
});

/** Has `post` talk to a server of Node, and closes it afterwards. */
async function served(server, talk) {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${server.address().port}/webhooks`;
  const post = async (headers, body = EVENT) => {
    const answer = await fetch(url, { method: "POST", headers, body });
    return { status: answer.status, text: await answer.text() };
  };
  try {
    await talk(post, server);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

/** A route of each framework whose handler is `handle(verified)`, which gives a status or nothing. */
const ROUTES = {
  node: (wh, handle, options) => {
    const listener = adapters.node.webhookListener(wh, async (verified, _, response) => {
      const status = await handle(verified);
      if (status) response.writeHead(status).end();
    }, options);
    return createServer((request, response) => listener(request, response).catch(() => {}));
  },
  express: (wh, handle, options) => {
    const app = express();
    app.post("/webhooks", adapters.express.webhookHandler(wh, async (verified, _, response) => {
      const status = await handle(verified);
      if (status) response.sendStatus(status);
    }, options));
    app.use((error, _request, response, _next) => response.status(500).end());
    return createServer(app);
  },
  fastify: (wh, handle, options) => {
    let fastify;
    const app = Fastify({ serverFactory: (handler) => (fastify = createServer(handler)) });
    app.register(adapters.fastify.webhookPlugin(wh, "/webhooks", async (verified, _, reply) => {
      const status = await handle(verified);
      if (status) return reply.code(status).send();
    }, options));
    app.setErrorHandler((error, _, reply) => reply.code(500).send());
    return app.ready().then(() => fastify);
  },
  hono: (wh, handle, options) => {
    const app = new Hono();
    app.post("/webhooks", adapters.hono.webhookHandler(wh, async (verified, c) => {
      const status = await handle(verified);
      return status ? c.body(null, status) : undefined;
    }, options));
    app.onError((error, c) => c.body(null, 500));
    return createAdaptorServer({ fetch: app.fetch });
  },
  next: (wh, handle, options) => {
    const route = adapters.next.webhookRoute(wh, async (verified) => {
      const status = await handle(verified);
      return status ? new Response(null, { status }) : undefined;
    }, options);
    // Next answers 500 if a route throws.
    const fetch = (request) => route(request).catch(() => new Response(null, { status: 500 }));
    return createAdaptorServer({ fetch });
  },
};

for (const [name, route] of Object.entries(ROUTES)) {
  describe(name, () => {
    test("a handler that answers nothing has the sender answered 204", async () => {
      await served(await route(make(), () => undefined), async (post) => {
        assert.deepEqual(await post(signed()), { status: 204, text: "" });
      });
    });

    test("a repeat is answered 200 and not handled again", async () => {
      const handled = [];
      const wh = make({ dedupe: memoryDedupe() });
      await served(await route(wh, ({ id }) => void handled.push(id)), async (post) => {
        const headers = signed();
        assert.equal((await post(headers)).status, 204);
        assert.deepEqual(await post(headers), { status: 200, text: "" });
        assert.equal((await post(signed("msg_2"))).status, 204);
        assert.deepEqual(handled, ["msg_1", "msg_2"]);
      });
    });

    test("a copy that comes while the first is being handled is to come again, as that may fail", async () => {
      const wh = make({ dedupe: memoryDedupe() });
      let fail;
      const begun = new Promise((begin) => {
        fail = () => new Promise((_, reject) => begin(() => reject(new Error("no database"))));
      });
      const outcomes = [() => fail(), () => 202];
      await served(await route(wh, () => outcomes.shift()()), async (post) => {
        const headers = signed();
        const first = post(headers);
        const end = await begun;
        assert.equal((await post(headers)).status, 503);
        end();
        assert.equal((await first).status, 500);
        for (const status of [202, 200]) assert.equal((await post(headers)).status, status);
      });
    });

    test("what a handler threw at, or answered 400 or more, is handled when it comes again", async () => {
      const outcomes = [() => { throw new Error("no database"); }, () => 503, () => 400, () => 202];
      const wh = make({ dedupe: memoryDedupe() });
      let handled = 0;
      await served(await route(wh, () => outcomes[handled++]()), async (post) => {
        const headers = signed();
        for (const status of [500, 503, 400, 202, 200]) assert.equal((await post(headers)).status, status);
        assert.equal(handled, outcomes.length);
      });
    });

    test("a store that fails has the sender try again", async () => {
      const seen = async () => { throw new Error("no Redis"); };
      await served(await route(make({ dedupe: { seen } }), () => 200), async (post) => {
        assert.equal((await post(signed())).status, 500);
      });
    });

    test("refusals are told to the log with their hints, and repeats are none", async () => {
      const refused = [];
      const wh = make({ dedupe: memoryDedupe() });
      const options = { onRefused: (one) => refused.push(one) };
      await served(await route(wh, () => 200, options), async (post) => {
        await post(signed());
        await post(signed());
        assert.deepEqual(await post(signed(), `${EVENT} `), { status: 400, text: '{"code":"NO_MATCH"}' });
      });
      assert.equal(refused.length, 1);
      assert.equal(refused[0].code, "NO_MATCH");
      assert.match(refused[0].hint, /\w/);
    });

    test("refusals are logged where nobody is told, and no more of them than a log can bear", async (context) => {
      const { mock } = context.mock.method(console, "error", () => {});
      await served(await route(make(), () => 200), async (post) => {
        for (let count = 0; count < 30; count++) await post(signed(), `${EVENT} `);
      });
      const lines = mock.calls.map(({ arguments: [line] }) => line);
      assert.match(lines[0], /^webhook refused: NO_MATCH: \w/);
      // Ten, and one for each second that it took.
      assert.ok(lines.length >= 10 && lines.length < 30, `${lines.length} lines`);
    });

    test("the largest body can be set, and a larger one is told of", async () => {
      const refused = [];
      const options = { bodyBytesMax: EVENT.length, onRefused: ({ code }) => refused.push(code) };
      await served(await route(make(), () => 200, options), async (post) => {
        assert.equal((await post(signed())).status, 200);
        const larger = await post(signed("msg_1", `${EVENT} `), `${EVENT} `);
        assert.deepEqual(larger, { status: 413, text: '{"code":"BODY_TOO_LARGE"}' });
      });
      assert.deepEqual(refused, ["BODY_TOO_LARGE"]);
    });
  });
}

/** Is answered as a body that was parsed before, and its hint names the framework. */
async function isParsed(make, framework) {
  const refused = [];
  await served(await make({ onRefused: (one) => refused.push(one) }), async (post) => {
    assert.deepEqual(await post(signed()), { status: 500, text: '{"code":"BODY_ALREADY_PARSED"}' });
  });
  assert.match(refused[0].hint, framework);
}

describe("a body that was parsed before", () => {
  test("by express.json() is this server's fault, and the hint names Express", async () => {
    await isParsed((options) => {
      const app = express();
      app.use(express.json());
      app.post("/webhooks", adapters.express.webhookHandler(make(), () => {}, options));
      return createServer(app);
    }, /^Express: .*before app\.use\(express\.json\(\)\)/);
  });

  test("by Hono is this server's fault, and the hint names Hono", async () => {
    await isParsed((options) => {
      const app = new Hono();
      app.use(async (c, next) => {
        await c.req.json();
        await next();
      });
      app.post("/webhooks", adapters.hono.webhookHandler(make(), () => {}, options));
      return createAdaptorServer({ fetch: app.fetch });
    }, /^Hono: /);
  });

  test("by nobody, but kept as bytes, is verified", async () => {
    for (const parser of [express.raw({ type: "*/*" }), express.text({ type: "*/*" }), express.json({ verify: (request, _, raw) => (request.rawBody = raw) })]) {
      const app = express();
      app.use(parser);
      app.post("/webhooks", adapters.express.webhookHandler(make(), (_, request, response) => response.end("taken")));
      await served(createServer(app), async (post) => {
        assert.deepEqual(await post(signed()), { status: 200, text: "taken" });
      });
    }
  });
});

describe("Fastify", () => {
  test("what the handler returns or sends is the answer", async () => {
    const answers = [
      [() => ({ a: 1 }), 200, '{"a":1}'],
      [() => "text", 200, "text"],
      [(_, __, reply) => reply.code(201).send({ b: 2 }), 201, '{"b":2}'],
      [(_, __, reply) => void reply.code(202).send(), 202, ""],
      [(_, __, reply) => void setTimeout(() => reply.send("later"), 20) ?? reply, 200, "later"],
    ];
    for (const [handler, status, text] of answers) {
      const app = Fastify();
      app.register(adapters.fastify.webhookPlugin(make(), "/webhooks", handler));
      const answer = await app.inject({ method: "POST", url: "/webhooks", headers: signed(), payload: EVENT });
      assert.deepEqual({ status: answer.statusCode, text: answer.body }, { status, text });
    }
  });

  test("an error of the handler reaches the app's own handler of errors", async () => {
    const app = Fastify();
    app.setErrorHandler((error, _, reply) => reply.code(502).send(error.message));
    app.register(adapters.fastify.webhookPlugin(make(), "/webhooks", () => { throw new Error("mine"); }));
    const answer = await app.inject({ method: "POST", url: "/webhooks", headers: signed(), payload: EVENT });
    assert.deepEqual([answer.statusCode, answer.body], [502, "mine"]);
  });
});

describe("Express", () => {
  test("what the handler throws goes to next", async () => {
    const app = express();
    app.post("/webhooks", adapters.express.webhookHandler(make(), () => { throw new Error("mine"); }));
    app.use((error, _request, response, _next) => response.status(502).end(error.message));
    await served(createServer(app), async (post) => {
      assert.deepEqual(await post(signed()), { status: 502, text: "mine" });
    });
  });
});

describe("Node", () => {
  test("a listener answers 500 for a handler that throws, tells of it, and does not reject", async () => {
    const told = [];
    const options = { onError: (error) => told.push(error.message) };
    const handler = () => { throw new Error("mine"); };
    const server = createServer(adapters.node.webhookListener(make(), handler, options));
    await served(server, async (post) => assert.deepEqual(await post(signed()), { status: 500, text: "" }));
    assert.deepEqual(told, ["mine"]);
  });

  test("a body of many small chunks takes no more memory than its bytes", async () => {
    const size = 300_000;
    const headers = { ...signed("msg_1", "x".repeat(size)) };
    async function* chunks() {
      for (let i = 0; i < size; i++) yield new Uint8Array([120]);
    }
    const request = Object.assign(chunks(), { headers });
    const response = { statusCode: 200, headersSent: false, setHeader() {}, end() {} };
    const wh = make({ parse: false });
    let room;
    await adapters.node.webhookListener(wh, ({ raw }) => void (room = raw.buffer.byteLength))(request, response);
    assert.equal(response.statusCode, 204);
    assert.ok(room >= size && room < 3 * size, `${room} bytes`);
  });

  test("a sender that goes away is nobody's error", async () => {
    const outcomes = [];
    const listener = adapters.node.webhookListener(make(), () => {});
    const server = createServer((request, response) => {
      listener(request, response).then(() => outcomes.push("over"), (error) => outcomes.push(error));
    });
    await served(server, async () => {
      const sender = connect(server.address().port, "127.0.0.1");
      sender.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{");
      await new Promise((done) => setTimeout(done, 50));
      sender.destroy();
      await new Promise((done) => setTimeout(done, 50));
    });
    assert.deepEqual(outcomes, ["over"]);
  });

  test("a body that is too large is answered while it is being sent", async () => {
    const listener = adapters.node.webhookListener(make(), () => {}, { bodyBytesMax: 8 });
    await served(createServer(listener), async (_, server) => {
      const sender = connect(server.address().port, "127.0.0.1");
      let answer = "";
      sender.on("data", (text) => (answer += text));
      const closed = once(sender, "close");
      sender.write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{1234567}\r\n");
      await closed;
      assert.match(answer, /^HTTP\/1\.1 413 /);
      assert.match(answer, /\{"code":"BODY_TOO_LARGE"\}$/);
    });
  });
});

describe("a status that the handler has set", () => {
  const status = async (server) => {
    let found;
    await served(server, async (post) => (found = (await post(signed())).status));
    return found;
  };

  test("is kept where the handler sends nothing", async () => {
    const handler = (_verified, _request, answer) => void ((answer.statusCode = 503));
    const app = express();
    app.post("/webhooks", adapters.express.webhookHandler(make(), handler));
    assert.equal(await status(createServer(app)), 503);
    assert.equal(await status(createServer(adapters.node.webhookListener(make(), handler))), 503);
    const fastify = Fastify();
    fastify.register(adapters.fastify.webhookPlugin(make(), "/webhooks", (_verified, _request, reply) => void reply.code(503)));
    await fastify.ready();
    assert.equal((await fastify.inject({ method: "POST", url: "/webhooks", headers: signed(), body: EVENT })).statusCode, 503);
  });
});

/** As much of Redis as is used: SET key value EX seconds [NX], GET and DEL. */
class FakeRedis {
  now = 0;
  #kept = new Map();

  async set(key, value, ex, ttlSec, nx) {
    assert.ok(ex === "EX" && (nx === "NX" || nx === undefined));
    assert.ok(Number.isInteger(ttlSec) && ttlSec > 0, "EX is a whole number of seconds");
    if (nx && this.#value(key) !== null) return null;
    this.#kept.set(key, { value, until: this.now + ttlSec });
    return "OK";
  }

  async get(key) {
    return this.#value(key);
  }

  #value(key) {
    const found = this.#kept.get(key);
    return found && found.until > this.now ? found.value : null;
  }

  async del(key) {
    return Number(this.#kept.delete(key));
  }
}

describe("the example of a store in Redis", () => {
  const over = (redis, prefix = "webhook:a:") => make({ dedupe: { ...redisDedupe(redis, prefix), ttlSec: 600, leaseSec: 60 } });
  const verdict = async (wh) => {
    const result = await wh.safeVerifyAsync(EVENT, signed());
    return result.ok ? "new" : `${result.code}${result.inProgress ? " in progress" : ""}`;
  };

  test("knows repeats across processes, until they have expired", async () => {
    const redis = new FakeRedis();
    const [one, other] = [over(redis), over(redis)];
    await one.handle(await one.safeVerifyAsync(EVENT, signed()), () => {});
    assert.equal(await verdict(other), "DUPLICATE");
    redis.now = 601;
    assert.equal(await verdict(other), "new");
  });

  test("gives a message to another process when the first has died over it", async () => {
    const redis = new FakeRedis();
    const [one, other] = [over(redis), over(redis)];
    assert.equal(await verdict(one), "new");
    assert.equal(await verdict(other), "DUPLICATE in progress");
    redis.now = 61;
    assert.equal(await verdict(other), "new");
  });

  test("takes one of many that come at the same time, and forgets what failed", async () => {
    const wh = over(new FakeRedis());
    const results = await Promise.all(Array.from({ length: 20 }, () => wh.safeVerifyAsync(EVENT, signed())));
    const taken = results.filter(({ ok }) => ok);
    assert.equal(taken.length, 1);
    const failing = wh.handle(taken[0], () => Promise.reject(new Error("no database")));
    await assert.rejects(failing, { message: "no database" });
    assert.equal(await verdict(wh), "new");
  });

  test("has each endpoint handle the same event", async () => {
    const redis = new FakeRedis();
    assert.equal(await verdict(over(redis, "webhook:a:")), "new");
    assert.equal(await verdict(over(redis, "webhook:b:")), "new");
  });
});

describe("the verifier", () => {
  test("of an endpoint that is gone is released with its keys", () => {
    const script = `
      const { webhook } = require("@postrider/verifier");
      let gone = 0;
      const watch = new FinalizationRegistry(() => gone++);
      for (let i = 0; i < 200; i++) watch.register(webhook({ scheme: "stripe", secrets: ["text"] }));
      const { safeVerify } = webhook({ scheme: "stripe", secrets: ["text"] });
      (async () => {
        for (let i = 0; i < 5; i++) await new Promise((done) => setTimeout(done, 20)), gc();
        console.log(gone >= 190, safeVerify("{}", {}).code);
      })();`;
    const said = execFileSync(process.execPath, ["--expose-gc", "-e", script], { cwd: import.meta.dirname, encoding: "utf8" });
    assert.equal(said, "true MISSING_HEADER\n");
  });

  test("tells causes again when wrong requests have ceased for a while", async () => {
    const wh = make();
    const hint = () => wh.safeVerify(`${EVENT}\n`, signed()).hint;
    assert.match(hint(), /line end/);
    for (let i = 0; i < 100; i++) hint();
    assert.doesNotMatch(hint(), /put at the end/);
    await new Promise((done) => setTimeout(done, 1_200));
    assert.match(hint(), /put at the end/);
  });

  test("takes errors of any of its entries for WebhookErrors", async () => {
    const { WebhookError } = await import("@postrider/verifier");
    const full = await import("@postrider/verifier/full");
    const wh = full.webhook({ scheme: "standard", secrets: SECRETS });
    assert.throws(() => wh.verify("{}", {}), WebhookError);
    assert.ok(!(new Error("other") instanceof WebhookError));
  });

  test("takes either form of a timestamped signature, whichever is right", () => {
    const right = sign({ scheme: "timestamped", secrets: ["mine"], body: EVENT });
    const wrong = sign({ scheme: "timestamped-sha256", secrets: ["another's"], body: EVENT });
    const both = `${right["x-webhook-signature"]},${wrong["x-webhook-signature"]}`;
    const wh = webhook({ scheme: "timestamped", secrets: ["mine"] });
    assert.equal(wh.safeVerify(EVENT, { ...right, "x-webhook-signature": both }).ok, true);
    assert.equal(wh.safeVerify(EVENT, wrong).code, "NO_MATCH");
  });

  test("passes over a byte order mark before JSON, and hands on the body as it came", () => {
    const body = `\ufeff${EVENT}`;
    const bytes = Buffer.from(body);
    for (const raw of [body, bytes, new Uint8Array(bytes)]) {
      const result = make().safeVerify(raw, signed("msg_1", body));
      assert.deepEqual(result.payload, { type: "invoice.paid" }, result.hint);
      assert.ok(Buffer.from(result.raw).equals(bytes));
    }
    const twice = `\ufeff${body}`;
    assert.equal(make().safeVerify(twice, signed("msg_1", twice)).code, "INVALID_JSON");
  });

  test("tells of a request that broke off within its body", async () => {
    const body = new ReadableStream({ pull: (stream) => stream.error(new Error("aborted")) });
    const request = new Request("http://127.0.0.1/", { method: "POST", body, duplex: "half", headers: signed() });
    assert.equal((await make().safeVerifyRequest(request)).code, "BODY_UNREADABLE");
  });
});
