// Data of a realistic size, the same for each seed but for the time, which is counted back from now.

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** A small generator of chance: mulberry32. */
export function chance(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    below: (n) => Math.floor(next() * n),
    pick: (list) => list[Math.floor(next() * list.length)],
    id: (prefix, at) => {
      let text = "";
      let ms = at;
      for (let i = 0; i < 10; i += 1) {
        text = ALPHABET[ms % 32] + text;
        ms = Math.floor(ms / 32);
      }
      for (let i = 0; i < 16; i += 1) text += ALPHABET[Math.floor(next() * 32)];
      return `${prefix}_${text}`;
    },
  };
}

export const time = (ms) => new Date(ms).toISOString();

const TENANTS = ["acme", "globex", "initech", "umbrella", "hooli"];
const HOSTS = ["hooks.shop.example", "api.ledger.example", "events.crm.example", "in.warehouse.example", "notify.mail.example", "billing.example", "erp.example", "search.example"];
const TYPES = ["payment.succeeded", "payment.failed", "payment.refunded", "order.created", "order.paid", "order.shipped", "invoice.due", "invoice.paid", "customer.created", "customer.updated", "subscription.renewed", "subscription.cancelled"];
const HOSTILE = '{"name":"<script>alert(1)</script>","link":"javascript:alert(1)","id":9007199254740993,"a":1,"a":2}';

/** Payloads that are not JSON, by the number of their event. */
const OTHER_KINDS = new Map([
  [11, { payload: '<order id="11"><paid/></order>', content_type: "application/xml" }],
  [13, { payload: Buffer.from(Array.from({ length: 600 }, (_, at) => (at * 7) % 256)), content_type: "application/octet-stream", content_encoding: "gzip" }],
]);

function makeEndpoint(r, at, tenant, index, now) {
  const kind = index === 0 ? "failing" : r.next() < 0.16 ? "failing" : r.next() < 0.07 ? "paused" : r.next() < 0.06 ? "disabled" : "active";
  const failing = kind === "failing";
  const attempts = 400 + r.below(9_000);
  const failed = failing ? Math.floor(attempts * (0.3 + r.next() / 3)) : Math.floor(attempts * r.next() * 0.02);
  const named = r.next() < 0.4;
  return {
    id: r.id("ep", at),
    tenant,
    tenant_id: `tnt_${tenant}`,
    url: index === 3 ? "javascript:alert(document.domain)" : `https://${r.pick(HOSTS)}/webhooks/${r.pick(["v1", "v2", "incoming", "postrider"])}/${1000 + r.below(9000)}`,
    name: named ? `${r.pick(["ledger", "crm", "mailer", "warehouse", "search"])}-${index}` : null,
    description: r.next() < 0.3 ? "Kept by the platform team" : "",
    event_types: r.next() < 0.4 ? ["*"] : [...new Set([r.pick(TYPES), r.pick(TYPES), "order.*"])],
    filter: r.next() < 0.2 ? { amount: { $gt: 10000 } } : null,
    headers: r.next() < 0.3 ? { "X-Tenant": "[secret]" } : {},
    metadata: {},
    ordering: r.next() < 0.85 ? "fifo" : "none",
    on_failed: r.next() < 0.8 ? "continue" : "stop",
    payload_form: "raw",
    content_type: index === 2 ? "application/vnd.shop+json" : null,
    user_agent: null,
    send_again: true,
    client_certificate: null,
    retry: {},
    signatures: [{ scheme: "standard" }],
    concurrency: 8,
    timeout_ms: 15000,
    rate_limit: null,
    breaker: { failures: 10, cooldown_ms: 10000, cooldown_max_ms: 300000 },
    batch: null,
    template: null,
    disable_after_ms: null,
    revision: 1,
    status: failing ? "active" : kind,
    disabled_reason: kind === "disabled" ? r.pick(["gone", "failing", "manual"]) : null,
    failures: failing ? 3 + r.below(20) : 0,
    failing_since: failing ? time(now - 60_000 * (4 + r.below(600))) : null,
    breaker_open_until: failing && r.next() < 0.4 ? time(now + 60_000 + r.below(200_000)) : null,
    held_by: null,
    held_until: null,
    created_at: time(at),
    secrets: index === 0 ? [{ kind: "hmac", signs_until: time(now + 7_380_000) }, { kind: "hmac", signs_until: null }] : [{ kind: "hmac", signs_until: null }],
    counts: {
      pending: failing ? 4 + r.below(900) : r.below(3),
      delivered: attempts * (10 + r.below(50)),
      failed: failing ? r.below(400) : r.below(10),
      discarded: r.below(6),
      dead_letters: failing ? 12 + r.below(300) : r.next() < 0.2 ? r.below(9) : 0,
      last_day: { accepted: attempts, delivered: attempts - failed, failed: Math.floor(failed / 4), attempts, attempts_failed: failed, latency_p95_ms: 40 + r.below(failing ? 9000 : 400) },
    },
  };
}

