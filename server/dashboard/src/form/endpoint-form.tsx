import { SelectField, TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { useAsk } from "../api/ask";
import { SCHEMES, type Draft, type Wrong } from "./draft";
import { FilterField } from "./filter-field";
import { TypesField } from "./types-field";
import "../style/form.css";

interface Props {
  draft: Draft;
  set: (draft: Draft) => void;
  wrong: Wrong;
  isNew: boolean;
  tenant?: string | undefined;
}

/** All that the owner of an endpoint decides, in one form. */
export function EndpointForm({ draft, set, wrong, isNew, tenant }: Props) {
  const put = <N extends keyof Draft>(name: N) => (value: Draft[N]) => set({ ...draft, [name]: value });
  return (
    <>
      <div className="pair">
        <TextField label="URL" type="url" mono required value={draft.url} set={put("url")} error={wrong.url} placeholder="https://example.com/webhooks" />
        <TextField label="Description" value={draft.description} set={put("description")} error={wrong.description} hint="For people." />
      </div>
      <TypesField value={draft.types} set={put("types")} error={wrong.types} tenant={tenant} />
      <details open={draft.filter !== "" || wrong.filter !== undefined}>
        <summary>Filter by content</summary>
        <FilterField value={draft.filter} set={put("filter")} error={wrong.filter} tenant={tenant} />
      </details>
      <details open={wrong.delays !== undefined || wrong.timeout !== undefined || wrong.rate !== undefined}>
        <summary>Order, retries and limits</summary>
        <Limits draft={draft} set={set} wrong={wrong} />
      </details>
      <details open={wrong.secret !== undefined || wrong.scheme !== undefined || wrong.template !== undefined || wrong.headers !== undefined || wrong.contentType !== undefined || wrong.userAgent !== undefined}>
        <summary>Signature, headers and body</summary>
        <Request draft={draft} set={set} wrong={wrong} isNew={isNew} tenant={tenant} />
      </details>
    </>
  );
}

function Limits({ draft, set, wrong }: Pick<Props, "draft" | "set" | "wrong">) {
  const put = (name: keyof Draft) => (value: string) => set({ ...draft, [name]: value });
  return (
    <div className="grid-form">
      <SelectField
        label="Order"
        value={draft.ordering}
        set={put("ordering")}
        choices={[
          ["fifo", "kept: the head is retried before what follows"],
          ["none", "none: each delivery by itself"],
        ]}
      />
      <SelectField
        label="After a dead letter"
        value={draft.onFailed}
        set={put("onFailed")}
        choices={[
          ["continue", "the lane goes on"],
          ["stop", "the lane stops until somebody acts"],
        ]}
      />
      <TextField label="Delays between attempts" value={draft.delays} set={put("delays")} error={wrong.delays} mono placeholder="5s, 20s, 80s, 320s, 1280s" hint="Empty: as the tenant's default." />
      <TextField label="Time-out of an attempt" value={draft.timeout} set={put("timeout")} error={wrong.timeout} mono placeholder="15s" />
      <TextField label="Attempts at the same time" value={draft.concurrency} set={put("concurrency")} error={wrong.concurrency} placeholder="default" />
      <TextField label="Requests a second at most" value={draft.rate} set={put("rate")} error={wrong.rate} placeholder="no limit" />
      <SelectField
        label="If a connection closes under a request"
        value={draft.sendAgain}
        set={put("sendAgain")}
        choices={[
          ["yes", "it is sent once more, and says so"],
          ["no", "never: each has a connection of its own"],
        ]}
      />
    </div>
  );
}

function Request({ draft, set, wrong, isNew, tenant }: Props) {
  const put = (name: keyof Draft) => (value: string) => set({ ...draft, [name]: value });
  const templates = useAsk(["templates"], (api, signal) => api.GET("/v1/templates", { params: { query: { limit: 250 } }, signal }), { one: true, tenant });
  const choices = (templates.data?.data ?? []).flatMap(({ name, versions }) => versions.map(({ version }) => `${name}@${version}`));
  return (
    <>
      <div className="grid-form">
        <SelectField label="Signature scheme" value={draft.scheme} set={put("scheme")} choices={[["", "as the tenant's default"], ...SCHEMES]} />
        {isNew && <TextField label="Secret" value={draft.secret} set={put("secret")} error={wrong.secret} mono hint="Empty: one is made and shown once." />}
        <SelectField
          label="Body"
          value={draft.payloadForm}
          set={put("payloadForm")}
          choices={[
            ["raw", "the payload, byte for byte"],
            ["envelope", "an envelope with id, type, time and data"],
            ["template", "a template"],
          ]}
        />
        {draft.payloadForm === "template" && <SelectField label="Template" value={draft.template} set={put("template")} choices={[["", "choose"], ...choices]} hint={wrong.template} />}
      </div>
      <div className="pair">
        <TextField label="Content-Type" value={draft.contentType} set={put("contentType")} error={wrong.contentType} mono hint="Empty: that of the body." placeholder="application/json; charset=utf-8" />
        <TextField label="User-Agent" value={draft.userAgent} set={put("userAgent")} error={wrong.userAgent} mono hint="Empty: Postrider's own." />
      </div>
      <HeaderFields value={draft.headers} set={(headers) => set({ ...draft, headers })} error={wrong.headers} />
    </>
  );
}

function HeaderFields({ value, set, error }: { value: Draft["headers"]; set: (value: Draft["headers"]) => void; error: string | undefined }) {
  const change = (at: number, header: [string, string]) => set(value.map((old, index) => (index === at ? header : old)));
  return (
    <fieldset className="header-fields">
      <legend>Headers of its own</legend>
      {value.map(([name, text], at) => (
        // Rows have no identity but their place.
        <div className="add" key={at}>
          <input aria-label={`Name of header ${at + 1}`} className="mono" value={name} placeholder="X-Tenant" onChange={(event) => change(at, [event.target.value, text])} />
          <input aria-label={`Value of header ${at + 1}`} className="mono" value={text} onChange={(event) => change(at, [name, event.target.value])} />
          <button type="button" className="plain" aria-label={`Remove header ${at + 1}`} onClick={() => set(value.filter((_, index) => index !== at))}>
            <Icon name="close" />
          </button>
        </div>
      ))}
      {error && <p className="wrong">{error}</p>}
      <button type="button" className="small" onClick={() => set([...value, ["", ""]])}>
        <Icon name="plus" /> Header
      </button>
    </fieldset>
  );
}

