import { useState } from "react";
import { useAct, usePages } from "../api/ask";
import type { Key } from "../api/types";
import { Confirm, Dialog } from "../parts/dialog";
import { CheckField, SelectField, TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { curl, Empty, Failure } from "../parts/states";
import { useSearchValue } from "../route/filters";
import { useMay, useWho } from "../session/who";
import { now } from "../time/clock";
import { count } from "../time/format";
import { When } from "../time/show";
import { Revealed } from "./endpoint-secret";

export default function Keys() {
  const marked = useSearchValue("id");
  const [asks, setAsks] = useState(false);
  const [ends, setEnds] = useState<Key | null>(null);
  const [made, setMade] = useState<string | null>(null);
  const mayManage = useMay("manage");
  const pages = usePages(["keys"], (api, cursor, signal) => api.GET("/v1/keys", { params: { query: { limit: 100, cursor } }, signal }));
  const make = mayManage && (
    <button type="button" className="primary" onClick={() => setAsks(true)}>
      <Icon name="plus" /> New key
    </button>
  );
  const columns = mayManage ? [...COLUMNS, revokeColumn(setEnds)] : COLUMNS;
  return (
    <View title="Keys" acts={make}>
      <Rows
        label="Keys"
        pages={pages}
        columns={columns}
        rowKey={({ id }) => id}
        rowClass={({ id }) => (id === marked ? "marked" : "")}
        empty={
          <Empty title="No keys yet" act={make} curl={curl("POST", "/v1/keys", { name: "publisher", scopes: ["publish"] })}>
            The key that you use is the operator's, from the settings of the server.
          </Empty>
        }
      />
      {asks && <NewKey close={() => setAsks(false)} made={setMade} />}
      {ends && <Revoke of={ends} close={() => setEnds(null)} />}
      {made !== null && <Revealed title="The key" secret={made} close={() => setMade(null)} note="It is shown this once: only its digest is kept." />}
    </View>
  );
}

const COLUMNS: readonly Column<Key>[] = [
  {
    head: "Key",
    width: "minmax(150px, 1.4fr)",
    narrow: "lead",
    cell: ({ id, name }) => (
      <span className="two">
        <span className="clip">{name}</span>
        <span className="dim mono clip" title={id}>
          {id}
        </span>
      </span>
    ),
  },
  { head: "May", width: "minmax(160px, 1fr)", cell: ({ scopes }) => scopes.join(", ") },
  { head: "Tenant", width: "110px", narrow: "end", cell: ({ tenant }) => tenant ?? <span className="dim">all</span> },
  { head: "Last used", width: "104px", cell: ({ last_used_at }) => (last_used_at ? <When at={last_used_at} relative /> : <span className="dim">never</span>) },
  { head: "Ends", width: "150px", cell: ({ expires_at }) => (expires_at ? <When at={expires_at} /> : <span className="dim">never</span>) },
  { head: "Rate", width: "80px", number: true, narrow: "hide", cell: ({ requests_per_second: rate }) => (rate == null ? <span className="dim nil">–</span> : `${count(rate)}/s`) },
];

function revokeColumn(ask: (key: Key) => void): Column<Key> {
  return {
    head: "Act",
    width: "92px",
    cell: (key) => (
      <button type="button" className="small" onClick={() => ask(key)}>
        Revoke
      </button>
    ),
  };
}

function Revoke({ of, close }: { of: Key; close: () => void }) {
  const act = useAct({ quiet: true });
  const who = useWho();
  const run = () =>
    act.run(
      (api) => api.DELETE("/v1/keys/{id}", { params: { path: { id: of.id } } }),
      () => (close(), "Revoked."),
    );
  return (
    <Confirm title={`Revoke ${of.name || of.id}?`} act="Revoke for good" danger busy={act.busy} problem={act.problem} onAct={() => void run()} close={close}>
      <p>It is refused from now on, and so are the keys that it has made. That cannot be undone.</p>
      {of.id === who.key_id && <p className="banner warn">This is the key that you are signed in with.</p>}
    </Confirm>
  );
}

const ENDS = [
  ["", "never"],
  ["1", "in a day"],
  ["30", "in 30 days"],
  ["90", "in 90 days"],
  ["365", "in a year"],
] as const;

function NewKey({ close, made }: { close: () => void; made: (key: string) => void }) {
  const who = useWho();
  const [form, setForm] = useState({ name: "", tenant: "", days: "", rate: "" });
  const [scopes, setScopes] = useState({ publish: true, read: false, manage: false });
  const act = useAct({ quiet: true });
  const put = (name: keyof typeof form) => (value: string) => setForm({ ...form, [name]: value });
  const chosen = (["publish", "read", "manage"] as const).filter((scope) => scopes[scope]);
  const run = async () => {
    const body = {
      name: form.name.trim(),
      scopes: chosen,
      ...(form.tenant.trim() ? { tenant: form.tenant.trim() } : {}),
      ...(form.days ? { expires_at: new Date(now() + Number(form.days) * 86_400_000).toISOString() } : {}),
      ...(Number(form.rate) > 0 ? { requests_per_second: Number(form.rate) } : {}),
    };
    const key = await act.run((api) => api.POST("/v1/keys", { body }), "The key is made.");
    if (!key) return;
    close();
    made(key.key ?? "");
  };
  return (
    <Dialog title="New key" close={close}>
      <TextField label="Name" value={form.name} set={put("name")} required hint="For people: where it is used." />
      <fieldset className="row-of-checks">
        <legend>It may</legend>
        {(["publish", "read", "manage"] as const)
          .filter((scope) => who.scopes.includes(scope))
          .map((scope) => (
            <CheckField key={scope} label={scope} value={scopes[scope]} set={(on) => setScopes({ ...scopes, [scope]: on })} />
          ))}
      </fieldset>
      {who.tenant === null && <TextField label="Tenant" value={form.tenant} set={put("tenant")} placeholder="all tenants" hint="Its name or id. Empty: a key for all of them." />}
      <SelectField label="Ends" value={form.days} set={put("days")} choices={ENDS} />
      <TextField label="Requests a second at most" type="number" value={form.rate} set={put("rate")} placeholder="no limit" />
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="primary" disabled={act.busy || !form.name.trim() || chosen.length === 0} onClick={() => void run()}>
          Make the key
        </button>
      </footer>
    </Dialog>
  );
}
