import { useState } from "react";
import { Link } from "wouter";
import { useAct, usePages } from "../api/ask";
import type { Tenant } from "../api/types";
import { Dialog } from "../parts/dialog";
import { AreaField, TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { curl, Empty, Failure } from "../parts/states";
import { to, useSearchValue } from "../route/filters";
import { useMay } from "../session/who";
import { count } from "../time/format";
import { Count } from "./endpoints";
import { PortalLinkDialog } from "./portal-link";

type Asks = { form: Tenant | null } | { ends: Tenant } | { portal: Tenant } | null;

export default function Tenants() {
  const marked = useSearchValue("id");
  const mayManage = useMay("manage");
  const [asks, setAsks] = useState<Asks>(null);
  const pages = usePages(["tenants", "list"], (api, cursor, signal) => api.GET("/v1/tenants", { params: { query: { limit: 100, cursor } }, signal }));
  const make = mayManage && (
    <button type="button" className="primary" onClick={() => setAsks({ form: null })}>
      <Icon name="plus" /> New tenant
    </button>
  );
  const close = () => setAsks(null);
  return (
    <View title="Tenants" acts={make} beside={<p className="dim lede">The tenant <code>default</code> is always there and not listed.</p>}>
      <Rows
        label="Tenants"
        pages={pages}
        columns={mayManage ? [...COLUMNS, actColumn(setAsks)] : COLUMNS}
        rowKey={({ id }) => id}
        rowClass={({ id }) => (id === marked ? "marked" : "")}
        empty={
          <Empty title="No tenants yet" act={make} curl={curl("POST", "/v1/tenants", { name: "acme" })}>
            A tenant owns endpoints, events and keys, and sees nothing of the others.
          </Empty>
        }
      />
      {asks && "form" in asks && <TenantForm of={asks.form} close={close} />}
      {asks && "portal" in asks && <PortalLinkDialog of={asks.portal} close={close} />}
      {asks && "ends" in asks && <Delete of={asks.ends} close={close} />}
    </View>
  );
}

const COLUMNS: readonly Column<Tenant>[] = [
  {
    head: "Tenant",
    width: "minmax(150px, 1.6fr)",
    narrow: "lead",
    cell: ({ name, description }) => (
      <span className="two">
        <Link className="clip" href={to("/", { tenant: name })}>
          {name}
        </Link>
        <span className="dim clip">{description}</span>
      </span>
    ),
  },
  { head: "Endpoints", width: "90px", number: true, narrow: "hide", cell: ({ counts }) => count(counts?.endpoints) },
  { head: "Pending", width: "90px", number: true, narrow: "end", cell: ({ counts }) => <Count n={counts?.pending} text="pending" /> },
  { head: "Dead letters", width: "100px", number: true, cell: ({ counts }) => <Count n={counts?.dead_letters} bad text="dead letters" /> },
  { head: "Keys", width: "70px", number: true, narrow: "hide", cell: ({ counts }) => count(counts?.keys) },
  { head: "Sources", width: "80px", number: true, narrow: "hide", cell: ({ counts }) => count(counts?.sources) },
];

function actColumn(ask: (asks: Asks) => void): Column<Tenant> {
  return {
    head: "Acts",
    width: "228px",
    cell: (tenant) => (
      <span className="acts">
        <button type="button" className="small" onClick={() => ask({ form: tenant })}>
          Change
        </button>
        <button type="button" className="small" onClick={() => ask({ portal: tenant })}>
          Portal link
        </button>
        <button type="button" className="small" aria-label={`Delete ${tenant.name}`} onClick={() => ask({ ends: tenant })}>
          <Icon name="bin" />
        </button>
      </span>
    ),
  };
}

function TenantForm({ of, close }: { of: Tenant | null; close: () => void }) {
  const [form, setForm] = useState({ name: of?.name ?? "", description: of?.description ?? "", networks: of?.allow_networks.join("\n") ?? "" });
  const act = useAct({ quiet: true });
  const put = (name: keyof typeof form) => (value: string) => setForm({ ...form, [name]: value });
  const run = async () => {
    const rest = { description: form.description, allow_networks: form.networks.split(/\s+/).filter(Boolean) };
    const made = of
      ? await act.run((api) => api.PATCH("/v1/tenants/{id}", { params: { path: { id: of.id } }, body: rest }), "Saved.")
      : await act.run((api) => api.POST("/v1/tenants", { body: { name: form.name.trim(), ...rest } }), "The tenant is made.");
    if (made) close();
  };
  return (
    <Dialog title={of ? `Change ${of.name}` : "New tenant"} close={close}>
      {!of && <TextField label="Name" value={form.name} set={put("name")} required mono />}
      <TextField label="Description" value={form.description} set={put("description")} />
      <AreaField label="Networks that its requests may go to" value={form.networks} set={put("networks")} rows={3} hint="Beside those that the settings allow to all: an address and a prefix length each, one a line." />
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="primary" disabled={act.busy || !form.name.trim()} onClick={() => void run()}>
          {of ? "Save" : "Make it"}
        </button>
      </footer>
    </Dialog>
  );
}

function Delete({ of, close }: { of: Tenant; close: () => void }) {
  const [text, setText] = useState("");
  const act = useAct({ quiet: true });
  const run = () =>
    act.run(
      (api) => api.DELETE("/v1/tenants/{id}", { params: { path: { id: of.id } } }),
      () => (close(), "The tenant is deleted; what it has is removed now."),
    );
  const { counts } = of;
  return (
    <Dialog title={`Delete ${of.name}?`} close={close}>
      <p>
        With it go {count(counts?.endpoints)} endpoints, {count(counts?.keys)} keys, {count(counts?.sources)} sources and {count(counts?.event_types)} event types.{" "}
        <strong>{count(counts?.pending)}</strong> pending deliveries are discarded. That cannot be undone.
      </p>
      <TextField label={`Type ${of.name} to go on`} value={text} set={setText} mono />
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="danger" disabled={act.busy || text !== of.name} onClick={() => void run()}>
          Delete for good
        </button>
      </footer>
    </Dialog>
  );
}
