// What each route answers. A handler gets `{ data, who, query, params, body }` and gives
// `{ status, body }`, `{ status, bytes }`, or the body alone.

import { PLAYGROUND } from "./playground.mjs";
import { changeSource, makeSource } from "./sources.mjs";
import { TEMPLATES } from "./templates.mjs";

const page = (rows, query) => {
  const limit = Math.min(250, Number(query.get("limit") ?? 50));
  const from = Number(query.get("cursor") ?? 0);
  const data = rows.slice(from, from + limit);
  return { data, next: from + limit < rows.length ? String(from + limit) : null };
};

export const problem = (status, code, title, detail, errors) => ({ status, type: "application/problem+json", body: { type: `/problems#${code}`, title, status, code, detail, request_id: "req_01m8qtx1steyp", ...(errors ? { errors } : {}) } });
const notFound = () => problem(404, "not_found", "There is nothing here.", "no record of this id");

// A delivery has two forms; rows of the data have the fields of both.
const short = ({ attempts, ...rest }) => rest;
const full = ({ attempt_count, last_attempt, ...rest }) => rest;
const visible = (rows, who) => (who.shown === "*" ? rows : rows.filter(({ tenant }) => tenant === who.shown));
const list = (text) => (text ? text.split(",") : null);

function matchesType(pattern, type) {
  return pattern === "*" || pattern === type || (pattern.endsWith(".*") && type.startsWith(pattern.slice(0, -1)));
}

function deliveriesOf(rows, query) {
  const states = list(query.get("state"));
  const from = query.get("from");
  const until = query.get("until");
  const found = rows.filter(
    (row) =>
      (!states || states.includes(row.state)) &&
      (!query.get("endpoint_id") || row.endpoint_id === query.get("endpoint_id")) &&
      (!query.get("event_id") || row.event_id === query.get("event_id")) &&
      (!query.get("event_type") || list(query.get("event_type")).some((pattern) => matchesType(pattern, row.event_type))) &&
      (!query.has("ordering_key") || (row.ordering_key ?? "") === query.get("ordering_key")) &&
      (!query.get("reason") || list(query.get("reason")).includes(row.reason)) &&
      (!query.get("status") || String(row.last_attempt?.status) === query.get("status")) &&
      (!from || row.created_at >= from) &&
      (!until || row.created_at < until),
  );
  return (query.get("order") === "oldest" ? [...found].reverse() : found).map(query.get("view") === "short" ? short : full);
}

const dead = (data, who) => visible(data.deliveries, who).filter(({ state, resent_as }) => state === "failed" && !resent_as);

function stats({ data, who, query }) {
  const many = Number(query.get("hours") ?? 24);
  const part = who.shown === "*" ? 1 : 0.23;
  const hours = data.hours.slice(-many).map((hour) => ({ ...hour, accepted: Math.floor(hour.accepted * part), delivered: Math.floor(hour.delivered * part), failed: Math.floor(hour.failed * part) }));
  const sum = (name) => hours.reduce((all, hour) => all + hour[name], 0);
  const endpoints = visible(data.endpoints, who);
  return {
    accepted: sum("accepted"),
    delivered: sum("delivered"),
    failed: sum("failed"),
    discarded: 14,
    pending: endpoints.reduce((all, { counts }) => all + counts.pending, 0),
    dead_letters: endpoints.reduce((all, { counts }) => all + counts.dead_letters, 0),
    endpoints: endpoints.length,
    oldest_pending_at: visible(data.lanes, who)[0]?.head.created_at ?? null,
    success_rate: 0.9731,
    latency_p50_ms: 64,
    latency_p95_ms: 412,
    latency_p99_ms: 2210,
    since: new Date(data.now - 86_400_000 * 400).toISOString(),
    hours,
  };
}

function endpoints({ data, who, query }) {
  const text = query.get("url")?.toLowerCase();
  const states = list(query.get("state"));
  const rows = visible(data.endpoints, who).filter(
    (row) =>
      (!states || states.includes(row.status)) &&
      (!text || `${row.url} ${row.name ?? ""} ${row.description}`.toLowerCase().includes(text)) &&
      (!query.get("event_type") || row.event_types.some((pattern) => matchesType(pattern, query.get("event_type")))) &&
      (query.get("failing") !== "true" || row.failures > 0 || row.breaker_open_until || ["gone", "failing"].includes(row.disabled_reason)),
  );
  if (query.get("view") === "names") return page(rows.map(({ id, name, url, status, tenant }) => ({ id, name, url, state: status, tenant })), query);
  return page(rows, query);
}

