import type { PlaygroundReceiver } from "../api/types";

/** Nothing but the playground publishes to its endpoints: they subscribe to a type that nobody has. */
const NO_TYPE = "playground.nothing_else";

/** The name of the endpoint that a behaviour has: however often it is sent to, it is one. */
export const nameOf = (behaviour: string) => `playground-${behaviour}`;

/** What the endpoint is: soon tried again, soon given up, and never disabled for its failures. */
export function formOf({ behaviour, url, description }: PlaygroundReceiver) {
  return {
    url,
    description: `Playground: ${description}`,
    event_types: [NO_TYPE],
    // What is tried out is one delivery, and not what waits behind another.
    ordering: "none" as const,
    retry: { delays_ms: [2_000, 4_000, 6_000], jitter_percent: 0 },
    timeout_ms: behaviour === "slow" ? 10_000 : 5_000,
    breaker: null,
    disable_after_ms: null,
  };
}

/** The body of a publish request, with the payload as it was written: numbers keep their digits. */
export function eventText(type: string, endpoint: string, payload: string): string {
  return `{"type":${JSON.stringify(type)},"endpoint_id":${JSON.stringify(endpoint)},"payload":${payload}}`;
}
