import { useState, type FormEvent } from "react";
import { useAct, useAsk } from "../api/ask";
import type { EndpointDefaults } from "../api/types";
import { defaultsOf, draftOf } from "../form/defaults-draft";
import { Facts, Panel } from "../parts/facts";
import { AreaField, TextField } from "../parts/fields";
import { OfTenant } from "../parts/of-tenant";
import { View } from "../parts/page";
import { Failure, Loading } from "../parts/states";
import { useMay } from "../session/who";
import "../style/form.css";

const ABOUT = "What endpoints of the tenant have that are registered without it. Those that are there keep what they have.";

export default function EndpointDefaultsPage() {
  const asked = useAsk(["endpoint-defaults"], (api, signal) => api.GET("/v1/endpoint-defaults", { signal }), { one: true });
  const mayManage = useMay("manage");
  const { data } = asked;
  return (
    <View title="Endpoint defaults" beside={<><p className="dim lede">{ABOUT}</p><OfTenant /></>}>
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading />}
      {data && (mayManage ? <Form key={JSON.stringify(data)} of={data} /> : <Shown of={data} />)}
    </View>
  );
}

function Form({ of }: { of: EndpointDefaults }) {
  const [draft, setDraft] = useState(() => draftOf(of));
  const act = useAct({ quiet: true });
  const { form, wrong } = defaultsOf(draft);
  const put = (name: keyof typeof draft) => (value: string) => setDraft({ ...draft, [name]: value });
  const save = (event: FormEvent) => {
    event.preventDefault();
    void act.run((api) => api.PUT("/v1/endpoint-defaults", { body: form }), "The defaults are saved.");
  };
  return (
    <form className="form" noValidate onSubmit={save}>
      <AreaField label="Retry policy" value={draft.retry} set={put("retry")} error={wrong.retry} rows={6} placeholder='{"delays_ms": [5000, 60000, 600000]}' hint="JSON, as for an endpoint. Empty: as the operator has decided." />
      <TextField label="Time for one attempt" value={draft.timeout} set={put("timeout")} error={wrong.timeout} placeholder="15s" hint="Empty: as the operator has decided." />
      <AreaField label="Signatures" value={draft.signatures} set={put("signatures")} error={wrong.signatures} rows={6} placeholder='[{"scheme": "standard"}]' hint="JSON: one to four schemes, each with its headers. Empty: as the operator has decided." />
      {act.problem && <Failure problem={act.problem} />}
      <div className="acts end">
        <button type="submit" className="primary" disabled={act.busy || Object.keys(wrong).length > 0}>
          Save the defaults
        </button>
      </div>
    </form>
  );
}

function Shown({ of }: { of: EndpointDefaults }) {
  const text = (value: unknown) => (value == null ? "as the operator has decided" : <code>{JSON.stringify(value)}</code>);
  return (
    <Panel title="What holds">
      <Facts
        of={[
          ["Retry policy", text(of.retry)],
          ["Time for one attempt", text(of.timeout_ms)],
          ["Signatures", text(of.signatures)],
        ]}
      />
    </Panel>
  );
}