/** What was asked for, with all that a filter has. */
const replayFilter = ({ endpoint_id = null, states = [], dead_letters = false, reasons = [], status = null, event_types = [], from = null, until = null }) => ({ endpoint_id, states, dead_letters, reasons, status, event_types, from, until });

function delivery({ data, params }) {
  const found = deliveryOf(data, params.id);
  return found ? full(found) : notFound();
}

const endpointOf = (data, id) => data.endpoints.find((row) => row.id === id);
const deliveryOf = (data, id) => data.deliveries.find((row) => row.id === id);

function makeEndpoint({ data, who, body }) {
  if (!/^https?:/.test(body.url ?? "")) return problem(422, "invalid_endpoint", "The endpoint cannot be made like this.", "the URL has no scheme that is allowed", [{ pointer: "/url", detail: "use https://…" }]);
  const now = Date.now();
  const base = structuredClone(data.endpoints[1]);
  const made = { ...base, failures: 0, failing_since: null, breaker_open_until: null, status: "active", ...body, id: data.r.id("ep", now), name: null, tenant: who.shown === "*" ? "acme" : who.shown, created_at: new Date(now).toISOString(), counts: { pending: 0, delivered: 0, failed: 0, discarded: 0, dead_letters: 0, last_day: { accepted: 0, delivered: 0, failed: 0, attempts: 0, attempts_failed: 0, latency_p95_ms: null } } };
  data.endpoints.unshift(made);
  return { status: 201, body: { ...made, secret: "whsec_dfQbKCR1mPdWOZLeWNI1GE9Uz9aG79j4sDaWalYnN54=" } };
}

const setStatus = (status) => ({ data, params }) => {
  const endpoint = endpointOf(data, params.id);
  if (!endpoint) return notFound();
  endpoint.status = status;
  return endpoint;
};

function testAnswer(data) {
  const attempt = structuredClone(data.deliveries.find(({ attempts }) => attempts[0]?.status === 200).attempts[0]);
  return { ...attempt, started_at: new Date().toISOString() };
}

function retry({ data, params }) {
  const delivery = deliveryOf(data, params.id);
  if (!delivery) return notFound();
  if (delivery.wait?.cause === "behind_head") return problem(409, "behind_head", "The delivery is not the head of its lane.", `its head is ${delivery.wait.head_id}`);
  if (!delivery.ended_at) {
    delivery.wait = { cause: "sending", until: null, detail: "An attempt is under way." };
    return { status: 202, body: { id: delivery.id, resend_of: null } };
  }
  delivery.resent_as = data.r.id("dlv", Date.now());
  return { status: 202, body: { id: delivery.resent_as, resend_of: delivery.id } };
}

function chosen(data, ids, act) {
  return {
    results: ids.map((id) => {
      const delivery = deliveryOf(data, id);
      if (!delivery) return { id, problem: notFound().body };
      if (act === "retry") delivery.resent_as = data.r.id("dlv", Date.now());
      else delivery.state = "discarded";
      return { id, resent: act === "retry" ? { id: delivery.resent_as, resend_of: id } : null };
    }),
  };
}

function bulk({ data, who, body }) {
  const { filter, act } = body;
  const rows = dead(data, who).filter(
    (row) =>
      (!filter.endpoint_id || row.endpoint_id === filter.endpoint_id) &&
      (!filter.reasons || filter.reasons.includes(row.reason)) &&
      (!filter.status || row.last_attempt?.status === filter.status) &&
      (!filter.event_types || filter.event_types.some((pattern) => matchesType(pattern, row.event_type))) &&
      (!filter.from || row.created_at >= filter.from) &&
      (!filter.until || row.created_at < filter.until),
  );
  const disabled = rows.filter(({ endpoint_id }) => endpointOf(data, endpoint_id)?.status === "disabled");
  const acted = rows.filter((row) => !disabled.includes(row));
  return report(data, who, { rows, acted, disabled, dry: body.dry_run, act: act === "retry" ? "resend" : "discard", filter: { ...filter, dead_letters: true }, rate: body.per_second });
}

