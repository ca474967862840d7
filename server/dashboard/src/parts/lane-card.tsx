import { Link } from "wouter";
import { useAsk } from "../api/ask";
import type { Lane, ShortDelivery } from "../api/types";
import { to } from "../route/filters";
import { count } from "../time/format";
import { Age, When } from "../time/show";
import { EndpointRef } from "./endpoint-ref";
import { Icon } from "./icon";
import { Id } from "./id";
import { DiscardButton, RetryButton } from "./retry-now";
import { Failure, Loading } from "./states";
import { LastOutcome, Status } from "./status";
import { WaitView } from "./wait";

interface Props {
  lane: Lane;
  showTenant: boolean;
  hideEndpoint: boolean;
  open: boolean;
  toggle: () => void;
}

/** A lane: its head, why that waits, what can be done, and what then happens. */
export function LaneCard({ lane, showTenant, hideEndpoint, open, toggle }: Props) {
  const { head } = lane;
  const name = lane.ordering_key ?? "(no ordering key)";
  return (
    <article className={`lane${lane.stopped_at ? " is-stopped" : ""}`} aria-label={`Lane ${name}`}>
      <div className="lane-name">
        <strong className="mono clip" title={name}>
          {name}
        </strong>
        {!hideEndpoint && (
          <span className="dim clip">
            to <EndpointRef id={lane.endpoint_id} tenant={lane.tenant} />
          </span>
        )}
        {showTenant && <span className="dim">{lane.tenant}</span>}
      </div>
      <div className="lane-head">
        <HeadLine head={head} lane={lane} />
        {lane.error && <p className="error-line">{lane.error}</p>}
        <p className="dim next">{whatNext(lane, head)}</p>
      </div>
      <div className="lane-acts">
        <RetryButton delivery={head} />
        <DiscardButton delivery={head} />
        <button type="button" className="small" aria-expanded={open} onClick={toggle}>
          <Icon name={open ? "down" : "right"} /> {count(lane.depth)} queued
        </button>
      </div>
      {open && <Queue lane={lane} />}
    </article>
  );
}

function HeadLine({ head, lane }: { head: ShortDelivery; lane: Lane }) {
  return (
    <p className="head-line">
      <Status of={lane.stopped_at ? "stopped" : head.state} />
      <Id id={head.id} tenant={lane.tenant} />
      <span className="clip">{head.event_type}</span>
      <LastOutcome delivery={head} />
      <span className="dim">
        attempt {count(head.attempt_count)} · waits <Age since={head.created_at} />
      </span>
      {head.wait && <WaitView wait={head.wait} tenant={lane.tenant} brief />}
    </p>
  );
}

/** What happens next if nobody does anything. */
export function whatNext(lane: Lane, head: ShortDelivery): string {
  const behind = lane.depth < 2 ? "" : lane.depth === 2 ? " The one behind it follows." : ` The ${count(lane.depth - 1)} behind it follow in order.`;
  if (lane.stopped_at) return `The lane has stopped at the dead letter ${lane.stopped_at}. Resend or discard that, and the lane goes on.`;
  switch (head.wait?.cause) {
    case "paused":
      return "Resume the endpoint, and it is sent at once.";
    case "disabled":
      return "Enable the endpoint, and it is sent at once.";
    case "sending":
      return `An attempt is under way.${behind}`;
    default:
      return `${head.wait?.detail ?? "It is sent when it is due."}${behind}`;
  }
}

/** What waits in a lane, in order. */
function Queue({ lane }: { lane: Lane }) {
  const query = { state: "pending,retrying", order: "oldest", view: "short", limit: 20, ordering_key: lane.ordering_key ?? "" } as const;
  const asked = useAsk(
    ["queue", lane.endpoint_id, lane.ordering_key],
    (api, signal) => api.GET("/v1/endpoints/{id}/deliveries", { params: { path: { id: lane.endpoint_id }, query }, signal }),
    { tenant: lane.tenant },
  );
  if (asked.error) return <Failure problem={asked.error} again={() => void asked.refetch()} />;
  if (!asked.data) return <Loading lines={3} what="The queue" />;
  const rows = asked.data.data.filter(({ ordering_key }) => (ordering_key ?? null) === (lane.ordering_key ?? null));
  return (
    <ol className="queue" aria-label="The queue, in order">
      {rows.map((delivery, at) => (
        <li key={delivery.id} className={at === 0 ? "is-head" : undefined}>
          <span className="dim place">{at === 0 ? "head" : at + 1}</span>
          <Id id={delivery.id} tenant={lane.tenant} />
          <span className="clip">{delivery.event_type}</span>
          <span className="dim end">
            <When at={delivery.created_at} />
          </span>
        </li>
      ))}
      {lane.depth > rows.length && (
        <li className="dim">
          and {count(lane.depth - rows.length)} more: <Link href={to(`/endpoints/${lane.endpoint_id}`, { tenant: lane.tenant, tab: "deliveries", state: "pending", lane: lane.ordering_key ? null : "own", ordering_key: lane.ordering_key })}>all that wait</Link>
        </li>
      )}
    </ol>
  );
}
