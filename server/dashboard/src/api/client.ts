import createClient, { type Client, type Middleware } from "openapi-fetch";
import { key, signOut } from "../session/key";
import { heard } from "../time/clock";
import type { paths } from "./schema";
import { apiBase } from "./place";
import { problemOf, unreachable, type Problem } from "./problem";

/** The choice of all tenants. */
export const ALL = "*";

/** What is read over all tenants by `tenant=*`: the routes with this parameter. */
type OverAll = {
  [Path in keyof paths]: paths[Path]["get"] extends { parameters: { query?: infer Query } } ? (HasTenant<NonNullable<Query>> extends true ? Path : never) : never;
}[keyof paths];

type HasTenant<Query> = [Query] extends [never] ? false : "tenant" extends keyof Query ? true : false;

// All of them, but for the stream, which this client does not ask for.
const OVER_ALL: Readonly<Record<Exclude<OverAll, "/v1/stream">, true>> = {
  "/v1/stats": true,
  "/v1/endpoints": true,
  "/v1/lanes": true,
  "/v1/deliveries": true,
  "/v1/events": true,
  "/v1/dead-letters": true,
  "/v1/dead-letters/groups": true,
  "/v1/replays": true,
  "/v1/audit": true,
  "/v1/endpoints/{id}": true,
  "/v1/endpoints/{id}/stats": true,
  "/v1/endpoints/{id}/lanes": true,
  "/v1/endpoints/{id}/deliveries": true,
  "/v1/events/{id}": true,
  "/v1/events/{id}/payload": true,
  "/v1/events/{id}/timeline": true,
  "/v1/events/{id}/explain": true,
  "/v1/deliveries/{id}": true,
  "/v1/deliveries/{id}/attempts": true,
  "/v1/deliveries/{id}/attempts/{number}": true,
  "/v1/deliveries/{id}/attempts/{number}/request-body": true,
};

export const BASE = apiBase(location.href);

export type Api = Client<paths>;

const clients = new Map<string, Api>();

/** A client that acts for a tenant; without one, for that of the key. */
export function apiFor(tenant: string | null): Api {
  const known = clients.get(tenant ?? "");
  if (known) return known;
  const client = createClient<paths>({ baseUrl: BASE, cache: "no-store", credentials: "omit" });
  client.use(signed(tenant));
  clients.set(tenant ?? "", client);
  return client;
}

/** The headers of every request. */
export function headersFor(tenant: string | null): Record<string, string> {
  const headers: Record<string, string> = { authorization: `Bearer ${key() ?? ""}` };
  if (tenant !== null && tenant !== ALL) headers["postrider-tenant"] = tenant;
  return headers;
}

function signed(tenant: string | null): Middleware {
  return {
    onRequest({ request, schemaPath }) {
      for (const [name, value] of Object.entries(headersFor(tenant))) request.headers.set(name, value);
      if (tenant !== ALL || request.method !== "GET" || !(schemaPath in OVER_ALL)) return request;
      const url = new URL(request.url);
      url.searchParams.set("tenant", ALL);
      return new Request(url, request);
    },
    onResponse({ response }) {
      heard(response.headers.get("date"));
      if (response.status === 401) signOut("refused");
    },
  };
}

/** What openapi-fetch gives. */
export interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** What the server has answered. @throws Problem */
export async function answer<T>(request: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await request.catch((cause: unknown) => {
    throw isAbort(cause) ? cause : unreachable(cause);
  });
  if (!response.ok) throw problemOf(response.status, error);
  return data as T;
}

function isAbort(cause: unknown): boolean {
  return cause instanceof DOMException && cause.name === "AbortError";
}

export function isProblem(error: unknown): error is Problem {
  return error instanceof Error && error.name === "Problem";
}