function report(data, who, { rows, acted, disabled, dry, act, filter, rate }) {
  const skipped = disabled.length > 0 ? [{ why: "endpoint_disabled", count: disabled.length }] : [];
  if (dry) {
    const by = new Map();
    for (const { endpoint_id, event_type } of acted) {
      const name = `${endpoint_id} ${event_type}`;
      by.set(name, { endpoint_id, event_type, count: (by.get(name)?.count ?? 0) + 1 });
    }
    return { matched: rows.length, acted_on: acted.length, skipped, by: [...by.values()].sort((a, b) => b.count - a.count), by_left_out: 0 };
  }
  for (const row of acted) {
    if (act === "resend") row.resent_as = "dlv_0000000000000000000000000a";
    else row.state = "discarded";
  }
  const now = new Date().toISOString();
  const replay = { id: data.r.id("rpl", Date.now()), tenant: who.shown === "*" ? "acme" : who.shown, state: "running", act, filter: replayFilter(filter), per_second: rate ?? null, total: rows.length, done: Math.floor(rows.length / 3), resent: 0, discarded: 0, made: 0, skipped: disabled.length, skipped_by: skipped, created_at: now, ended_at: null };
  data.replays.unshift(replay);
  return { status: 202, body: replay };
}

function replay({ data, who, body }) {
  const rows = visible(data.deliveries, who).filter((row) => (body.states ?? ["failed"]).includes(row.state) && (!body.from || row.created_at >= body.from) && (!body.endpoint_id || row.endpoint_id === body.endpoint_id));
  return report(data, who, { rows, acted: rows, disabled: [], dry: body.dry_run, act: "resend", filter: { ...body, states: body.states ?? ["failed"] }, rate: body.per_second });
}

/** What an endpoint has missed: events of its tenant that it has no delivery of. */
function backfill({ data, params, body }) {
  const endpoint = endpointOf(data, params.id);
  if (!endpoint) return notFound();
  const asked = body.event_types?.length > 0 ? body.event_types : ["*"];
  const events = data.events.filter(
    ({ tenant, type, published_at }) => tenant === endpoint.tenant && asked.some((pattern) => matchesType(pattern, type)) && (!body.from || published_at >= body.from) && (!body.until || published_at < body.until),
  );
  const reached = new Set(data.deliveries.filter(({ endpoint_id }) => endpoint_id === endpoint.id).map(({ event_id }) => event_id));
  const wants = ({ type }) => endpoint.event_types.some((pattern) => matchesType(pattern, type));
  const why = (event) => (reached.has(event.id) ? "already_reached" : !wants(event) ? "not_subscribed" : endpoint.status === "disabled" ? "endpoint_disabled" : "");
  const counts = new Map();
  const missed = new Map();
  for (const event of events) {
    const reason = why(event);
    const [map, name] = reason ? [counts, reason] : [missed, event.type];
    map.set(name, (map.get(name) ?? 0) + 1);
  }
  const skipped = [...counts].map(([why, count]) => ({ why, count }));
  const by = [...missed].map(([event_type, count]) => ({ endpoint_id: endpoint.id, event_type, count }));
  const acted_on = by.reduce((sum, { count }) => sum + count, 0);
  if (body.dry_run) return { matched: events.length, acted_on, skipped, by, by_left_out: 0 };
  const replay = { id: data.r.id("rpl", Date.now()), tenant: endpoint.tenant, state: "running", act: "backfill", filter: replayFilter({ endpoint_id: endpoint.id, event_types: body.event_types, from: body.from, until: body.until }), per_second: body.per_second ?? null, total: events.length, done: 0, resent: 0, discarded: 0, made: 0, skipped: 0, skipped_by: [], created_at: new Date().toISOString(), ended_at: null };
  data.replays.unshift(replay);
  return { status: 202, body: replay };
}

