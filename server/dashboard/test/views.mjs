/** Every view, by the name of its picture. `of` finds ids in the data of the mock. */
export const VIEWS = [
  ["overview", () => "/"],
  ["events", () => "/events"],
  ["event", ({ event }) => `/events/${event.id}?tenant=${event.tenant}`],
  ["endpoints", () => "/endpoints"],
  ["endpoint", ({ endpoint }) => `/endpoints/${endpoint.id}?tenant=${endpoint.tenant}`],
  ["endpoint-deliveries", ({ endpoint }) => `/endpoints/${endpoint.id}?tenant=${endpoint.tenant}&tab=deliveries`],
  ["endpoint-settings", ({ endpoint }) => `/endpoints/${endpoint.id}?tenant=${endpoint.tenant}&tab=settings`],
  ["endpoint-secret", ({ endpoint }) => `/endpoints/${endpoint.id}?tenant=${endpoint.tenant}&tab=secret`],
  ["endpoint-new", () => "/endpoints/new?tenant=acme"],
  ["lanes", () => "/lanes"],
  ["delivery", ({ delivery }) => `/deliveries/${delivery.id}?tenant=${delivery.tenant}`],
  ["dead-letters", () => "/dead-letters"],
  ["replays", () => "/replays"],
  ["debugger", () => "/debugger"],
  ["event-types", () => "/event-types?tenant=acme"],
  ["event-type", () => "/event-types/order.paid?tenant=acme"],
  ["sources", () => "/sources?tenant=acme"],
  ["source", ({ source }) => `/sources/${source.id}?tenant=acme`],
  ["templates", () => "/templates?tenant=acme"],
  ["template", () => "/templates/slack-message?tenant=acme"],
  ["endpoint-defaults", () => "/endpoint-defaults?tenant=acme"],
  ["playground", () => "/playground?tenant=acme"],
  ["keys", () => "/keys"],
  ["tenants", () => "/tenants"],
  ["audit", () => "/audit"],
  ["system", () => "/system"],
];

/** Things of the mock's data that are worth a look. */
export function worth(data) {
  const endpoint = data.endpoints[0];
  const failing = new Set(data.endpoints.filter(({ failures }) => failures > 0).map(({ id }) => id));
  const delivery = data.deliveries.find(({ state, attempt_count }) => state === "failed" && attempt_count > 3);
  const wide = data.events.filter((event) => data.deliveries.filter(({ event_id }) => event_id === event.id).length > 2);
  const event = wide.find((event) => data.deliveries.some((row) => row.event_id === event.id && failing.has(row.endpoint_id) && row.attempts.length > 2)) ?? wide[0] ?? data.events[0];
  return { endpoint, delivery, event, source: data.sources[0] };
}
