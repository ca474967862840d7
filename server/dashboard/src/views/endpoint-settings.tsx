import { useState, type FormEvent } from "react";
import { useAct } from "../api/ask";
import type { Endpoint, EndpointPatch } from "../api/types";
import { draftOf, fieldAt, formOf, type Draft, type Wrong } from "../form/draft";
import { EndpointForm } from "../form/endpoint-form";
import { Facts, Panel } from "../parts/facts";
import { Failure } from "../parts/states";
import { useMay } from "../session/who";

/** What the owner decides: to read, or to change by whoever may. */
export function EndpointSettings({ endpoint }: { endpoint: Endpoint }) {
  const mayChange = useMay("endpoints");
  return mayChange ? <Change key={endpoint.revision} endpoint={endpoint} /> : <Read endpoint={endpoint} />;
}

function Change({ endpoint }: { endpoint: Endpoint }) {
  const before = draftOf(endpoint);
  const [draft, setDraft] = useState<Draft>(before);
  const act = useAct({ quiet: true, tenant: endpoint.tenant });
  const { form, wrong } = formOf(draft);
  const changed = (Object.keys(draft) as (keyof Draft)[]).filter((name) => JSON.stringify(draft[name]) !== JSON.stringify(before[name]));
  const said: Wrong = { ...wrong };
  for (const { pointer, detail } of act.problem?.places ?? []) said[fieldAt(pointer) ?? "url"] = detail;
  const save = async (event: FormEvent) => {
    event.preventDefault();
    if (Object.keys(wrong).length > 0) return;
    const body = patchOf(form, changed, draft);
    await act.run((api) => api.PATCH("/v1/endpoints/{id}", { params: { path: { id: endpoint.id } }, body }), "Saved.");
  };
  return (
    <form className="form" noValidate onSubmit={(event) => void save(event)}>
      <EndpointForm draft={draft} set={(draft) => (act.clear(), setDraft(draft))} wrong={said} isNew={false} tenant={endpoint.tenant} />
      {act.problem && <Failure problem={act.problem} />}
      <div className="acts end">
        {changed.length > 0 && (
          <button type="button" onClick={() => setDraft(before)}>
            Undo the changes
          </button>
        )}
        <button type="submit" className="primary" disabled={act.busy || changed.length === 0}>
          {act.busy ? "Saving…" : "Save"}
        </button>
      </div>
    </form>
  );
}

/** The fields of the API that a field of the form is made into. */
const FIELDS: Readonly<Partial<Record<keyof Draft, string>>> = {
  url: "url",
  description: "description",
  types: "event_types",
  filter: "filter",
  ordering: "ordering",
  onFailed: "on_failed",
  scheme: "signatures",
  delays: "retry",
  timeout: "timeout_ms",
  concurrency: "concurrency",
  rate: "rate_limit",
  headers: "headers",
  contentType: "content_type",
  userAgent: "user_agent",
  sendAgain: "send_again",
  payloadForm: "payload_form",
  template: "template",
};

/** A merge patch of what was changed: what was emptied becomes `null`. */
export function patchOf(form: object, changed: readonly (keyof Draft)[], draft: Draft): EndpointPatch {
  const patch: { [name: string]: unknown } = {};
  for (const name of changed) {
    const field = FIELDS[name];
    if (field) patch[field] = (form as Record<string, unknown>)[field] ?? null;
  }
  // A policy is replaced as a whole: an empty one is the default.
  if (patch.retry === null) patch.retry = {};
  // A form of the body with a template is one decision.
  if (draft.payloadForm === "template" && ("payload_form" in patch || "template" in patch)) {
    Object.assign(patch, { payload_form: "template", template: (form as Record<string, unknown>).template });
  }
  return patch;
}

function Read({ endpoint }: { endpoint: Endpoint }) {
  const shown = ["event_types", "filter", "ordering", "on_failed", "retry", "timeout_ms", "concurrency", "rate_limit", "breaker", "signatures", "payload_form", "headers", "content_type", "user_agent", "send_again", "batch"] as const;
  return (
    <Panel title="Settings">
      <Facts of={shown.map((name) => [name.replaceAll("_", " "), <code key={name}>{JSON.stringify(endpoint[name] ?? null)}</code>])} />
    </Panel>
  );
}
