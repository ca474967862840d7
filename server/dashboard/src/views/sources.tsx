import { useState } from "react";
import { Link, useLocation } from "wouter";
import { useAct, usePages } from "../api/ask";
import { BASE } from "../api/client";
import type { Provider, Source } from "../api/types";
import { Copy } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { AreaField, SelectField, TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { OfTenant } from "../parts/of-tenant";
import { View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { curl, Empty, Failure } from "../parts/states";
import { customOf, NEW_CUSTOM, UNSIGNED, type CustomDraft } from "../form/custom-draft";
import { CustomFields } from "../form/custom-source";
import { PROVIDERS, SIGNS_URL } from "../form/providers";
import { changesOf, linesOf, NEW_SOURCE } from "../form/source-draft";
import { SourceFields } from "../form/source-fields";
import { to } from "../route/filters";
import { useMay, useOneTenant, useWho } from "../session/who";
import { When } from "../time/show";

export default function Sources() {
  const mayManage = useMay("manage");
  const who = useWho();
  const tenant = useOneTenant();
  const [asks, setAsks] = useState(false);
  const pages = usePages(["sources"], (api, cursor, signal) => api.GET("/v1/sources", { params: { query: { limit: 100, ...(cursor ? { cursor } : {}) } }, signal }), { one: true });
  const make = mayManage && (
    <button type="button" className="primary" onClick={() => setAsks(true)}>
      <Icon name="plus" /> New source
    </button>
  );
  const body = { name: "stripe", provider: "stripe", secrets: ["whsec_0123456789abcdef0123456789"] };
  return (
    <View title="Sources" acts={make} beside={<OfTenant />}>
      <Rows
        label="Sources"
        pages={pages}
        columns={COLUMNS}
        rowKey={({ id }) => id}
        empty={
          <Empty title="No sources yet" act={make} curl={curl("POST", "/v1/sources", body, who.tenant === null ? tenant : null)}>
            A source is an address here that takes the webhooks of a provider, checks their signatures, and makes events of them.
          </Empty>
        }
      />
      {asks && <NewSource close={() => setAsks(false)} />}
    </View>
  );
}

const COLUMNS: readonly Column<Source>[] = [
  {
    head: "Source",
    width: "minmax(140px, 1fr)",
    narrow: "lead",
    cell: ({ id, name }) => (
      <Link className="clip" href={to(`/sources/${id}`)}>
        {name}
      </Link>
    ),
  },
  { head: "Provider", width: "110px", narrow: "end", cell: ({ provider }) => <span className="clip">{PROVIDERS[provider][0]}</span> },
  {
    head: "Address",
    width: "minmax(220px, 2.4fr)",
    cell: ({ path }) => (
      <span className="id">
        <span className="clip mono">{BASE + path}</span>
        <Copy text={BASE + path} label="Copy the address" />
      </span>
    ),
  },
  { head: "Types begin with", width: "130px", narrow: "hide", cell: ({ event_prefix }) => <span className="mono clip">{event_prefix}</span> },
  { head: "Made", width: "150px", narrow: "hide", cell: ({ created_at }) => <When at={created_at} /> },
];

const CHOICES = Object.entries(PROVIDERS).map(([provider, [name]]) => [provider, name] as const);

function NewSource({ close }: { close: () => void }) {
  const [form, setForm] = useState<{ name: string; provider: Provider; secrets: string }>({ name: "", provider: "stripe", secrets: "" });
  const [custom, setCustom] = useState<CustomDraft>(NEW_CUSTOM);
  const [more, setMore] = useState(NEW_SOURCE);
  const act = useAct({ quiet: true });
  const [, go] = useLocation();
  const put = (name: keyof typeof form) => (value: string) => setForm({ ...form, [name]: value });
  const { name, provider } = form;
  const isCustom = provider === "custom";
  const isSigned = !isCustom || custom.scheme !== UNSIGNED;
  const secrets = isSigned ? linesOf(form.secrets) : [];
  const isReady = name.trim() !== "" && (secrets.length > 0 || !isSigned);
  const run = async () => {
    const body = { name: name.trim(), provider, secrets, tolerance_s: 300, ...changesOf(more, NEW_SOURCE), ...(isCustom ? { custom: customOf(custom) } : {}) };
    const made = await act.run((api) => api.POST("/v1/sources", { body }), "The source is made.");
    if (made) go(to(`/sources/${made.id}`));
  };
  return (
    <Dialog title="New source" close={close} wide>
      <div className="pair">
        <TextField label="Name" value={name} set={put("name")} required placeholder="stripe" />
        <SelectField label="Provider" value={provider} set={put("provider")} choices={CHOICES} hint={isCustom ? "Say how it signs." : undefined} />
      </div>
      {isCustom && <CustomFields draft={custom} set={setCustom} />}
      {isSigned && <AreaField label="Secrets" value={form.secrets} set={put("secrets")} rows={2} hint={`${PROVIDERS[provider][1]} One a line; they are never shown again.`} />}
      <details className="filter-box" open={!isSigned || provider === "asana" || SIGNS_URL.includes(provider)}>
        <summary>URL, answer, handshake and bounds</summary>
        <SourceFields draft={more} set={setMore} provider={provider} isNew />
      </details>
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="primary" disabled={act.busy || !isReady} onClick={() => void run()}>
          Make it
        </button>
      </footer>
    </Dialog>
  );
}
