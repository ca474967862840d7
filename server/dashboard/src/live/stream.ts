// One connection of the event stream: server-sent events by fetch, since `EventSource` sends no key.
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { ALL, BASE, headersFor } from "../api/client";
import { signOut } from "../session/key";

export interface Item {
  /** `event`, `attempt`, `attempt.started`, `delivery`, `endpoint` or `skipped`. */
  kind: string;
  data: Record<string, unknown>;
  /** The place to go on from. */
  place: string | null;
}

export type State = "off" | "connecting" | "open" | "waiting";

export interface Told {
  item(item: Item): void;
  state(state: State): void;
}

/** So many items a second are enough to look at; views ask again for what they show. */
const PER_SECOND = 20;

/** Everything: what a view does not show, it passes over. */
const KINDS = "event,attempt.started,attempt,delivery,endpoint";

const WAIT_MIN_MS = 1_000;
const WAIT_MAX_MS = 30_000;

/** Reads until it is told to stop, and comes back after each loss from where it was. */
export async function follow(
  tenant: string | null,
  from: string | null,
  told: Told,
  signal: AbortSignal,
): Promise<void> {
  const whose = tenant === ALL ? "&tenant=*" : "";
  let place = from;
  let wait = WAIT_MIN_MS;
  while (!signal.aborted) {
    told.state("connecting");
    try {
      const answer = await fetch(`${BASE}/v1/stream?types=${KINDS}&view=short&per_second=${PER_SECOND}${whose}`, {
        headers: { ...headersFor(tenant), accept: "text/event-stream", ...(place ? { "last-event-id": place } : {}) },
        cache: "no-store",
        credentials: "omit",
        signal,
      });
      if (answer.status === 401) return signOut("refused");
      // A place that is no longer known, or a key that may not read: the first is begun anew.
      if (answer.status === 422) place = null;
      if (answer.status === 403) return told.state("off");
      if (answer.ok && answer.body) {
        told.state("open");
        wait = WAIT_MIN_MS;
        await read(answer.body, (message) => {
          const item = itemOf(message);
          place = item.place ?? place;
          told.item(item);
        });
      }
    } catch {
      // What broke off is tried again below.
    }
    if (signal.aborted) return;
    told.state("waiting");
    await pause(wait * (0.75 + Math.random() / 2), signal);
    wait = Math.min(wait * 2, WAIT_MAX_MS);
  }
}

async function read(body: ReadableStream<Uint8Array>, onEvent: (message: EventSourceMessage) => void): Promise<void> {
  const parser = createParser({ onEvent });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(decoder.decode(value, { stream: true }));
  }
}

function itemOf(message: EventSourceMessage): Item {
  let data: unknown;
  try {
    data = JSON.parse(message.data);
  } catch {
    data = {};
  }
  const fields = typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
  return { kind: message.event ?? "message", data: fields, place: message.id ?? null };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}
