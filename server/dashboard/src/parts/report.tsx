import { useEffect } from "react";
import { Link } from "wouter";
import type { DryRun } from "../api/types";
import { to } from "../route/filters";
import { count } from "../time/format";
import { useEndpointNames } from "./endpoint-ref";
import { shortId } from "./id";

/** Why some are passed over. */
export const SKIPS: Readonly<Record<DryRun["skipped"][number]["why"], string>> = {
  endpoint_gone: "their endpoint is deleted",
  endpoint_disabled: "their endpoint is disabled",
  already_resent: "they were resent before",
  not_ended: "they have not ended",
  already_discarded: "they were discarded before",
  already_reached: "the endpoint has, had or may have had a delivery of them",
  addressed: "they were published for one endpoint",
  not_subscribed: "the endpoint does not subscribe to their type",
  filtered_out: "their payload does not match the filter",
  filter_undecided: "whether their payload matches the filter cannot be told",
};

const ACTS = {
  retry: "would be sent again, each at the end of its lane",
  discard: "would be discarded for good",
  replay: "would be made anew",
  backfill: "would be delivered, each at the end of its lane",
};

/** What a dry run has counted. */
export function Report({ report, act }: { report: DryRun; act: keyof typeof ACTS }) {
  const names = useEndpointNames();
  return (
    <div className="report">
      <p>
        <strong>{count(report.matched)}</strong> match. <strong>{count(report.acted_on)}</strong> {ACTS[act]}.
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

/** The way to what has begun. The focus goes there, as the button that began it is gone. */
export function WatchLink({ id }: { id: string }) {
  useEffect(() => {
    document.getElementById("watch")?.focus();
  }, []);
  return (
    <Link id="watch" className="button primary" href={to("/replays", { id })}>
      Watch its progress
    </Link>
  );
}
