import { answer, apiFor } from "../api/client";
import type { PlaygroundReceiver } from "../api/types";
import { eventText, formOf, nameOf } from "./form";

export interface Sent {
  event: string;
  delivery: string | null;
  endpoint: string;
}

/** Makes sure of the endpoint, and publishes to it alone. @throws Problem */
export async function send(tenant: string | null, receiver: PlaygroundReceiver, type: string, payload: string): Promise<Sent> {
  const api = apiFor(tenant);
  const path = { name: nameOf(receiver.behaviour) };
  const endpoint = await answer(api.PUT("/v1/endpoints/by-name/{name}", { params: { path }, body: formOf(receiver) }));
  // One that was told `410` is disabled since; it is wanted again.
  const params = { path: { id: endpoint.id } };
  if (endpoint.status === "disabled") await answer(api.POST("/v1/endpoints/{id}/enable", { params }));
  if (endpoint.status === "paused") await answer(api.POST("/v1/endpoints/{id}/resume", { params }));
  const text = eventText(type, endpoint.id, payload);
  const accepted = await answer(api.POST("/v1/events", { body: { type, payload: null }, bodySerializer: () => text }));
  return { event: accepted.id, delivery: accepted.deliveries[0]?.id ?? null, endpoint: endpoint.id };
}
