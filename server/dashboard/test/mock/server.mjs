// A server with the contract of the API over made-up data, for the tests of the page and for looking at
// it: `node test/mock/server.mjs [port] [prefix]`. What it answers depends on the key:
// key_operator_1 (all tenants), key_acme_1 (one tenant), key_read_1, key_publish_1, key_portal_1;
// key_empty_1 (nothing is there yet), key_slow_1 (nothing is ever answered), key_broken_1 (all fails),
// key_many_1 (50,000 events).

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { makeData } from "./data.mjs";
import { problem, ROUTES } from "./routes.mjs";
import { Stream } from "./stream.mjs";

const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".wasm": "application/wasm" };

/** What the server that embeds the page is to send with it. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const KEYS = {
  operator: { tenant: null, scopes: ["publish", "manage", "read"], name: "operator" },
  acme: { tenant: "acme", scopes: ["publish", "manage", "read"], name: "acme admin" },
  read: { tenant: "acme", scopes: ["read"], name: "support desk" },
  publish: { tenant: "acme", scopes: ["publish"], name: "publisher" },
  portal: { tenant: "acme", scopes: ["read", "retry", "test"], name: "portal", portal: { color: "#0f766e", logo_url: null } },
  empty: { tenant: null, scopes: ["publish", "manage", "read"], name: "operator" },
  slow: { tenant: null, scopes: ["publish", "manage", "read"], name: "operator" },
  broken: { tenant: null, scopes: ["publish", "manage", "read"], name: "operator" },
  many: { tenant: "acme", scopes: ["publish", "manage", "read"], name: "operator" },
};

function compiled(routes) {
  return routes.map(([method, path, handler]) => ({
    method,
    handler,
    pattern: new RegExp(`^${path.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`),
  }));
}

export class Mock {
  constructor({ prefix = "", seed = 7 } = {}) {
    this.prefix = prefix;
    this.data = makeData(seed);
    this.routes = compiled(ROUTES);
    this.requests = [];
    this.streams = new Set();
    this.server = createServer((request, response) => void this.take(request, response));
  }

  async listen(port = 0) {
    await new Promise((done) => this.server.listen(port, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${this.server.address().port}${this.prefix}`;
    return this;
  }

  async close() {
    for (const stream of this.streams) stream.end();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  async take(request, response) {
    const url = new URL(request.url, "http://mock");
    if (!url.pathname.startsWith(`${this.prefix}/`)) return this.send(response, problem(404, "not_found", "There is nothing here.", url.pathname));
    const path = url.pathname.slice(this.prefix.length);
    if (path === "/") return response.writeHead(307, { location: `${this.prefix}/ui/` }).end();
    if (path.startsWith("/ui/")) return this.file(response, path.slice(4));
    this.requests.push(`${request.method} ${path}${url.search}`);
    let text = "";
    for await (const part of request) text += part;
    this.answer(request, response, path, url.searchParams, text ? JSON.parse(text) : {});
  }

  file(response, name) {
    const path = join(DIST, normalize(name === "" ? "index.html" : name));
    if (!path.startsWith(DIST) || !existsSync(path)) return this.send(response, problem(404, "not_found", "There is nothing here.", name));
    const hashed = name.startsWith("assets/");
    response.writeHead(200, {
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
      "cache-control": hashed ? "public, max-age=31536000, immutable" : "no-store",
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    });
    createReadStream(path).pipe(response);
  }

  answer(request, response, path, query, body) {
    const name = /^Bearer key_([a-z]+)_/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const key = KEYS[name];
    const found = this.routes.find(({ method, pattern }) => method === request.method && pattern.test(path));
    if (path === "/v1/portal-sessions" && found) return this.send(response, found.handler({ body }));
    if (!key) return this.send(response, problem(401, "unauthorized", "There is no valid key in the request.", "the key is not known"));
    if (path === "/v1/whoami") return this.send(response, this.whoami(name, key));
    if (name === "slow") return;
    if (path === "/v1/stream") return this.stream(response, key, query, request);
    if (name === "broken") return this.send(response, problem(503, "store_failed", "The store has failed.", "the disk is full: /var/lib/postrider"));
    if (!found) return this.send(response, problem(404, "not_found", "There is nothing here.", path));
    const shown = query.get("tenant") ?? request.headers["postrider-tenant"] ?? key.tenant ?? "default";
    if (shown === "*" && key.tenant) return this.send(response, problem(403, "forbidden", "The key may not do this.", "use a key for all tenants"));
    const data = name === "empty" ? EMPTY : name === "many" ? (this.many ??= many(this.data)) : this.data;
    const params = found.pattern.exec(path).groups ?? {};
    for (const [field, value] of Object.entries(params)) params[field] = decodeURIComponent(value);
    this.send(response, found.handler({ data, who: { ...key, shown }, query, params, body }));
  }

  whoami(name, key) {
    return { key_id: `key_${name}`, name: key.name, scopes: key.scopes, tenant: key.tenant, acting_for: key.tenant ?? "default", expires_at: null, requests_per_second: null, server_time: new Date().toISOString(), portal: key.portal ?? null };
  }

  stream(response, key, query, request) {
    const stream = new Stream(this.data, response, request.headers["last-event-id"], query.get("tenant") === "*");
    this.streams.add(stream);
    response.on("close", () => (stream.end(), this.streams.delete(stream)));
  }

  send(response, answer) {
    const { status = 200, type = "application/json", body, bytes } = typeof answer?.status === "number" && !("attempt_count" in answer) && !("started_at" in answer) ? answer : { body: answer };
    const text = bytes ?? (body === undefined ? "" : JSON.stringify(body));
    response.writeHead(status, { "content-type": bytes === undefined ? type : "application/octet-stream", date: new Date().toUTCString() });
    response.end(text);
  }
}

const EMPTY = { ...makeData(7), endpoints: [], events: [], deliveries: [], lanes: [], hours: [], tenants: [], keys: [], sources: [], receipts: [], audit: [], replays: [], eventTypes: [], scheduled: [] };

function many(data) {
  const base = data.events.filter(({ tenant }) => tenant === "acme");
  const events = Array.from({ length: 50_000 }, (_, at) => ({ ...base[at % base.length], id: data.r.id("evt", data.now - at * 1000), published_at: new Date(data.now - at * 1000).toISOString() }));
  return { ...data, events };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [port = "8099", prefix = ""] = process.argv.slice(2);
  const mock = await new Mock({ prefix }).listen(Number(port));
  console.log(`${mock.url}/ui/#token=key_operator_1`);
}
