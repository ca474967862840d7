import { useState } from "react";
import { Link, useLocation } from "wouter";
import { useAct, usePages } from "../api/ask";
import type { EventType } from "../api/types";
import { jsonOf, objectOf } from "../form/json";
import { Dialog } from "../parts/dialog";
import { AreaField, CheckField, TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { curl, Empty, Failure } from "../parts/states";
import { to } from "../route/filters";
import { useMay, useOneTenant, useWho } from "../session/who";
import { count } from "../time/format";
import { When } from "../time/show";
import { OfTenant } from "../parts/of-tenant";

export default function EventTypes() {
  const mayManage = useMay("manage");
  const who = useWho();
  const tenant = useOneTenant();
  const [asks, setAsks] = useState(false);
  const pages = usePages(["event-types", "list"], (api, cursor, signal) => api.GET("/v1/event-types", { params: { query: { limit: 100, ...(cursor ? { cursor } : {}) } }, signal }), { one: true });
  const make = mayManage && (
    <button type="button" className="primary" onClick={() => setAsks(true)}>
      <Icon name="plus" /> New event type
    </button>
  );
  const body = { name: "payment.succeeded", example: { amount: 4200 } };
  return (
    <View title="Event types" acts={make} beside={<OfTenant />}>
      <Rows
        label="Event types"
        pages={pages}
        columns={COLUMNS}
        rowKey={({ name }) => name}
        empty={
          <Empty title="The catalogue is empty" act={make} curl={curl("POST", "/v1/event-types", body, who.tenant === null ? tenant : null)}>
            Types need not be in it to be published. Those that are can be ticked, have examples, and can be checked.
          </Empty>
        }
      />
      {asks && <NewType close={() => setAsks(false)} />}
    </View>
  );
}

const COLUMNS: readonly Column<EventType>[] = [
  {
    head: "Type",
    width: "minmax(180px, 1.2fr)",
    narrow: "lead",
    cell: ({ name }) => (
      <Link className="clip mono" href={to(`/event-types/${encodeURIComponent(name)}`)}>
        {name}
      </Link>
    ),
  },
  { head: "Description", width: "minmax(180px, 2fr)", cell: ({ description }) => <span className="clip dim">{description || "–"}</span> },
  { head: "Versions", width: "80px", number: true, narrow: "end", cell: ({ versions }) => <>{count(versions.length)}<span className="only-narrow"> versions</span></> },
  { head: "Checked", width: "96px", cell: ({ validate }) => (validate ? "yes" : <span className="dim">no</span>) },
  { head: "Added", width: "150px", narrow: "hide", cell: ({ created_at }) => <When at={created_at} /> },
];

function NewType({ close }: { close: () => void }) {
  const [form, setForm] = useState({ name: "", description: "", schema: "", example: "", validate: false });
  const act = useAct({ quiet: true });
  const [, go] = useLocation();
  const schema = objectOf(form.schema);
  const example = jsonOf(form.example);
  const put = (name: keyof typeof form) => (value: string) => setForm({ ...form, [name]: value });
  const run = async () => {
    const body = {
      name: form.name.trim(),
      ...(form.description ? { description: form.description } : {}),
      ...(schema.value ? { schema: schema.value } : {}),
      ...(example.value === undefined ? {} : { example: example.value }),
      validate: form.validate,
    };
    const made = await act.run((api) => api.POST("/v1/event-types", { body }), "Added to the catalogue.");
    if (made) go(to(`/event-types/${encodeURIComponent(made.name)}`));
  };
  const isReady = form.name.trim() !== "" && !schema.wrong && !example.wrong;
  return (
    <Dialog title="New event type" close={close} wide>
      <TextField label="Name" value={form.name} set={put("name")} mono required placeholder="payment.succeeded" />
      <TextField label="Description" value={form.description} set={put("description")} />
      <div className="pair">
        <AreaField label="JSON Schema" value={form.schema} set={put("schema")} error={schema.wrong} rows={8} />
        <AreaField label="Example" value={form.example} set={put("example")} error={example.wrong} rows={8} />
      </div>
      <CheckField label="Refuse payloads that do not match the schema" value={form.validate} set={(validate) => setForm({ ...form, validate })} />
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="primary" disabled={act.busy || !isReady} onClick={() => void run()}>
          Add it
        </button>
      </footer>
    </Dialog>
  );
}
