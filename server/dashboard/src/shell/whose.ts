import { ALL, answer, apiFor } from "../api/client";

/**
 * The tenant of what an id names, for a key for all of them: single things are found by their tenant
 * only. `null` if no list tells.
 */
export async function whose(id: string): Promise<string | null> {
  const api = apiFor(ALL);
  if (id.startsWith("evt_")) {
    const { data } = await answer(api.GET("/v1/deliveries", { params: { query: { event_id: id, view: "short", limit: 1 } } }));
    return data[0]?.tenant ?? null;
  }
  if (!id.startsWith("ep_")) return null;
  let cursor: string | undefined;
  do {
    const page = await answer(api.GET("/v1/endpoints", { params: { query: { limit: 250, cursor } } }));
    const found = page.data.find((endpoint) => endpoint.id === id);
    if (found) return found.tenant;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return null;
}
