import type { EndpointDefaults } from "../api/types";
import { spanOf } from "./draft";

/** The defaults of endpoints, as they are typed. What is empty is as the operator has decided. */
export interface DefaultsDraft {
  retry: string;
  timeout: string;
  signatures: string;
}

const shown = (value: unknown) => (value == null ? "" : JSON.stringify(value, null, 2));

export function draftOf(defaults: EndpointDefaults): DefaultsDraft {
  const { retry, timeout_ms: ms, signatures } = defaults;
  return { retry: shown(retry), timeout: ms == null ? "" : `${ms}ms`, signatures: shown(signatures) };
}

/** What the API takes, or what is wrong. */
export function defaultsOf(draft: DefaultsDraft): { form: EndpointDefaults; wrong: Partial<Record<keyof DefaultsDraft, string>> } {
  const form: Record<string, unknown> = {};
  const wrong: Partial<Record<keyof DefaultsDraft, string>> = {};
  for (const name of ["retry", "signatures"] as const) {
    if (!draft[name].trim()) continue;
    try {
      form[name] = JSON.parse(draft[name]) as unknown;
    } catch (error) {
      wrong[name] = `Not JSON: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  if (draft.timeout.trim()) {
    const ms = spanOf(draft.timeout);
    if (ms === null || ms < 1) wrong.timeout = "A span, such as 15s.";
    else form.timeout_ms = ms;
  }
  return { form: form as EndpointDefaults, wrong };
}