function makeAttempt(r, number, at, result, url, type, size) {
  const took = result.failure === "timeout_unanswered" ? 15_000 : 20 + r.below(380);
  const first = number === 1;
  return {
    id: r.id("att", at),
    number,
    url,
    started_at: time(at),
    duration_ms: took,
    status: result.status ?? null,
    failure: result.failure ?? null,
    error: result.status && result.status < 300 ? null : result.status ? `HTTP ${result.status} after ${took} ms` : result.failure === "connect" ? "connection refused (10.4.2.9:443)" : "no response within 15 s",
    repeated: null,
    request_headers: [["content-type", "application/json"], ["user-agent", "Postrider/0.1"], ["webhook-id", "evt_01m8qtx1steypvrbjzv0p08dxc"], ["webhook-timestamp", String(Math.floor(at / 1000))], ["webhook-signature", "v1,dGhpcyBpcyBub3QgYSByZWFsIHNpZ25hdHVyZQ=="], ["x-event-type", type], ["x-tenant", "[secret]"]],
    response_headers: result.status ? [["content-type", "application/json"], ["set-cookie", "a=1"], ["set-cookie", "b=2"], ["server", "nginx"], ...(result.status === 429 ? [["retry-after", "120"]] : [])] : [],
    response_body: result.status ? (result.status < 300 ? '{"ok":true}' : '{"error":"<b>upstream</b> is not there","trace":"4f1c"}') : null,
    response_body_cut: false,
    request_body: { bytes: size, is_payload: true },
    phases: { queued_ms: first ? 3 : 41, dns_ms: first ? 12 : null, connect_ms: first ? 18 : null, tls_ms: first ? 31 : null, first_byte_ms: result.status ? Math.max(1, took - 90) : null, total_ms: took },
  };
}

const BAD = [{ status: 503 }, { status: 500 }, { failure: "timeout_unanswered" }, { failure: "connect" }, { status: 429 }, { status: 502 }];
const GAPS = [5_000, 20_000, 80_000, 320_000, 1_280_000];

function makeDelivery(r, event, endpoint, now) {
  const at = Date.parse(event.published_at);
  const failing = endpoint.failures > 0;
  const outcome = failing ? (at > now - 3_600_000 ? (r.next() < 0.85 ? "retrying" : "delivered") : r.next() < 0.5 ? "failed" : "delivered") : r.next() < 0.03 ? "failed" : "delivered";
  const rejected = outcome === "failed" && r.next() < 0.4;
  const many = outcome === "delivered" ? (r.next() < 0.85 ? 1 : 2 + r.below(2)) : outcome === "failed" ? (rejected ? 1 : 6) : 1 + r.below(4);
  const attempts = [];
  let start = at + 4 + r.below(40);
  for (let number = 1; number <= many; number += 1) {
    const last = number === many;
    const result = last && outcome === "delivered" ? { status: r.pick([200, 200, 202, 204]) } : rejected ? { status: r.pick([400, 404, 422]) } : r.pick(BAD);
    if (start > now - 400) break;
    const attempt = makeAttempt(r, number, start, result, endpoint.url, event.type, event.payload.length);
    attempts.push(attempt);
    start += attempt.duration_ms + (GAPS[number - 1] ?? 3_600_000);
  }
  const last = attempts.at(-1) ?? null;
  const isOver = outcome !== "retrying";
  return {
    id: r.id("dlv", at),
    tenant: endpoint.tenant,
    event_id: event.id,
    event_type: event.type,
    endpoint_id: endpoint.id,
    ordering_key: event.ordering_key,
    place: 1000 + r.below(90000),
    state: isOver ? outcome : last ? "retrying" : "pending",
    reason: outcome === "failed" ? (rejected ? "rejected" : "exhausted") : null,
    created_at: event.published_at,
    ended_at: isOver && last ? time(Date.parse(last.started_at) + last.duration_ms) : null,
    next_attempt_at: null,
    resend_of: null,
    resent_as: null,
    replay_id: null,
    wait: null,
    attempts,
    attempt_count: attempts.length,
    last_attempt: last && { number: last.number, started_at: last.started_at, duration_ms: last.duration_ms, status: last.status, failure: last.failure, error: last.error },
  };
}

