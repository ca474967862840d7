// A client whose types are generated from the API's description: what compiles here is what the
// description promises, and what runs is what the server does.
import createClient from "openapi-fetch";
import type { components, paths } from "./made/api.js";

type Endpoint = components["schemas"]["EndpointView"];
type EventState = components["schemas"]["EventStateView"];

const [base, key, receiver] = process.argv.slice(2);
if (!base || !key || !receiver) throw new Error("usage: client.js BASE KEY RECEIVER");

const api = createClient<paths>({ baseUrl: base, headers: { authorization: `Bearer ${key}` } });

const made = await api.POST("/v1/endpoints", {
  body: { url: receiver, event_types: ["payment.*"], retry: { delays_ms: [60_000] } },
});
if (made.error) throw new Error(`${made.error.code}: ${made.error.detail}`);
const endpoint: Endpoint = made.data;

const published = await api.POST("/v1/events", {
  params: { header: { "idempotency-key": "order-42" } },
  body: { type: "payment.succeeded", payload: { amount: 4200 } },
});
if (published.error) throw new Error(`${published.error.code}: ${published.error.detail}`);
const deliveries: string[] = published.data.deliveries.map((delivery) => delivery.id);

let state: EventState | "gone" = "pending";
for (let wait = 0; wait < 200 && state !== "delivered"; wait++) {
  await new Promise((resume) => setTimeout(resume, 50));
  const event = await api.GET("/v1/events/{id}", { params: { path: { id: published.data.id } } });
  state = event.data?.state ?? "gone";
}

const listed = await api.GET("/v1/deliveries", {
  params: { query: { endpoint_id: endpoint.id, state: "delivered", limit: 10 } },
});
const rows: { id: string }[] = listed.data?.data ?? [];
// A row in short has no attempts.
const row = listed.data?.data[0];
const toNobody = await api.POST("/v1/events", { body: { type: "refund.made", payload: 1 } });
const nobody: EventState = "no_subscribers";
const ofNobody = await api.GET("/v1/events/{id}", {
  params: { path: { id: toNobody.data?.id ?? "gone" } },
});
const refused = await api.GET("/v1/events/{id}", { params: { path: { id: "evt_x" } } });

console.log(
  JSON.stringify({
    published: deliveries,
    listed: rows.map((delivery) => delivery.id),
    status: row && "attempts" in row ? row.attempts[0]?.status : undefined,
    nobody: ofNobody.data?.state === nobody,
    refused: refused.error?.code,
  }),
);
