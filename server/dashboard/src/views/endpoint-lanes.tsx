import { usePages } from "../api/ask";
import type { Endpoint } from "../api/types";
import { LaneList } from "./lanes";

/** Where the lanes of one endpoint stand. */
export function EndpointLanes({ endpoint }: { endpoint: Endpoint }) {
  const pages = usePages(["endpoint-lanes", endpoint.id], (api, cursor, signal) =>
    api.GET("/v1/lanes", { params: { query: { endpoint_id: endpoint.id, limit: 50, cursor } }, signal }),
  );
  return <LaneList pages={pages} showTenant={false} filtered={false} clear={() => {}} hideEndpoint />;
}