/** The request of the last attempt had to be sent a second time. */
function sendTwice({ attempts }) {
  const last = attempts.at(-1);
  last.repeated = "connection_closed";
  last.request_headers = [...last.request_headers, ["x-attempt-repeat", "connection_closed"]];
}

/** The heads of lanes wait for something, and all others for the heads. */
function makeLanes(r, deliveries, now) {
  const lanes = new Map();
  for (const delivery of deliveries) {
    if (delivery.ended_at !== null) continue;
    const name = `${delivery.endpoint_id} ${delivery.ordering_key ?? ""}`;
    const lane = lanes.get(name) ?? [];
    lane.push(delivery);
    lanes.set(name, lane);
  }
  const causes = ["backoff", "retry_after", "breaker", "rate_limit", "sending", "due"];
  const all = [];
  let at = 0;
  for (const waiting of lanes.values()) {
    waiting.sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
    const [head, ...rest] = waiting;
    const cause = causes[at % causes.length];
    at += 1;
    const isTimed = !["sending", "due"].includes(cause);
    const until = isTimed ? time(now + 8_000 + r.below(900_000)) : null;
    const DETAILS = { backoff: "The next attempt follows the retry schedule.", retry_after: "The receiver asked for 120 s with Retry-After.", breaker: "The breaker is open after 10 failures in a row.", rate_limit: "5 requests a second are allowed.", sending: "An attempt is under way.", due: "It is due and waits for a free slot." };
    head.wait = { cause, until, detail: DETAILS[cause] };
    head.next_attempt_at = until;
    for (const delivery of rest) {
      delivery.state = "pending";
      delivery.attempts = [];
      delivery.attempt_count = 0;
      delivery.last_attempt = null;
      delivery.wait = { cause: "behind_head", until: null, detail: "It waits for the head of its lane.", head_id: head.id };
    }
    all.push({ endpoint_id: head.endpoint_id, tenant: head.tenant, ordering_key: head.ordering_key, depth: waiting.length, error: head.last_attempt?.error ?? null, head_age_ms: now - Date.parse(head.created_at), stopped_at: at % 9 === 8 ? r.id("dlv", now - 5e6) : null, head });
  }
  for (const lane of all) if (lane.stopped_at) lane.head.wait = { cause: "stopped", until: null, detail: "The lane has stopped at a dead letter." };
  return all.sort((a, b) => (a.head.created_at < b.head.created_at ? -1 : 1));
}

function makeHours(r, now, scale) {
  const end = Math.floor(now / 3_600_000) * 3_600_000;
  return Array.from({ length: 168 }, (_, at) => {
    const start = end - (167 - at) * 3_600_000;
    const hour = new Date(start).getUTCHours();
    const accepted = Math.floor(scale * (0.4 + Math.sin(((hour - 7) / 24) * 2 * Math.PI) * 0.3 + r.next() * 0.3));
    const failed = Math.floor(accepted * (at > 150 && at < 156 ? 0.35 : 0.015 + r.next() * 0.02));
    return { start: time(start), accepted, delivered: accepted - failed, failed, discarded: 0, attempts: accepted + failed * 3, attempts_failed: failed * 4, latency_p95_ms: 120 + r.below(300) };
  });
}

