// The form of an endpoint, as it is written: texts that may be unfinished. `formOf` makes of it what the
// API takes, or says which field is wrong.
import type { Endpoint, EndpointForm } from "../api/types";
import { objectOf } from "./json";

export interface Draft {
  url: string;
  name: string;
  description: string;
  types: string[];
  filter: string;
  ordering: "fifo" | "none";
  onFailed: "continue" | "stop";
  scheme: string;
  secret: string;
  delays: string;
  timeout: string;
  concurrency: string;
  rate: string;
  headers: [name: string, value: string][];
  contentType: string;
  userAgent: string;
  sendAgain: "yes" | "no";
  payloadForm: "raw" | "envelope" | "template";
  template: string;
}

export const NEW: Draft = {
  url: "",
  name: "",
  description: "",
  types: ["*"],
  filter: "",
  ordering: "fifo",
  onFailed: "continue",
  scheme: "",
  secret: "",
  delays: "",
  timeout: "",
  concurrency: "",
  rate: "",
  headers: [],
  contentType: "",
  userAgent: "",
  sendAgain: "yes",
  payloadForm: "raw",
  template: "",
};

export const SCHEMES = ["postrider", "standard", "svix", "stripe", "github", "shopify", "slack", "body-hex", "timestamped-v1", "timestamped-sha256"];

/** What is on record, as a draft. */
export function draftOf(it: Endpoint): Draft {
  const delays = it.retry?.delays_ms;
  return {
    ...NEW,
    url: it.url,
    name: it.name ?? "",
    description: it.description ?? "",
    types: it.event_types ?? ["*"],
    filter: it.filter ? JSON.stringify(it.filter, null, 2) : "",
    ordering: it.ordering ?? "fifo",
    onFailed: it.on_failed ?? "continue",
    scheme: it.signatures?.[0]?.scheme ?? "",
    delays: delays ? delays.map((ms) => spelt(ms)).join(", ") : "",
    timeout: it.timeout_ms === undefined ? "" : spelt(it.timeout_ms),
    concurrency: it.concurrency === undefined ? "" : String(it.concurrency),
    rate: it.rate_limit ? String(rateOf(it.rate_limit)) : "",
    headers: Object.entries(it.headers ?? {}),
    contentType: it.content_type ?? "",
    userAgent: it.user_agent ?? "",
    sendAgain: it.send_again === false ? "no" : "yes",
    payloadForm: it.payload_form ?? "raw",
    template: it.template ? `${it.template.name}@${it.template.version}` : "",
  };
}

function rateOf(limit: { requests: number; per_ms?: number }): number {
  return Math.round((limit.requests / ((limit.per_ms ?? 1_000) / 1_000)) * 100) / 100;
}

/** `90s`, `5m`, `250ms`. */
function spelt(ms: number): string {
  if (ms % 3_600_000 === 0 && ms > 0) return `${ms / 3_600_000}h`;
  if (ms % 60_000 === 0 && ms > 0) return `${ms / 60_000}m`;
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a span such as `90s`; a bare number is seconds. */
export function spanOf(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(text.trim());
  if (!match) return null;
  return Math.round(Number(match[1]) * (UNITS[match[2] ?? "s"] ?? 1_000));
}

export type Wrong = Partial<Record<keyof Draft, string>>;

/** What the API takes, or what is wrong. `before`: what was on record, of which only changes are sent. */
export function formOf(draft: Draft): { form: EndpointForm; wrong: Wrong } {
  const wrong: Wrong = {};
  const form: EndpointForm = { url: draft.url.trim(), event_types: draft.types };
  if (!form.url) wrong.url = "Where do its requests go?";
  else if (!/^https?:\/\/\S+$/i.test(form.url)) wrong.url = "An address begins with https:// or http://.";
  if (draft.types.length === 0) wrong.types = "Choose one type at least, or * for all.";
  if (draft.description) form.description = draft.description;
  if (draft.secret) form.secret = draft.secret;
  form.ordering = draft.ordering;
  form.on_failed = draft.onFailed;
  form.filter = filterOf(draft, wrong);
  if (draft.scheme) form.signatures = [{ scheme: draft.scheme }];
  const delays = delaysOf(draft, wrong);
  if (delays) form.retry = { delays_ms: delays };
  if (draft.timeout) {
    const ms = spanOf(draft.timeout);
    if (ms === null || ms < 1) wrong.timeout = "A span, such as 15s.";
    else form.timeout_ms = ms;
  }
  const concurrency = numberOf(draft, "concurrency", wrong);
  if (concurrency !== null) form.concurrency = concurrency;
  const rate = numberOf(draft, "rate", wrong);
  if (rate !== null) form.rate_limit = rate < 1 ? { requests: 1, per_ms: Math.round(1_000 / rate) } : { requests: Math.round(rate), per_ms: 1_000 };
  const headers = draft.headers.filter(([name]) => name.trim() !== "");
  if (headers.length > 0) form.headers = Object.fromEntries(headers.map(([name, value]) => [name.trim(), value]));
  if (draft.contentType.trim()) form.content_type = draft.contentType.trim();
  if (draft.userAgent.trim()) form.user_agent = draft.userAgent.trim();
  if (draft.sendAgain === "no") form.send_again = false;
  form.payload_form = draft.payloadForm;
  if (draft.payloadForm === "template") {
    const [, name, version] = /^(.+)@(\d+)$/.exec(draft.template) ?? [];
    if (name && version) form.template = { name, version: Number(version) };
    else wrong.template = "Choose a template and its version.";
  }
  return { form, wrong };
}

function filterOf(draft: Draft, wrong: Wrong): EndpointForm["filter"] {
  const filter = objectOf(draft.filter);
  if (filter.wrong !== undefined) wrong.filter = filter.wrong;
  return filter.value ?? null;
}

function delaysOf(draft: Draft, wrong: Wrong): number[] | null {
  if (!draft.delays.trim()) return null;
  const spans = draft.delays.split(/[,\s]+/).filter(Boolean).map(spanOf);
  if (spans.some((ms) => ms === null)) wrong.delays = "Spans with commas between, such as 5s, 1m, 10m.";
  return spans.filter((ms) => ms !== null);
}

function numberOf(draft: Draft, name: "concurrency" | "rate", wrong: Wrong): number | null {
  if (!draft[name].trim()) return null;
  const value = Number(draft[name]);
  if (Number.isFinite(value) && value > 0) return value;
  wrong[name] = "A number above nought.";
  return null;
}

/** The field that a place in the body belongs to. */
export function fieldAt(pointer: string): keyof Draft | null {
  const top = pointer.split("/")[1] ?? "";
  const names: Readonly<Record<string, keyof Draft>> = {
    url: "url",
    description: "description",
    event_types: "types",
    filter: "filter",
    secret: "secret",
    retry: "delays",
    timeout_ms: "timeout",
    concurrency: "concurrency",
    rate_limit: "rate",
    headers: "headers",
    content_type: "contentType",
    user_agent: "userAgent",
    send_again: "sendAgain",
    template: "template",
    signatures: "scheme",
  };
  return names[top] ?? null;
}
