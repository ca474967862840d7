import type { Item } from "./stream";

/** A line of the tail. */
export interface Line {
  id: number;
  at: number;
  kind: string;
  type: string;
  what: string;
  tone: "good" | "bad" | "warn" | "calm";
  event: string | null;
  delivery: string | null;
  endpoint: string | null;
  /** Where all tenants are watched. */
  tenant: string | null;
}

const text = (value: unknown): string | null => (typeof value === "string" && value ? value : null);

/** What an item says; `null` if it is none for people. */
export function lineOf({ kind, data }: Item, id: number, at: number): Line | null {
  const base = {
    id,
    at,
    type: text(data.event_type) ?? text(data.type) ?? "",
    event: text(data.event_id),
    delivery: text(data.delivery_id),
    endpoint: text(data.endpoint_id),
    tenant: text(data.tenant),
  };
  switch (kind) {
    case "event":
      return { ...base, kind: "event", event: text(data.id), what: "accepted", tone: "calm" };
    case "attempt.started":
      return { ...base, kind: "attempt", what: `attempt ${String(data.number)} started`, tone: "calm" };
    case "attempt":
    case "attempt.ended": {
      const status = typeof data.status === "number" ? data.status : null;
      const good = status !== null && status >= 200 && status < 300;
      const came = status === null ? (text(data.failure) ?? "no answer") : `HTTP ${status}`;
      return { ...base, kind: "attempt", what: `attempt ${String(data.number)}: ${came} after ${String(data.duration_ms)} ms`, tone: good ? "good" : "bad" };
    }
    case "delivery":
      return { ...base, kind: "delivery", ...delivered(data) };
    case "endpoint":
      return { ...base, kind: "endpoint", what: `${String(data.what).replaceAll("_", " ")}${text(data.reason) ? ` (${String(data.reason)})` : ""}`, tone: "warn" };
    default:
      return null;
  }
}

function delivered(data: Record<string, unknown>): Pick<Line, "what" | "tone"> {
  const state = String(data.state);
  if (state === "delivered") return { what: "delivered", tone: "good" };
  if (state === "failed") return { what: `failed: ${String(data.reason)}`, tone: "bad" };
  if (state === "retrying") return { what: "waits for its next attempt", tone: "warn" };
  return { what: state, tone: "calm" };
}

/** Words that a line has to have, each of them somewhere. */
export function matches(line: Line, filter: string): boolean {
  const all = `${line.kind} ${line.type} ${line.what} ${line.event ?? ""} ${line.delivery ?? ""} ${line.endpoint ?? ""} ${line.tenant ?? ""}`.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

const KEPT = 300;

/** The last lines, and how many there were that are not among them. */
export class Buffer {
  lines: readonly Line[] = [];
  /** Lines that went because newer ones came. */
  dropped = 0;
  /** Items that the server did not send, as far as it knows how many. */
  skipped = 0;
  skippedUnknown = false;
  #waiting: Line[] = [];
  #last = 0;

  take(item: Item, at: number): void {
    if (item.kind === "skipped") {
      if (typeof item.data.count === "number") this.skipped += item.data.count;
      else this.skippedUnknown = true;
      return;
    }
    this.#last += 1;
    const line = lineOf(item, this.#last, at);
    if (line) this.#waiting.push(line);
    // A page that is not painted for long must not gather without end.
    if (this.#waiting.length > 2 * KEPT) this.dropped += this.#waiting.splice(0, KEPT).length;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Shows what has come; the newest is the first. */
  flush(): void {
    const all = [...this.#waiting.reverse(), ...this.lines];
    this.#waiting = [];
    this.dropped += Math.max(0, all.length - KEPT);
    this.lines = all.slice(0, KEPT);
  }
}
