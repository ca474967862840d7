import { useEffect, useState } from "react";
import { Link } from "wouter";
import { useAct, useAsk } from "../api/ask";
import type { BulkFilter, BulkForm, DryRun } from "../api/types";
import { Dialog } from "../parts/dialog";
import { TextField } from "../parts/fields";
import { useEndpointNames } from "../parts/endpoint-ref";
import { Icon } from "../parts/icon";
import { shortId } from "../parts/id";
import { Failure, Loading } from "../parts/states";
import { to } from "../route/filters";
import { useTenant } from "../session/who";
import { now } from "../time/clock";
import { count } from "../time/format";
import { ALL } from "../api/client";

interface Props {
  act: BulkForm["act"];
  filter: BulkFilter;
  close: () => void;
}

/** Why some are passed over. */
export const SKIPS: Readonly<Record<DryRun["skipped"][number]["why"], string>> = {
  endpoint_gone: "their endpoint is deleted",
  endpoint_disabled: "their endpoint is disabled",
  already_resent: "they were resent before",
  not_ended: "they have not ended",
  already_discarded: "they were discarded before",
};

/** A bulk act: what it would do, and then it is done. */
export function BulkDialog({ act: name, filter, close }: Props) {
  const all = useTenant() === ALL;
  const act = useAct({ quiet: true });
  const [rate, setRate] = useState("");
  const [started, setStarted] = useState<string | null>(null);
  // What was counted is what is done: nothing that was accepted since.
  const [until] = useState(() => filter.until ?? new Date(now()).toISOString());
  const whole = { ...filter, until };
  const dry = useAsk(
    ["bulk-dry-run", name, whole],
    (api, signal) => api.POST("/v1/dead-letters/bulk", { body: { act: name, filter: whole, dry_run: true }, signal }),
    { one: true, staleTime: Infinity },
  );
  const report = dry.data && "matched" in dry.data ? dry.data : undefined;
  const verb = name === "retry" ? "Retry" : "Discard";
  const run = async () => {
    const per_second = Number(rate);
    const body: BulkForm = { act: name, filter: whole, ...(per_second > 0 ? { per_second } : {}) };
    const made = await act.run(
      (api) => api.POST("/v1/dead-letters/bulk", { body }),
      () => "It has begun.",
    );
    if (made && "id" in made) setStarted(made.id);
  };
  useEffect(() => {
    if (started !== null) document.getElementById("bulk-watch")?.focus();
  }, [started]);
  return (
    <Dialog title={`${verb} dead letters`} close={close} wide>
      {all && <p className="banner warn">This acts for one tenant. Choose it at the top of the page to act for another one.</p>}
      {dry.error && <Failure problem={dry.error} again={() => void dry.refetch()} />}
      {dry.isPending && <Loading lines={4} what="Counting" />}
      {report && <Report report={report} act={name} />}
      {report && report.acted_on > 0 && name === "retry" && started === null && (
        <TextField label="How many in a second, at most" type="number" value={rate} set={setRate} placeholder="no limit" hint="A receiver that has just been mended may be glad of it." />
      )}
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        {started !== null ? (
          <Link id="bulk-watch" className="button primary" href={to("/replays", { id: started })}>
            Watch its progress
          </Link>
        ) : (
          <>
            <button type="button" onClick={close}>
              Cancel
            </button>
            <button type="button" className={name === "discard" ? "danger" : "primary"} disabled={act.busy || !report || report.acted_on === 0} onClick={() => void run()}>
              <Icon name={name === "retry" ? "retry" : "bin"} />
              {act.busy ? "Working…" : `${verb} ${report ? count(report.acted_on) : "…"}`}
            </button>
          </>
        )}
      </footer>
    </Dialog>
  );
}

/** What a dry run has counted. */
export function Report({ report, act }: { report: DryRun; act: string }) {
  const names = useEndpointNames();
  return (
    <div className="report">
      <p>
        <strong>{count(report.matched)}</strong> match. <strong>{count(report.acted_on)}</strong> {act === "retry" ? "would be sent again, each at the end of its lane" : act === "discard" ? "would be discarded for good" : "would be made anew"}.
      </p>
      {report.skipped.length > 0 && (
        <ul>
          {report.skipped.map(({ why, count: many }) => (
            <li key={why}>
              <strong>{count(many)}</strong> are passed over: {SKIPS[why]}.
            </li>
          ))}
        </ul>
      )}
      {report.by.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label="By endpoint and type">
          <table className="plain-table">
            <thead>
              <tr>
                <th scope="col">Endpoint</th>
                <th scope="col">Event type</th>
                <th scope="col" className="number">
                  Deliveries
                </th>
              </tr>
            </thead>
            <tbody>
              {report.by.slice(0, 100).map(({ endpoint_id, event_type, count: many }) => (
                <tr key={`${endpoint_id} ${event_type}`}>
                  <td title={endpoint_id}>{names.get(endpoint_id) ?? shortId(endpoint_id)}</td>
                  <td>{event_type}</td>
                  <td className="number">{count(many)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {report.by.length - 100 + report.by_left_out > 0 && <p className="dim">{count(Math.max(0, report.by.length - 100) + report.by_left_out)} more lines are not shown.</p>}
    </div>
  );
}
