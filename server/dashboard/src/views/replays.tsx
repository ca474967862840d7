import { useState } from "react";
import { useAct, usePages } from "../api/ask";
import { ALL } from "../api/client";
import type { DryRun, Replay } from "../api/types";
import { Confirm, Dialog } from "../parts/dialog";
import { CheckField, SelectField, TextField } from "../parts/fields";
import { periodStart } from "../parts/filter-bar";
import { Icon } from "../parts/icon";
import { shortId } from "../parts/id";
import { View } from "../parts/page";
import { Report, SKIPS } from "../parts/report";
import { Rows, type Column } from "../parts/rows";
import { curl, Empty, Failure } from "../parts/states";
import { Status } from "../parts/status";
import { useSearchValue } from "../route/filters";
import { useMay, useOneTenant, useTenant, useWho } from "../session/who";
import { now } from "../time/clock";
import { count } from "../time/format";
import { When } from "../time/show";

export default function Replays() {
  const marked = useSearchValue("id");
  const all = useTenant() === ALL;
  const mayManage = useMay("manage");
  const [asks, setAsks] = useState(false);
  const [cancels, setCancels] = useState<Replay | null>(null);
  const pages = usePages(["replays"], (api, cursor, signal) => api.GET("/v1/replays", { params: { query: { limit: 50, cursor } }, signal }), { refetchInterval: 2_000 });
  const columns = [...COLUMNS.slice(0, 2), ...(all ? [TENANT] : []), ...COLUMNS.slice(2), ...(mayManage ? [cancelColumn(setCancels)] : [])];
  const make = mayManage && (
    <button type="button" className="primary" onClick={() => setAsks(true)}>
      <Icon name="plus" /> New replay
    </button>
  );
  return (
    <View title="Replays" acts={make} beside={<p className="dim lede">Many deliveries made anew, discarded, or made of what an endpoint has missed, at the pace that was chosen.</p>}>
      <Rows label="Replays" pages={pages} columns={columns} rowKey={({ id }) => id} rowClass={({ id }) => (id === marked ? "marked" : "")} empty={<None make={make} />} />
      {asks && <NewReplay close={() => setAsks(false)} />}
      {cancels && <Cancel replay={cancels} close={() => setCancels(null)} />}
    </View>
  );
}

function None({ make }: { make: React.ReactNode }) {
  const who = useWho();
  const tenant = useOneTenant();
  return (
    <Empty title="Nothing was replayed yet" act={make} curl={curl("POST", "/v1/replays", { states: ["failed"], dry_run: true }, who.tenant === null ? tenant : null)}>
      A replay makes many deliveries anew. Try what it would do first:
    </Empty>
  );
}

const COLUMNS: readonly Column<Replay>[] = [
  { head: "State", width: "112px", narrow: "lead", cell: ({ state }) => <Status of={state} /> },
  {
    head: "Replay",
    width: "minmax(190px, 1.6fr)",
    cell: (replay) => (
      <span className="two">
        <span className="clip" title={what(replay)}>
          {what(replay)}
        </span>
        <span className="dim mono">{shortId(replay.id)}</span>
      </span>
    ),
  },
  { head: "Progress", width: "minmax(225px, 1.3fr)", cell: (replay) => <Progress replay={replay} /> },
  { head: "Passed over", width: "minmax(110px, 1fr)", narrow: "hide", cell: ({ skipped_by }) => <Skipped by={skipped_by} /> },
  { head: "Asked for", width: "84px", narrow: "end", cell: ({ created_at }) => <When at={created_at} relative /> },
];

const TENANT: Column<Replay> = { head: "Tenant", width: "100px", narrow: "hide", cell: ({ tenant }) => <span className="clip">{tenant}</span> };

/** Its act and its filter, in words. */
export function what({ act, filter, per_second }: Replay): string {
  const parts: string[] = [act];
  if (filter.dead_letters) parts.push("dead letters");
  if (filter.states.length > 0) parts.push(filter.states.join(" or "));
  if (filter.reasons.length > 0) parts.push(filter.reasons.join(" or "));
  if (filter.event_types.length > 0) parts.push(`of ${filter.event_types.join(", ")}`);
  if (filter.endpoint_id) parts.push(`to ${shortId(filter.endpoint_id)}`);
  if (filter.status) parts.push(`with ${filter.status}`);
  if (per_second) parts.push(`· ${per_second}/s`);
  return parts.join(" ");
}

