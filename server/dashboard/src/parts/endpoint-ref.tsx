import { useMemo } from "react";
import { useAsk } from "../api/ask";
import type { EndpointName } from "../api/types";
import { to } from "../route/filters";
import { shortUrl } from "./endpoint-name";
import { shortId } from "./id";

/** The names of endpoints, asked for once in a while; of many endpoints those of the first page. */
export function useEndpointNames(): ReadonlyMap<string, string> {
  const asked = useAsk(["endpoint-names"], (api, signal) => api.GET("/v1/endpoints", { params: { query: { view: "names", limit: 250 } }, signal }), { staleTime: 120_000 });
  const rows: readonly Pick<EndpointName, "id" | "name" | "url">[] | undefined = asked.data?.data;
  return useMemo(() => new Map(rows?.map(({ id, name, url }) => [id, name ?? shortUrl(url)])), [rows]);
}

/** An endpoint by what people know it by, or by its id where that is not known. */
export function EndpointRef({ id, tenant }: { id: string; tenant?: string | undefined }) {
  const name = useEndpointNames().get(id);
  return (
    <a className={name ? "clip" : "id"} href={`#${to(`/endpoints/${id}`, tenant ? { tenant } : {})}`} title={name ? `${name} (${id})` : id}>
      {name ?? shortId(id)}
    </a>
  );
}
