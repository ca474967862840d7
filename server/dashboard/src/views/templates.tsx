import { useState } from "react";
import { Link, useLocation } from "wouter";
import { useAct, usePages } from "../api/ask";
import type { Template } from "../api/types";
import { jsonOf } from "../form/json";
import { Dialog } from "../parts/dialog";
import { AreaField, TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { OfTenant } from "../parts/of-tenant";
import { View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { curl, Empty, Failure } from "../parts/states";
import { to } from "../route/filters";
import { useMay, useOneTenant, useWho } from "../session/who";
import { When } from "../time/show";

export default function Templates() {
  const mayManage = useMay("manage");
  const who = useWho();
  const tenant = useOneTenant();
  const [asks, setAsks] = useState(false);
  const pages = usePages(["templates", "list"], (api, cursor, signal) => api.GET("/v1/templates", { params: { query: { limit: 100, ...(cursor ? { cursor } : {}) } }, signal }), { one: true });
  const make = mayManage && (
    <button type="button" className="primary" onClick={() => setAsks(true)}>
      <Icon name="plus" /> New template
    </button>
  );
  const body = { name: "chat.message", template: { text: "{{type}}: {{data.amount}}" } };
  return (
    <View title="Templates" acts={make} beside={<OfTenant />}>
      <Rows
        label="Templates"
        pages={pages}
        columns={COLUMNS}
        rowKey={({ name }) => name}
        empty={
          <Empty title="No templates yet" act={make} curl={curl("POST", "/v1/templates", body, who.tenant === null ? tenant : null)}>
            A template is the form that a receiver wants payloads in. An endpoint keeps the version that it was given.
          </Empty>
        }
      />
      {asks && <TemplateDialog close={() => setAsks(false)} />}
    </View>
  );
}

const COLUMNS: readonly Column<Template>[] = [
  {
    head: "Template",
    width: "minmax(180px, 1fr)",
    narrow: "lead",
    cell: ({ name }) => (
      <Link className="clip mono" href={to(`/templates/${encodeURIComponent(name)}`)}>
        {name}
      </Link>
    ),
  },
  { head: "Newest version", width: "130px", narrow: "end", cell: ({ versions }) => <>version {versions.at(-1)?.version ?? 0}</> },
  { head: "Text", width: "minmax(200px, 2.4fr)", cell: ({ versions }) => <code className="clip">{JSON.stringify(versions.at(-1)?.template)}</code> },
  {
    head: "Added",
    width: "150px",
    narrow: "hide",
    cell: ({ versions }) => {
      const at = versions.at(-1)?.created_at;
      return at ? <When at={at} /> : <span className="dim">–</span>;
    },
  },
];

/** Adds a template, or a version of one. */
export function TemplateDialog({ of, close }: { of?: Template; close: () => void }) {
  const newest = of?.versions.at(-1)?.template;
  const [name, setName] = useState(of?.name ?? "");
  const [text, setText] = useState(newest === undefined ? "" : JSON.stringify(newest, null, 2));
  const act = useAct({ quiet: true });
  const [, go] = useLocation();
  const { value, wrong } = jsonOf(text);
  const run = async () => {
    const made = await act.run((api) => api.POST("/v1/templates", { body: { name: name.trim(), template: value } }), of ? "The version is added." : "The template is made.");
    if (!made) return;
    close();
    go(to(`/templates/${encodeURIComponent(made.name)}`));
  };
  return (
    <Dialog title={of ? `New version of ${of.name}` : "New template"} close={close} wide>
      {!of && <TextField label="Name" value={name} set={setName} mono required placeholder="chat.message" />}
      <AreaField
        label="Template"
        value={text}
        set={setText}
        error={wrong}
        rows={10}
        hint="JSON. A text that is {{data.amount}} becomes that value. Paths begin with id, type, timestamp, timestamp_ms, delivery_id, attempt, sent_at, content_type or data."
      />
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="primary" disabled={act.busy || !name.trim() || value === undefined} onClick={() => void run()}>
          {of ? "Add it" : "Make it"}
        </button>
      </footer>
    </Dialog>
  );
}