function Progress({ replay: { done, total, state } }: { replay: Replay }) {
  return (
    <span className="progress">
      <progress value={total == null ? undefined : done} max={Math.max(1, total ?? 1)} aria-label="Progress" />
      <span>
        {count(done)}
        {total == null ? (state === "running" ? " so far" : "") : ` of ${count(total)}`}
      </span>
    </span>
  );
}

function Skipped({ by }: { by: Replay["skipped_by"] }) {
  if (by.length === 0) return <span className="dim nil">–</span>;
  const text = by.map(({ why, count: many }) => `${count(many)}: ${SKIPS[why]}`).join("; ");
  return (
    <span className="clip" title={text}>
      {text}
    </span>
  );
}

function cancelColumn(ask: (replay: Replay) => void): Column<Replay> {
  return {
    head: "Act",
    width: "90px",
    cell: (replay) =>
      replay.state === "running" && (
        <button type="button" className="small" onClick={() => ask(replay)}>
          Cancel
        </button>
      ),
  };
}

function Cancel({ replay, close }: { replay: Replay; close: () => void }) {
  const act = useAct({ quiet: true, tenant: replay.tenant });
  const run = async () => {
    const done = await act.run((api) => api.POST("/v1/replays/{id}/cancel", { params: { path: { id: replay.id } } }), "Cancelled.");
    if (done) close();
  };
  return (
    <Confirm title="Cancel this replay?" act="Cancel the replay" danger busy={act.busy} problem={act.problem} onAct={() => void run()} close={close}>
      <p>What it has done stays: {count(replay.done)} so far. The rest is left as it is.</p>
    </Confirm>
  );
}

function NewReplay({ close }: { close: () => void }) {
  const act = useAct({ quiet: true });
  const [form, setForm] = useState({ period: "24h", endpoint: "", types: "", rate: "" });
  const [states, setStates] = useState({ failed: true, delivered: false, discarded: false });
  const [report, setReport] = useState<DryRun | null>(null);
  const put = (name: keyof typeof form) => (value: string) => (setReport(null), setForm({ ...form, [name]: value }));
  const chosen = (["failed", "delivered", "discarded"] as const).filter((state) => states[state]);
  const body = (dry_run: boolean) => {
    const from = periodStart(form.period, now());
    const types = form.types.split(/[,\s]+/).filter(Boolean);
    return {
      states: chosen,
      dry_run,
      ...(from ? { from } : {}),
      ...(form.endpoint.trim() ? { endpoint_id: form.endpoint.trim() } : {}),
      ...(types.length > 0 ? { event_types: types } : {}),
      ...(Number(form.rate) > 0 ? { per_second: Number(form.rate) } : {}),
    };
  };
  const run = async (dry: boolean) => {
    const made = await act.run((api) => api.POST("/v1/replays", { body: body(dry) }), () => (dry ? "" : "It has begun."));
    if (made && "matched" in made) setReport(made);
    else if (made) close();
  };
  return (
    <Dialog title="New replay" close={close} wide>
      <div className="grid-form">
        <SelectField label="Accepted in" value={form.period} set={put("period")} choices={[["1h", "the last hour"], ["24h", "the last day"], ["7d", "the last 7 days"], ["30d", "the last 30 days"], ["", "all of the history"]]} />
        <TextField label="To the endpoint" value={form.endpoint} set={put("endpoint")} mono placeholder="all" />
        <TextField label="Event types" value={form.types} set={put("types")} mono placeholder="all" hint="Types or families, with commas between." />
        <TextField label="How many in a second, at most" type="number" value={form.rate} set={put("rate")} placeholder="no limit" />
      </div>
      <fieldset className="row-of-checks">
        <legend>Those that</legend>
        <CheckField label="failed" value={states.failed} set={(failed) => (setReport(null), setStates({ ...states, failed }))} />
        <CheckField label="were delivered" value={states.delivered} set={(delivered) => (setReport(null), setStates({ ...states, delivered }))} />
        <CheckField label="were discarded" value={states.discarded} set={(discarded) => (setReport(null), setStates({ ...states, discarded }))} />
      </fieldset>
      {report && <Report report={report} act="replay" />}
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className={report ? undefined : "primary"} disabled={act.busy || chosen.length === 0} onClick={() => void run(true)}>
          Show what it would do
        </button>
        {report && (
          <button type="button" className="primary" disabled={act.busy || report.acted_on === 0} onClick={() => void run(false)}>
            <Icon name="retry" /> Make {count(report.acted_on)} anew
          </button>
        )}
      </footer>
    </Dialog>
  );
}
