/** An error of the API (RFC 9457), or a request that got no answer. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly places: readonly { pointer: string; detail: string }[];
  readonly requestId: string | null;

  constructor(from: Partial<Pick<Problem, "status" | "code" | "title" | "detail" | "places" | "requestId">>) {
    super(from.detail ?? from.title ?? "The request failed.");
    this.name = "Problem";
    this.status = from.status ?? 0;
    this.code = from.code ?? "unknown";
    this.title = from.title ?? "The request failed.";
    this.detail = from.detail ?? "";
    this.places = from.places ?? [];
    this.requestId = from.requestId ?? null;
  }

  /** Whether asking again may help. */
  get passes(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

interface Document {
  title?: string;
  code?: string;
  detail?: string;
  request_id?: string | null;
  errors?: { pointer: string; detail: string }[];
}

/** What an answer that is no success says. */
export function problemOf(status: number, body: unknown): Problem {
  const document = (typeof body === "object" && body !== null ? body : {}) as Document;
  return new Problem({
    status,
    code: document.code ?? `http_${status}`,
    title: document.title ?? `The server answered ${status}.`,
    detail: document.detail ?? (typeof body === "string" ? body.slice(0, 300) : ""),
    places: document.errors ?? [],
    requestId: document.request_id ?? null,
  });
}

/** What a failed fetch means. */
export function unreachable(cause: unknown): Problem {
  return new Problem({
    code: "unreachable",
    title: "The server does not answer.",
    detail: cause instanceof Error ? cause.message : String(cause),
  });
}

const TO_DO: Readonly<Record<string, string>> = {
  unreachable: "Check the connection and that the server runs.",
  forbidden: "Sign in with a key that has the scope named here.",
  not_found: "Check the id and the tenant. Records are dropped when their retention is over.",
  rate_limited: "Wait a moment: the key is used too fast.",
  busy: "Try again in a moment.",
  full: "Try again when deliveries have ended, or raise the bound.",
  shutting_down: "The server restarts. Try again in a moment.",
  store_failed: "Look at the server's log: its store has failed.",
  internal: "Give the request id to the operator of this server.",
  endpoint_disabled: "Enable the endpoint first.",
  endpoint_paused: "Resume the endpoint first.",
  behind_head: "Open the head of the lane and retry that.",
  sending: "An attempt is under way. Wait for its result.",
};

/** What to do about it. */
export function toDo(problem: Problem): string {
  return TO_DO[problem.code] ?? (problem.passes ? "Try again." : "");
}
