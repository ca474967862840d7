import { useState } from "react";
import { useAct, useAsk } from "../api/ask";
import type { BackfillForm, Endpoint } from "../api/types";
import { Dialog } from "../parts/dialog";
import { SelectField, TextField, useSlow } from "../parts/fields";
import { periodStart } from "../parts/filter-bar";
import { Icon } from "../parts/icon";
import { Report, WatchLink } from "../parts/report";
import { Failure, Loading } from "../parts/states";
import { now } from "../time/clock";
import { count } from "../time/format";

const PERIODS = [
  ["1h", "the last hour"],
  ["24h", "the last day"],
  ["7d", "the last 7 days"],
  ["30d", "the last 30 days"],
  ["", "all of the history"],
] as const;

/** Gives an endpoint what it has missed: first what that would be, and then it is done. */
export function Backfill({ endpoint, close }: { endpoint: Endpoint; close: () => void }) {
  const { tenant } = endpoint;
  const params = { path: { id: endpoint.id } };
  const act = useAct({ quiet: true, tenant });
  const [form, setForm] = useState({ period: "24h", types: "", rate: "" });
  const put = (name: keyof typeof form) => (value: string) => setForm({ ...form, [name]: value });
  const [types, setTypes] = useSlow(form.types, put("types"));
  const [started, setStarted] = useState<string | null>(null);
  // What was counted is what is done: nothing that was published since.
  const [until] = useState(now);
  const which: BackfillForm = {
    from: periodStart(form.period, until) ?? null,
    until: new Date(until).toISOString(),
    event_types: form.types.split(/[,\s]+/).filter(Boolean),
  };
  const dry = useAsk(
    ["backfill-dry-run", endpoint.id, which],
    (api, signal) => api.POST("/v1/endpoints/{id}/backfill", { params, body: { ...which, dry_run: true }, signal }),
    { one: true, tenant, enabled: started === null, staleTime: Infinity },
  );
  const isCounted = types === form.types;
  const report = isCounted && dry.data && "matched" in dry.data ? dry.data : undefined;
  const run = async () => {
    const per_second = Number(form.rate);
    const body: BackfillForm = { ...which, ...(per_second > 0 ? { per_second } : {}) };
    const made = await act.run(
      (api) => api.POST("/v1/endpoints/{id}/backfill", { params, body }),
      () => "It has begun.",
    );
    if (made && "id" in made) setStarted(made.id);
  };
  if (started !== null) {
    return (
      <Dialog title="Backfill" close={close} wide>
        <p>It has begun, and goes on by itself.</p>
        <footer>
          <WatchLink id={started} />
        </footer>
      </Dialog>
    );
  }
  return (
    <Dialog title="Backfill" close={close} wide>
      <p className="dim">A delivery of each event that it subscribes to now and never had one of, in their order. However often this is done, none comes twice.</p>
      <div className="grid-form">
        <SelectField label="Published in" value={form.period} set={put("period")} choices={PERIODS} />
        <TextField label="Event types" value={types} set={setTypes} mono placeholder="all that it subscribes to" hint="Types or families, with commas between." />
        <TextField label="How many in a second, at most" type="number" value={form.rate} set={put("rate")} placeholder="no limit" />
      </div>
      {dry.error && <Failure problem={dry.error} again={() => void dry.refetch()} />}
      {dry.isPending && <Loading lines={4} what="Counting" />}
      {report && <Report report={report} act="backfill" />}
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="primary" disabled={act.busy || !report || report.acted_on === 0} onClick={() => void run()}>
          <Icon name="retry" />
          {act.busy ? "Working…" : `Deliver ${report ? count(report.acted_on) : "…"}`}
        </button>
      </footer>
    </Dialog>
  );
}
