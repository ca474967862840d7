import createClient, { type Client, type Middleware } from "openapi-fetch";
import { key, signOut } from "../session/key";
import { heard } from "../time/clock";
import type { paths } from "./contract";
import { apiBase } from "./place";
import { problemOf, unreachable, type Problem } from "./problem";

/** The choice of all tenants. */
export const ALL = "*";

/** The lists, and what is read of single things, that can be over all tenants. */
const OVER_ALL = new Set([
  "/v1/stats",
  "/v1/endpoints",
  "/v1/lanes",
  "/v1/deliveries",
  "/v1/events",
  "/v1/dead-letters",
  "/v1/dead-letters/groups",
  "/v1/replays",
  "/v1/audit",
  "/v1/endpoints/{id}",
  "/v1/endpoints/{id}/stats",
  "/v1/endpoints/{id}/lanes",
  "/v1/endpoints/{id}/deliveries",
  "/v1/events/{id}",
  "/v1/events/{id}/payload",
  "/v1/events/{id}/timeline",
  "/v1/events/{id}/explain",
  "/v1/deliveries/{id}",
  "/v1/deliveries/{id}/attempts",
  "/v1/deliveries/{id}/attempts/{number}",
  "/v1/deliveries/{id}/attempts/{number}/request-body",
]);

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
      if (tenant !== ALL || request.method !== "GET" || !OVER_ALL.has(schemaPath)) return request;
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

interface Answer<T> {
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