function groups({ data, who, query }) {
  const byType = query.get("by") === "endpoint,type";
  const groups = new Map();
  const rows = deliveriesOf(dead(data, who), query);
  for (const row of rows) {
    const name = `${row.endpoint_id} ${byType ? row.event_type : row.reason}`;
    const group = groups.get(name) ?? { endpoint_id: row.endpoint_id, tenant: row.tenant, ...(byType ? { event_type: row.event_type } : { reason: row.reason }), count: 0, newest: row.created_at, oldest: row.created_at };
    group.count += 1;
    group.oldest = row.created_at;
    groups.set(name, group);
  }
  return { groups: [...groups.values()], groups_left_out: 0, counted: { letters: rows.length, is_complete: true } };
}

function events({ data, who, query }) {
  const rows = visible(data.events, who).filter(
    (row) =>
      (!query.get("type") || matchesType(query.get("type"), row.type)) &&
      (!query.get("state") || row.state === query.get("state")) &&
      (!query.get("payload") || row.payload.includes(query.get("payload"))) &&
      (!query.get("ordering_key") || row.ordering_key === query.get("ordering_key")) &&
      (!query.get("idempotency_key") || row.idempotency_key === query.get("idempotency_key")) &&
      (!query.get("endpoint_id") || data.deliveries.some((delivery) => delivery.event_id === row.id && delivery.endpoint_id === query.get("endpoint_id"))) &&
      (!query.get("from") || row.published_at >= query.get("from")),
  );
  return page(rows.map(({ payload, ...rest }) => ({ ...rest, payload_bytes: payload.length, delivery_count: 1 })), query);
}

function event({ data, params }) {
  const found = data.events.find(({ id }) => id === params.id);
  if (!found) return notFound();
  const all = data.deliveries.filter(({ event_id }) => event_id === found.id);
  return { ...found, payload: null, attempts: all.reduce((sum, row) => sum + row.attempts.length, 0), deliveries: all.map(full), deliveries_left_out: 0, delivered_at: null, last_error: all.find(({ last_attempt: last }) => last?.error)?.last_attempt.error ?? null, payload_text: null, payload_base64: found.content_encoding ? found.payload.toString("base64") : null, payload_unreadable: null, deliver_after: null };
}

const payloadOf = (data, id) => data.events.find((event) => event.id === id)?.payload ?? "{}";

function tryFilter({ body }) {
  const [[path, rule]] = Object.entries(body.filter ?? {}).length ? Object.entries(body.filter) : [["", {}]];
  const value = body.payload?.[path];
  const matches = rule?.$gt === undefined ? value === rule : value > rule.$gt;
  return { matches, detail: matches ? "" : `${path} is ${JSON.stringify(value) ?? "not there"}` };
}

