import { useState } from "react";
import { Link, useLocation } from "wouter";
import { useAct, usePages } from "../api/ask";
import { BASE } from "../api/client";
import type { Source } from "../api/types";
import { Copy } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { AreaField, SelectField, TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { OfTenant } from "../parts/of-tenant";
import { View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { curl, Empty, Failure } from "../parts/states";
import { customOf, NEW_CUSTOM, type CustomDraft } from "../form/custom-draft";
import { CustomFields } from "../form/custom-source";
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
  { head: "Provider", width: "110px", narrow: "end", cell: ({ provider }) => provider },
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

const PROVIDERS = ["stripe", "github", "shopify", "slack", "standard", "svix", "custom"] as const;

function NewSource({ close }: { close: () => void }) {
  const [form, setForm] = useState({ name: "", provider: "stripe", secrets: "", networks: "" });
  const [custom, setCustom] = useState<CustomDraft>(NEW_CUSTOM);
  const act = useAct({ quiet: true });
  const [, go] = useLocation();
  const put = (name: keyof typeof form) => (value: string) => setForm({ ...form, [name]: value });
  const lines = (text: string) => text.split("\n").map((line) => line.trim()).filter(Boolean);
  const run = async () => {
    const body = { name: form.name.trim(), provider: form.provider as (typeof PROVIDERS)[number], secrets: lines(form.secrets), allowed_networks: lines(form.networks), tolerance_s: 300, ...(form.provider === "custom" ? { custom: customOf(custom) } : {}) };
    const made = await act.run((api) => api.POST("/v1/sources", { body }), "The source is made.");
    if (made) go(to(`/sources/${made.id}`));
  };
  return (
    <Dialog title="New source" close={close}>
      <TextField label="Name" value={form.name} set={put("name")} required placeholder="stripe" />
      <SelectField label="Provider" value={form.provider} set={put("provider")} choices={PROVIDERS} hint="custom is for any other: say how it signs." />
      {form.provider === "custom" && <CustomFields draft={custom} set={setCustom} />}
      <AreaField label="Secrets" value={form.secrets} set={put("secrets")} rows={2} hint="What the provider signs with, one a line. They are never shown again." />
      <AreaField label="Networks that requests may come from" value={form.networks} set={put("networks")} rows={2} hint="One a line. Empty for any." />
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="primary" disabled={act.busy || !form.name.trim() || !form.secrets.trim()} onClick={() => void run()}>
          Make it
        </button>
      </footer>
    </Dialog>
  );
}
