// What the API answers, as far as the generated description does not know it yet. Once
// `docs/openapi.json` has these routes and fields, this file goes and `schema.d.ts` is used alone.
import type { components, paths as Described } from "./schema";

type Schemas = components["schemas"];

export interface Page<T> {
  data: T[];
  next?: string | null;
}

export interface Whoami {
  key_id: string;
  name: string;
  scopes: string[];
  /** `null`: all tenants. */
  tenant: string | null;
  acting_for: string;
  expires_at: string | null;
  requests_per_second: number | null;
  server_time: string;
  portal: Portal | null;
}

/** How the page looks for a customer of a platform. */
export interface Portal {
  color?: string | null;
  logo_url?: string | null;
}

export interface PortalLink {
  id: string;
  url: string;
  token: string;
  tenant: string;
  expires_at: string;
}

export type Cause =
  | "sending"
  | "due"
  | "backoff"
  | "retry_after"
  | "breaker"
  | "rate_limit"
  | "paused"
  | "disabled"
  | "behind_head"
  | "stopped";

/** Why a delivery waits. */
export interface Wait {
  cause: Cause;
  until: string | null;
  detail: string;
  head_id?: string;
}

export interface LastAttempt {
  number: number;
  started_at: string;
  duration_ms: number;
  status: number | null;
  failure: string | null;
  error: string | null;
}

interface DeliveryMore {
  tenant: string;
  wait: Wait | null;
}

export type ShortDelivery = Omit<Schemas["DeliveryView"], "attempts"> &
  DeliveryMore & { attempt_count: number; last_attempt: LastAttempt | null };

export type Delivery = Omit<Schemas["DeliveryView"], "attempts"> & DeliveryMore & { attempts: Attempt[] };

export interface Phases {
  queued_ms: number | null;
  dns_ms: number | null;
  connect_ms: number | null;
  tls_ms: number | null;
  first_byte_ms: number | null;
  total_ms: number | null;
}

export type Attempt = Omit<Schemas["AttemptView"], "request_headers" | "response_headers"> & {
  url: string | null;
  request_headers: string[][];
  response_headers: string[][];
  request_body: { bytes: number; is_payload: boolean } | null;
  phases: Phases | null;
};

export interface Counts {
  pending: number;
  delivered: number;
  failed: number;
  discarded: number;
  dead_letters: number;
  last_day: {
    accepted: number;
    delivered: number;
    failed: number;
    attempts: number;
    attempts_failed: number;
    latency_p95_ms: number | null;
  };
}

export type Endpoint = Schemas["EndpointView"] & {
  counts: Counts;
  secrets: { kind: "hmac" | "ed25519"; signs_until: string | null }[];
};

export type EndpointForm = Schemas["NewEndpoint"];

export interface Stats {
  accepted: number;
  delivered: number;
  failed: number;
  discarded: number;
  pending: number;
  dead_letters: number;
  endpoints: number;
  oldest_pending_at: string | null;
  success_rate: number | null;
  latency_p50_ms: number | null;
  latency_p95_ms: number | null;
  latency_p99_ms: number | null;
  hours: Schemas["HourView"][];
}

export type Hour = Schemas["HourView"];

export type Lane = Omit<Schemas["LaneView"], "head"> & {
  endpoint_id: string;
  tenant: string;
  head: ShortDelivery | null;
};

export type EventRow = Schemas["EventView"] & { tenant: string; state?: Schemas["EventStateView"] };
export type EventDetail = Omit<Schemas["EventDetail"], "deliveries"> & { tenant: string; deliveries: Delivery[] };
export type EventState = Schemas["EventStateView"];
export type EventType = Schemas["EventTypeView"];
export type Scheduled = Schemas["ScheduledView"];
export type Step = Schemas["Step"];
export type Template = Schemas["TemplateView"];

export interface DeadLetterGroup {
  endpoint_id: string;
  reason?: string;
  event_type?: string;
  tenant?: string;
  count: number;
  oldest: string;
  newest: string;
}

/** Which dead letters. */
export interface BulkFilter {
  endpoint_id?: string;
  reasons?: string[];
  status?: number;
  event_types?: string[];
  from?: string;
  until?: string;
}

export interface BulkForm {
  act: "retry" | "discard";
  filter: BulkFilter;
  per_second?: number;
  dry_run?: boolean;
}

export interface DryRun {
  matched: number;
  acted_on: number;
  skipped: { why: string; count: number }[];
  by: { endpoint_id: string; event_type: string; count: number }[];
  by_left_out: number;
}

export type Replay = Schemas["ReplayView"] & {
  act: "resend" | "discard";
  tenant: string;
  filter: BulkFilter & { states?: string[] };
  per_second: number | null;
  total: number | null;
  done: number;
  skipped_by: { why: string; count: number }[];
  ended_at: string | null;
};

export interface AuditRow {
  id: string;
  at: string;
  tenant: string | null;
  actor: { kind: "key" | "portal" | "cli" | "system"; id: string | null; name: string | null };
  act: string;
  target: { kind: string; id: string | null } | null;
  detail: Record<string, unknown> | null;
}

export type Tenant = Schemas["Tenant"] & {
  counts: {
    endpoints: number;
    pending: number;
    dead_letters: number;
    keys: number;
    sources: number;
    event_types: number;
    templates: number;
  };
};

export type Key = Schemas["KeyView"] & { last_used_at: string | null };
export type Source = Schemas["SourceView"];

