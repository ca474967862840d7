// The playground of the mock: what each receiver would answer is played in short steps.

const RECEIVERS = [
  ["ok", "answers 200"],
  ["fails_twice", "answers each event with 500 twice, then with 200"],
  ["never_answers", "never answers: each attempt ends at its time-out"],
  ["gone", "answers 410: the receiver wants nothing any more"],
  ["rate_limited", "answers each event with 429 and Retry-After: 5 once, then with 200"],
  ["slow", "answers 200 after 3 seconds"],
].map(([behaviour, description]) => ({ behaviour, description, url: `http://127.0.0.1:40123/${behaviour}` }));

/** The statuses of the attempts, and how it ends. */
const PLAYS = {
  ok: [[200], "delivered"],
  fails_twice: [[500, 500, 200], "delivered"],
  never_answers: [[null, null, null, null], "failed", "exhausted"],
  gone: [[410], "failed", "gone"],
  rate_limited: [[429, 200], "delivered"],
  slow: [[200], "delivered"],
};

/** Between two steps, in milliseconds. */
const STEP_MS = 2_500;

const time = (ms = Date.now()) => new Date(ms).toISOString();

function ensure({ data, who, params, body }) {
  const found = data.endpoints.find(({ name }) => name === params.name);
  if (found) return Object.assign(found, body);
  const base = structuredClone(data.endpoints[0]);
  const made = { ...base, failures: 0, failing_since: null, breaker_open_until: null, status: "active", disabled_reason: null, ...body, id: data.r.id("ep", Date.now()), name: params.name, tenant: who.shown === "*" ? "default" : who.shown };
  data.endpoints.push(made);
  return { status: 201, body: made };
}

function attempt(data, delivery, status, number) {
  const base = structuredClone(data.deliveries.find(({ attempts }) => attempts.length > 0).attempts[0]);
  const failure = status === null ? "timeout_unanswered" : null;
  const error = status === null ? "no answer in time" : status < 300 ? null : `HTTP ${status}`;
  return { ...base, number, status, failure, error, started_at: time(), url: delivery.play.url, response_headers: [], response_body: "" };
}

/** The next step of a delivery. */
function step(data, delivery, [statuses, end, reason = null]) {
  const number = delivery.attempts.length + 1;
  const status = statuses[number - 1];
  delivery.attempts.push(attempt(data, delivery, status, number));
  delivery.attempt_count = number;
  if (number === statuses.length) {
    Object.assign(delivery, { state: end, reason, wait: null, next_attempt_at: null, ended_at: time() });
    return;
  }
  const until = time(Date.now() + STEP_MS);
  const cause = status === 429 ? "retry_after" : "backoff";
  Object.assign(delivery, { state: "retrying", wait: { cause, until, detail: "The next attempt follows." }, next_attempt_at: until });
  setTimeout(() => step(data, delivery, [statuses, end, reason]), STEP_MS).unref();
}

function publish({ data, who, body }) {
  const endpoint = data.endpoints.find(({ id }) => id === body.endpoint_id);
  const behaviour = endpoint?.url.split("/").at(-1) ?? "ok";
  const [event, id] = [data.r.id("evt", Date.now()), data.r.id("dlv", Date.now())];
  const delivery = { id, tenant: endpoint?.tenant ?? who.shown, event_id: event, event_type: body.type, endpoint_id: body.endpoint_id, ordering_key: null, place: 1, state: "pending", reason: null, created_at: time(), next_attempt_at: null, wait: { cause: "sending", until: null, detail: "An attempt is under way." }, ended_at: null, resend_of: null, resent_as: null, replay_id: null, attempts: [], attempt_count: 0, last_attempt: null };
  Object.defineProperty(delivery, "play", { value: { url: endpoint?.url ?? "" } });
  data.deliveries.unshift(delivery);
  setTimeout(() => step(data, delivery, PLAYS[behaviour] ?? PLAYS.ok), STEP_MS / 2).unref();
  return { status: 202, body: { id: event, deliveries: [{ id, endpoint_id: body.endpoint_id, queue_full: false }], deliveries_left_out: 0, duplicate: false } };
}

export const PLAYGROUND = [
  ["GET", "/v1/playground", () => ({ receivers: RECEIVERS })],
  ["PUT", "/v1/endpoints/by-name/:name", ensure],
  ["POST", "/v1/events", publish],
];