/** Routes: a method, a path whose `:names` are parameters, and a handler. */
export const ROUTES = [
  ...PLAYGROUND,
  ...TEMPLATES,
  ["GET", "/v1/stats", stats],
  ["GET", "/v1/endpoints", endpoints],
  ["POST", "/v1/endpoints", makeEndpoint],
  ["POST", "/v1/endpoints/test", ({ data }) => testAnswer(data)],
  ["GET", "/v1/endpoints/:id", ({ data, params }) => endpointOf(data, params.id) ?? notFound()],
  ["PATCH", "/v1/endpoints/:id", ({ data, params, body }) => Object.assign(endpointOf(data, params.id), body, { revision: endpointOf(data, params.id).revision + 1 })],
  ["DELETE", "/v1/endpoints/:id", ({ data, params }) => ((data.endpoints = data.endpoints.filter(({ id }) => id !== params.id)), { status: 204 })],
  ["POST", "/v1/endpoints/:id/pause", setStatus("paused")],
  ["POST", "/v1/endpoints/:id/resume", setStatus("active")],
  ["POST", "/v1/endpoints/:id/enable", setStatus("active")],
  ["POST", "/v1/endpoints/:id/disable", setStatus("disabled")],
  ["POST", "/v1/endpoints/:id/backfill", backfill],
  ["POST", "/v1/endpoints/:id/test", ({ data }) => testAnswer(data)],
  ["GET", "/v1/endpoints/:id/secret", () => ({ secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", previous_expire_at: null })],
  ["POST", "/v1/endpoints/:id/rotate-secret", ({ data, params }) => (endpointOf(data, params.id).secrets.push({ kind: "hmac", signs_until: null }), (endpointOf(data, params.id).secrets.at(-2).signs_until = new Date(Date.now() + 864e5).toISOString()), { secret: "whsec_bmV3c2VjcmV0bmV3c2VjcmV0bmV3", previous_expire_at: new Date(Date.now() + 864e5).toISOString() })],
  ["POST", "/v1/endpoints/:id/end-overlap", ({ data, params }) => ((endpointOf(data, params.id).secrets = [{ kind: "hmac", signs_until: null }]), { secret: "whsec_bmV3c2VjcmV0bmV3c2VjcmV0bmV3", previous_expire_at: null })],
  ["GET", "/v1/endpoints/:id/stats", ({ data, params, query }) => ({ endpoint_id: params.id, total: 9000, delivered: 8800, failed: 120, discarded: 3, pending: 77, success_rate: 0.912, latency_p50_ms: 80, latency_p95_ms: 640, latency_p99_ms: 2900, hours: data.hours.slice(-Number(query.get("hours") ?? 24)).map((hour) => ({ ...hour, accepted: hour.accepted >> 4, delivered: hour.delivered >> 4, failed: hour.failed >> 2 })) })],
  ["GET", "/v1/endpoints/:id/deliveries", ({ data, params, query }) => page(deliveriesOf(data.deliveries.filter(({ endpoint_id }) => endpoint_id === params.id), query), query)],
  ["GET", "/v1/lanes", ({ data, who, query }) => page(visible(data.lanes, who).filter(({ endpoint_id }) => !query.get("endpoint_id") || endpoint_id === query.get("endpoint_id")).map((lane) => ({ ...lane, head: short(lane.head) })), query)],
  ["GET", "/v1/deliveries", ({ data, who, query }) => page(deliveriesOf(visible(data.deliveries, who), query), query)],
  ["GET", "/v1/deliveries/:id", delivery],
  ["POST", "/v1/deliveries/:id/retry", retry],
  ["POST", "/v1/deliveries/:id/discard", ({ data, params }) => (Object.assign(deliveryOf(data, params.id), { state: "discarded", wait: null, ended_at: new Date().toISOString() }), { status: 204 })],
  ["GET", "/v1/deliveries/:id/attempts", ({ data, params, query }) => page(deliveryOf(data, params.id)?.attempts ?? [], query)],
  ["GET", "/v1/deliveries/:id/attempts/:number/request-body", ({ data, params }) => ({ status: 200, bytes: payloadOf(data, deliveryOf(data, params.id)?.event_id) })],
  ["GET", "/v1/events", events],
  ["GET", "/v1/events/:id", event],
  ["GET", "/v1/events/:id/payload", ({ data, params }) => ({ status: 200, bytes: payloadOf(data, params.id) })],
  ["GET", "/v1/events/:id/explain", ({ data, params, query }) => ({ event_id: params.id, endpoint_id: query.get("endpoint_id"), has_delivery: data.deliveries.some((row) => row.event_id === params.id && row.endpoint_id === query.get("endpoint_id")), reasons: ["it does not subscribe to this type", "its filter does not match: amount is 42, $gt 10000"] })],
  ["GET", "/v1/scheduled-events", ({ data, query }) => page(data.scheduled, query)],
  ["DELETE", "/v1/scheduled-events/:id", ({ data, params }) => ((data.scheduled = data.scheduled.filter(({ id }) => id !== params.id)), { status: 204 })],
  ["GET", "/v1/dead-letters", ({ data, who, query }) => page(deliveriesOf(dead(data, who), query), query)],
  ["GET", "/v1/dead-letters/groups", groups],
  ["POST", "/v1/dead-letters/bulk", bulk],
  ["POST", "/v1/dead-letters/resend", ({ data, body }) => chosen(data, body.ids, "retry")],
  ["POST", "/v1/dead-letters/discard", ({ data, body }) => chosen(data, body.ids, "discard")],
  ["GET", "/v1/replays", ({ data, who, query }) => page(visible(data.replays, who), query)],
  ["POST", "/v1/replays", replay],
  ["POST", "/v1/replays/:id/cancel", ({ data, params }) => Object.assign(data.replays.find(({ id }) => id === params.id), { state: "cancelled", ended_at: new Date().toISOString() })],
  ["GET", "/v1/audit", ({ data, who, query }) => page(visible(data.audit, who).filter(({ act, target, actor }) => (!query.get("act") || act === query.get("act")) && (!query.get("target") || target.id === query.get("target")) && (!query.get("actor") || actor.id === query.get("actor"))), query)],
  ["GET", "/v1/tenants", ({ data, query }) => page(data.tenants, query)],
  ["POST", "/v1/tenants", ({ data, body }) => (data.tenants.push({ ...data.tenants[0], ...body, id: data.r.id("tnt", Date.now()) }), { status: 201, body: data.tenants.at(-1) })],
  ["PATCH", "/v1/tenants/:id", ({ data, params, body }) => Object.assign(data.tenants.find(({ id }) => id === params.id), body)],
  ["DELETE", "/v1/tenants/:id", ({ data, params }) => ((data.tenants = data.tenants.filter(({ id }) => id !== params.id)), { status: 204 })],
  ["GET", "/v1/keys", ({ data, query }) => page(data.keys, query)],
  ["POST", "/v1/keys", ({ data, body }) => (data.keys.unshift({ ...data.keys[1], ...body, id: data.r.id("key", Date.now()), last_used_at: null }), { status: 201, body: { ...data.keys[0], key: `${data.keys[0].id}_4c245f824fb5abebda40e39efb0b8d80` } })],
  ["DELETE", "/v1/keys/:id", ({ data, params }) => ((data.keys = data.keys.filter(({ id }) => id !== params.id)), { status: 204 })],
  ["GET", "/v1/sources", ({ data, query }) => page(data.sources, query)],
  ["POST", "/v1/sources", makeSource],
  ["PATCH", "/v1/sources/:id", changeSource],
  ["GET", "/v1/sources/:id", ({ data, params }) => data.sources.find(({ id }) => id === params.id) ?? notFound()],
  ["DELETE", "/v1/sources/:id", ({ data, params }) => ((data.sources = data.sources.filter(({ id }) => id !== params.id)), { status: 204 })],
  ["GET", "/v1/sources/:id/receipts", ({ data, query }) => page(data.receipts, query)],
  ["GET", "/v1/event-types", ({ data, query }) => page(data.eventTypes, query)],
  ["POST", "/v1/event-types", ({ data, body }) => (data.eventTypes.push({ ...data.eventTypes[0], ...body, versions: [{ version: 1, created_at: new Date().toISOString(), schema: body.schema ?? null, example: body.example ?? null }] }), { status: 201, body: data.eventTypes.at(-1) })],
  ["GET", "/v1/event-types/:name", ({ data, params }) => data.eventTypes.find(({ name }) => name === params.name) ?? notFound()],
  ["DELETE", "/v1/event-types/:name", ({ data, params }) => ((data.eventTypes = data.eventTypes.filter(({ name }) => name !== params.name)), { status: 204 })],
  ["GET", "/v1/system", ({ data }) => data.system],
  ["POST", "/v1/filters/try", tryFilter],
  ["POST", "/v1/portal-links", ({ who }) => ({ status: 201, body: { id: "plk_01jd9x2m5tewh8q0v6n3r4y7za", url: "https://hooks.example/ui/#portal=plk_01jd9x2m5tewh8q0v6n3r4y7za_00ff", token: "plk_01jd9x2m5tewh8q0v6n3r4y7za_00ff", tenant: who.shown, scopes: ["read"], expires_at: new Date(Date.now() + 36e5).toISOString(), theme: { color: null, logo_url: null } } })],
  ["POST", "/v1/portal-sessions", ({ body }) => (body.token === "plk_good" ? { status: 201, body: { key: "key_portal_1", expires_at: new Date(Date.now() + 36e5).toISOString(), scopes: ["read", "retry"], tenant: "acme", theme: { color: null, logo_url: null } } } : problem(401, "unauthorized", "There is no valid key in the request.", "the link was used already"))],
];