export interface Receipt {
  at: string;
  result: "accepted" | "duplicate" | "refused";
  code: string | null;
  detail: string | null;
  event_id: string | null;
  provider_id: string | null;
  peer: string | null;
  bytes: number | null;
}

/** A path of the server's own receiver. */
export interface PlaygroundReceiver {
  behaviour: string;
  url: string;
  description: string;
}

/** What an endpoint is known by: rows of `view=names` have this, and their state, and nothing else. */
export type EndpointName = Pick<Endpoint, "id" | "name" | "url" | "tenant">;

export type EndpointDefaults = Schemas["EndpointDefaults"];

export interface System {
  version: string;
  started_at: string;
  store: { kind: string; path: string | null; size_bytes: number | null; free_disk_bytes: number | null };
  commits: { p50_ms: number | null; p99_ms: number | null };
  limits: Record<string, unknown>;
  settings: { name: string; value: unknown; origin: string }[];
  secrets_left_out: string[];
}

// The routes, in the form that openapi-fetch reads.

type Value = string | number | boolean | undefined;
type Query = Record<string, Value>;
type Json<T> = { content: { "application/json": T } };
type Refused = { content: { "application/problem+json": Schemas["Problem"] } };
interface Params<P, Q> {
  query?: Q;
  path: P;
  header?: never;
  cookie?: never;
}
type Bare<Q> = { query?: Q; path?: never; header?: never; cookie?: never };
type Of<P, Q> = [P] extends [never] ? Bare<Q> : Params<P, Q>;
interface Get<R, P = never, Q = Query> {
  get: { parameters: Of<P, Q>; requestBody?: never; responses: { 200: Json<R>; 400: Refused } };
}
interface Post<B, R, P = never> {
  post: {
    parameters: Of<P, never>;
    requestBody: Json<B>;
    responses: { 200: Json<R>; 202: Json<R>; 400: Refused };
  };
}
interface Act<R, P = never> {
  post: { parameters: Of<P, never>; requestBody?: never; responses: { 200: Json<R>; 202: Json<R>; 400: Refused } };
}
type Id = { id: string };
/** A described path with another answer to GET. */
type Reading<Path extends keyof Described, G> = Omit<Described[Path], "get" | "parameters"> & G;

interface Added {
  "/v1/whoami": Get<Whoami>;
  "/v1/stats": Get<Stats>;
  "/v1/endpoints": Reading<"/v1/endpoints", Get<Page<Endpoint>>>;
  "/v1/endpoints/{id}": Reading<"/v1/endpoints/{id}", Get<Endpoint, Id>>;
  "/v1/endpoints/{id}/lanes": Get<Page<Lane>, Id>;
  "/v1/endpoints/{id}/deliveries": Get<Page<ShortDelivery>, Id>;
  "/v1/endpoints/test": Post<EndpointForm & { event_type?: string; payload?: unknown }, Attempt>;
  "/v1/endpoints/{id}/test": Post<{ type?: string; payload?: unknown }, Attempt, Id>;
  "/v1/filters/try": Post<{ filter: unknown; payload: unknown; event_type?: string }, { matches: boolean; detail: string }>;
  "/v1/templates/try": Post<
    { template: unknown; event_type: string; payload: unknown },
    { body: string; content_type: string }
  >;
  "/v1/lanes": Get<Page<Lane>>;
  "/v1/deliveries": Get<Page<ShortDelivery>>;
  "/v1/deliveries/{id}": Reading<"/v1/deliveries/{id}", Get<Delivery, Id>>;
  "/v1/deliveries/{id}/attempts": Get<Page<Attempt>, Id>;
  "/v1/deliveries/{id}/attempts/{number}": Get<Attempt, Id & { number: number }>;
  "/v1/deliveries/{id}/attempts/{number}/request-body": Get<string, Id & { number: number }>;
  "/v1/deliveries/{id}/retry": Act<{ id: string; resend_of: string | null }, Id>;
  "/v1/events": Reading<"/v1/events", Get<Page<EventRow>>>;
  "/v1/events/{id}": Get<EventDetail, Id>;
  "/v1/events/{id}/payload": Get<string, Id>;
  "/v1/dead-letters": Get<Page<ShortDelivery>>;
  "/v1/dead-letters/groups": Get<{ groups: DeadLetterGroup[]; groups_left_out: number }>;
  "/v1/dead-letters/bulk": Post<BulkForm, DryRun | Replay>;
  "/v1/replays": Reading<"/v1/replays", Get<Page<Replay>>> & Post<Schemas["ReplayForm"], DryRun | Replay>;
  "/v1/replays/{id}": Get<Replay, Id>;
  "/v1/audit": Get<Page<AuditRow>>;
  "/v1/tenants": Reading<"/v1/tenants", Get<Page<Tenant>>>;
  "/v1/tenants/{id}": Reading<"/v1/tenants/{id}", Get<Tenant, Id>>;
  "/v1/keys": Reading<"/v1/keys", Get<Page<Key>>>;
  "/v1/sources/{id}/receipts": Get<Page<Receipt>, Id>;
  "/v1/system": Get<System>;
  "/v1/playground": Get<{ receivers: PlaygroundReceiver[] }>;
  "/v1/portal-sessions": Post<{ token: string }, { key: string }>;
  "/v1/portal-links": Post<{ acts: string[]; expires_at?: string; session_s?: number; theme?: Portal }, PortalLink>;
}

export type paths = Omit<Described, keyof Added> & Added;
