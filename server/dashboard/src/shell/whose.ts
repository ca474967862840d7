import { ALL, answer, apiFor } from "../api/client";

/**
 * The tenant of what an id names, for a key for all of them: what is changed on its page is changed for
 * that one. `null` for what has no tenant that matters.
 */
export async function whose(id: string): Promise<string | null> {
  const api = apiFor(ALL);
  const params = { path: { id } };
  if (id.startsWith("evt_")) return (await answer(api.GET("/v1/events/{id}", { params }))).tenant;
  if (id.startsWith("dlv_")) return (await answer(api.GET("/v1/deliveries/{id}", { params }))).tenant;
  if (id.startsWith("ep_")) return (await answer(api.GET("/v1/endpoints/{id}", { params }))).tenant;
  return null;
}