export function makeData(seed = 7, now = Date.now()) {
  const r = chance(seed);
  const tenants = TENANTS.map((name, at) => ({
    id: `tnt_${name}`,
    name,
    description: at % 2 ? "Customer since 2024" : "",
    allow_networks: at === 0 ? ["10.4.0.0/16"] : [],
    created_at: time(now - 86_400_000 * (400 - at * 30)),
    counts: { endpoints: 8, pending: r.below(900), dead_letters: r.below(200), keys: 3, sources: 2, event_types: 12, templates: 1 },
  }));
  const endpoints = Array.from({ length: 40 }, (_, at) => makeEndpoint(r, now - 86_400_000 * (90 - at), TENANTS[at % TENANTS.length], at, now));
  const events = [];
  const deliveries = [];
  for (let at = 0; at < 1_500; at += 1) {
    const published = now - Math.floor(r.next() ** 2 * 3 * 86_400_000) - 1_500;
    const tenant = r.pick(TENANTS);
    const type = r.pick(TYPES);
    const key = r.next() < 0.35 ? `order-${1 + r.below(40)}` : null;
    const json = at % 50 === 7 ? HOSTILE : JSON.stringify({ type, id: at, amount: r.below(100_000) / 100, currency: "EUR", customer: { id: `cus_${r.below(9999)}`, email: "a@example.com" } });
    const { payload = json, content_type = "application/json", content_encoding = null } = OTHER_KINDS.get(at) ?? {};
    const event = { id: r.id("evt", published), tenant, type, ordering_key: key, idempotency_key: r.next() < 0.5 ? `idem-${at}-${r.below(1e6)}` : null, published_at: time(published), content_type, content_encoding, headers: at % 25 === 3 ? { "x-shopify-shop-domain": "tea.example", "x-shopify-topic": "orders/create" } : {}, payload, state: "delivered" };
    const mine = endpoints.filter((endpoint) => endpoint.tenant === tenant && r.next() < 0.3);
    const own = mine.map((endpoint) => makeDelivery(r, event, endpoint, now));
    deliveries.push(...own);
    events.push(event);
  }
  const lanes = makeLanes(r, deliveries, now);
  sendTwice(deliveries.find(({ tenant, state, attempts }) => tenant === "acme" && state === "delivered" && attempts.length > 1));
  const byEvent = Map.groupBy ? Map.groupBy(deliveries, ({ event_id }) => event_id) : grouped(deliveries);
  const rank = ["pending", "retrying", "failed", "discarded", "delivered"];
  for (const event of events) {
    const states = (byEvent.get(event.id) ?? []).map(({ state }) => state);
    event.state = states.length === 0 ? "no_subscribers" : rank.find((state) => states.includes(state));
  }
  const newest = (a, b) => (a.id < b.id ? 1 : -1);
  events.sort((a, b) => (a.published_at < b.published_at ? 1 : -1));
  deliveries.sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  return { r, now, tenants, endpoints, events, deliveries, lanes, hours: makeHours(r, now, 2_400), newest, ...makeRest(r, now, endpoints) };
}

function grouped(deliveries) {
  const map = new Map();
  for (const delivery of deliveries) map.set(delivery.event_id, [...(map.get(delivery.event_id) ?? []), delivery]);
  return map;
}

const LIMITS = {
  payload_bytes_max: 262_144,
  rendered_bytes_max: 1_048_576,
  response_bytes_max: 16_384,
  pending_deliveries_max: 1_000_000,
  pending_bytes_max: 4_294_967_296,
  pending_deliveries_tenant_max: 500_000,
  pending_bytes_tenant_max: 2_147_483_648,
  pending_deliveries_endpoint_max: 250_000,
  pending_bytes_endpoint_max: 1_073_741_824,
  endpoints_max: 10_000,
  endpoints_tenant_max: 5_000,
  attempts_max: 512,
  attempt_timeout_max_ms: 60_000,
  page_max: 250,
};

