import { Link } from "wouter";
import type { Endpoint } from "../api/types";
import { to } from "../route/filters";

/** An address without what is the same everywhere. */
export function shortUrl(url: string): string {
  return url.replace(/^https:\/\//, "").replace(/\/$/, "");
}

/** An endpoint by the words that people know it by. */
export function EndpointName({ endpoint }: { endpoint: Pick<Endpoint, "id" | "url" | "name" | "tenant"> }) {
  return (
    <Link className="lead clip" href={to(`/endpoints/${endpoint.id}`, { tenant: endpoint.tenant })} title={endpoint.url}>
      {endpoint.name ?? shortUrl(endpoint.url)}
    </Link>
  );
}
