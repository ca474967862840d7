import { useState, type FormEvent } from "react";
import { useLocation } from "wouter";
import { useAct } from "../api/ask";
import { ALL } from "../api/client";
import type { Endpoint } from "../api/types";
import { fieldAt, formOf, NEW, type Draft, type Wrong } from "../form/draft";
import { EndpointForm } from "../form/endpoint-form";
import { TestNow } from "../form/test-now";
import { View } from "../parts/page";
import { Failure } from "../parts/states";
import { to } from "../route/filters";
import { useMay, useOneTenant, useTenant } from "../session/who";
import { Revealed } from "./endpoint-secret";

export default function EndpointNew() {
  const [draft, setDraft] = useState<Draft>(NEW);
  const [shown, setShown] = useState(false);
  const [made, setMade] = useState<Pick<Endpoint, "id" | "secret" | "tenant"> | null>(null);
  const all = useTenant() === ALL;
  const tenant = useOneTenant();
  // The scope `test` is for endpoints that are there.
  const mayTry = useMay("endpoints");
  const [, go] = useLocation();
  const act = useAct({ quiet: true });
  const { form, wrong } = formOf(draft);
  const isWrong = Object.keys(wrong).length > 0;
  const said: Wrong = { ...(shown ? wrong : {}) };
  for (const { pointer, detail } of act.problem?.places ?? []) said[fieldAt(pointer) ?? "url"] = detail;
  const save = async (event: FormEvent) => {
    event.preventDefault();
    setShown(true);
    if (isWrong) return;
    const endpoint = await act.run((api) => api.POST("/v1/endpoints", { body: form }), "The endpoint is made.");
    if (endpoint) setMade({ id: endpoint.id, secret: endpoint.secret ?? null, tenant: endpoint.tenant });
  };
  const leave = () => made && go(to(`/endpoints/${made.id}`, all ? { tenant: made.tenant } : {}));
  return (
    <View title="New endpoint" back={["/endpoints", "Endpoints"]} beside={all ? <p className="dim">Of the tenant {tenant}. Choose another one above.</p> : undefined}>
      <form className="form" noValidate onSubmit={(event) => void save(event)}>
        <EndpointForm draft={draft} set={(draft) => (act.clear(), setDraft(draft))} wrong={said} isNew />
        {act.problem && <Failure problem={act.problem} />}
        {mayTry && <TestNow ready={!wrong.url} form={() => (setShown(true), isWrong ? null : form)} />}
        <div className="acts end">
          <button type="button" onClick={() => go(to("/endpoints"))}>
            Cancel
          </button>
          <button type="submit" className="primary" disabled={act.busy}>
            {act.busy ? "Making…" : "Make the endpoint"}
          </button>
        </div>
      </form>
      {made?.secret && (
        <Revealed title="The secret of the endpoint" secret={made.secret} close={leave} note="The receiver checks signatures with it. It is shown here once; whoever may manage can look it up later." />
      )}
    </View>
  );
}