function makeRest(r, now, endpoints) {
  const keys = ["operator", "publisher", "ledger service", "support desk", "old key"].map((name, at) => ({
    id: r.id("key", now - 8e9 + at * 1e9),
    name,
    scopes: at === 0 ? ["publish", "manage", "read"] : at === 1 ? ["publish"] : ["read"],
    tenant: at < 2 ? null : "acme",
    tenant_id: at < 2 ? null : "tnt_acme",
    made_by: null,
    portal: false,
    requests_per_second: at === 1 ? 500 : null,
    created_at: time(now - 8e9 + at * 1e9),
    expires_at: at === 4 ? time(now + 3e8) : null,
    last_used_at: at === 3 ? null : time(now - r.below(4e6)),
  }));
  const sources = ["stripe", "github", "shopify"].map((name, at) => ({ id: r.id("src", now - 9e9 + at), name, provider: name, path: `/in/${name}-7f3a91c2`, event_prefix: name, allowed_networks: at === 1 ? ["140.82.112.0/20"] : [], secrets: [{ id: 1, note: at === 1 ? "white space around it was left out" : null, created_at: time(now - 5e9) }], signed: true, custom: null, url: null, answer: {}, handshake: { kind: "none", has_verify_token: false, learn_secret: false, unsigned_pings: false }, body_bytes_max: 1_048_576, headers: at === 2 ? ["x-shopify-shop-domain", "x-shopify-topic"] : [], tolerance_s: 300, tenant: "acme", tenant_id: "tnt_acme", created_at: time(now - 9e9) }));
  const receipts = Array.from({ length: 60 }, (_, at) => {
    const result = r.pick(["accepted", "accepted", "accepted", "duplicate", "refused"]);
    const refused = result === "refused";
    return { at: time(now - at * 190_000 - r.below(90_000)), result, code: refused ? r.pick(["signature_refused", "body_too_large"]) : null, detail: refused ? "another secret, or the body was changed on its way" : null, event_id: refused ? null : r.id("evt", now - at * 190_000), provider_id: `evt_1P${r.below(1e9)}`, peer: `54.187.${r.below(255)}.${r.below(255)}`, bytes: 300 + r.below(6000) };
  });
  const acts = ["endpoint.create", "endpoint.update", "endpoint.pause", "endpoint.resume", "endpoint.rotate_secret", "delivery.retry", "key.create", "replay.start", "dead_letters.bulk"];
  const newActs = ["endpoint.backfill", "client_certificate.set", "client_certificate.delete"];
  const audit = Array.from({ length: 130 }, (_, at) => {
    const drawn = r.pick(acts);
    const act = newActs[at - 60] ?? drawn;
    const kind = act.split(".")[0];
    const target = kind === "client_certificate" ? { kind, id: null } : kind === "endpoint" ? { kind, id: r.pick(endpoints).id } : { kind, id: r.id(kind === "key" ? "key" : kind === "delivery" ? "dlv" : "rpl", now) };
    return { id: r.id("aud", now - at * 4e6), at: time(now - at * 4e6), tenant: r.pick(TENANTS), actor: at % 11 === 5 ? { kind: "system", id: null, name: null } : { kind: at % 7 === 3 ? "portal" : "key", id: keys[at % 4].id, name: keys[at % 4].name }, act, target, detail: act === "endpoint.update" ? { changed: ["url", "timeout_ms"] } : act === "dead_letters.bulk" ? { act: "retry", matched: 40 } : {} };
  });
  const replays = Array.from({ length: 9 }, (_, at) => {
    const total = 200 + r.below(9_000);
    const state = at === 0 ? "running" : at === 3 ? "cancelled" : "done";
    const done = state === "done" ? total : Math.floor(total * 0.4);
    return { id: r.id("rpl", now - at * 5e6), tenant: TENANTS[at % 5], state, act: at === 5 ? "backfill" : at % 4 === 2 ? "discard" : "resend", filter: { endpoint_id: null, states: [], dead_letters: false, reasons: [], status: null, event_types: [], ordering_key: null, beyond: null, from: null, until: null, ...(at % 2 ? { states: ["failed"], event_types: ["payment.*"] } : { dead_letters: true, reasons: ["exhausted"], endpoint_id: endpoints[0].id }) }, per_second: at % 3 ? null : 50, total, done, resent: at === 5 || at % 4 === 2 ? 0 : done - 12, discarded: at % 4 === 2 ? done - 12 : 0, made: at === 5 ? done - 12 : 0, skipped: 12, skipped_by: at === 5 ? [{ why: "already_reached", count: 12 }] : at % 2 ? [{ why: "endpoint_gone", count: 12 }] : [], created_at: time(now - at * 5e6), ended_at: state === "running" ? null : time(now - at * 5e6 + 6e4) };
  });
  const eventTypes = TYPES.map((name, at) => ({ name, description: at % 3 ? "" : "Published by the shop", validate: at % 4 === 0, created_at: time(now - 9e9), versions: [{ version: 1, created_at: time(now - 9e9), schema: at % 2 ? null : { type: "object", required: ["amount"], properties: { amount: { type: "number" } } }, example: { type: name, amount: 4200 + at, currency: "EUR" } }] }));
  const scheduled = Array.from({ length: 5 }, (_, at) => ({ id: r.id("evt", now + at), type: "invoice.due", ordering_key: `invoice-${at}`, idempotency_key: null, endpoint_id: null, deliver_after: time(now + 3e5 + at * 4e6) }));
  const settings = [["listen", "0.0.0.0:8080", "default"], ["data", "/var/lib/postrider/postrider.db", "postrider.toml"], ["retention_days", "30", "POSTRIDER_RETENTION_DAYS"], ["allow_http", "false", "default"], ["pending_max", "1000000", "postrider.toml"], ["deny_networks", "10.0.0.0/8", "default"]].map(([name, value, origin]) => ({ name, value, origin }));
  const system = { version: "0.1.0", started_at: time(now - 8.3e8), store: { kind: "sqlite", path: "/var/lib/postrider/postrider.db", size_bytes: 3_812_000_000, free_disk_bytes: 64_000_000_000 }, commits: { p50_ms: 1.8, p99_ms: 9.4 }, limits: LIMITS, settings, secrets_left_out: ["api_key", "seal_key"] };
  return { keys, sources, receipts, audit, replays, eventTypes, scheduled, system };
}
