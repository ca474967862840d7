import { Link } from "wouter";
import { useAsk } from "../api/ask";
import { ALL } from "../api/client";
import { whole } from "../api/forms";
import type { Endpoint, Lane, Stats } from "../api/types";
import { useRefresh } from "../live/live";
import { HourChart } from "../parts/chart";
import { EndpointName } from "../parts/endpoint-name";
import { Figure, Panel } from "../parts/facts";
import { SelectHours } from "../parts/hours";
import { Id } from "../parts/id";
import { View } from "../parts/page";
import { curl, Empty, Failure, Loading } from "../parts/states";
import { healthOf, Status } from "../parts/status";
import { to, useFilters } from "../route/filters";
import { useOneTenant, useTenant, useWho } from "../session/who";
import { now } from "../time/clock";
import { count, percent, span } from "../time/format";
import { Age } from "../time/show";
import { Tail } from "./tail";
import "../style/overview.css";

export function Overview() {
  const [{ hours = "24" }, set] = useFilters(["hours"]);
  const stats = useAsk(
    ["stats", hours],
    (api, signal) => api.GET("/v1/stats", { params: { query: { hours: Number(hours) } }, signal }),
    { refetchInterval: 30_000 },
  );
  useRefresh(["stats", "worst", "heads"]);
  const it = stats.data;
  return (
    <View title="Overview" acts={<SelectHours value={hours} set={(hours) => set({ hours: hours === "24" ? null : hours })} />}>
      {stats.error && <Failure problem={stats.error} again={() => void stats.refetch()} />}
      {stats.isPending && <Loading lines={5} what="Figures" />}
      {it && it.endpoints === 0 && it.accepted === 0 && <First />}
      {it && <Figures stats={it} />}
      {it && (
        <Panel title="By hour" className="wide">
          <HourChart hours={it.hours} many={Number(hours)} now={now()} />
        </Panel>
      )}
      <div className="halves">
        <Worst />
        <Heads />
      </div>
      <Tail />
    </View>
  );
}

function First() {
  const tenant = useOneTenant();
  const who = useWho();
  const body = { type: "payment.succeeded", payload: { amount: 4200 } };
  return (
    <Empty
      title="Nothing was published yet"
      curl={curl("POST", "/v1/events", body, who.tenant === null ? tenant : null)}
      act={
        <Link href={to("/endpoints/new")} className="button primary">
          Make an endpoint
        </Link>
      }
    >
      Make an endpoint, then publish an event.
    </Empty>
  );
}

function Figures({ stats: it }: { stats: Stats }) {
  return (
    <dl className="figures">
      <Figure name="Accepted" value={count(it.accepted)} />
      <Figure name="Delivered" value={count(it.delivered)} note={`${percent(it.success_rate)} of attempts`} />
      <Figure name="Failed" value={count(it.failed)} tone={it.failed > 0 ? "bad" : ""} note={it.discarded > 0 ? `${count(it.discarded)} discarded` : undefined} />
      <Figure name="Pending now" value={count(it.pending)} note={it.oldest_pending_at ? <>oldest <Age since={it.oldest_pending_at} /></> : "nothing waits"} />
      <Figure
        name="Dead letters"
        value={<Link href={to("/dead-letters")}>{count(it.dead_letters)}</Link>}
        tone={it.dead_letters > 0 ? "bad" : ""}
        note="kept to be retried"
      />
      <Figure name="Latency p95" value={it.latency_p95_ms == null ? "–" : span(it.latency_p95_ms)} note={it.latency_p50_ms == null ? undefined : `half within ${span(it.latency_p50_ms)}`} />
    </dl>
  );
}

/** Endpoints that fail, those with the most that waits first. */
function Worst() {
  const asked = useAsk(["worst"], (api, signal) => whole(api.GET("/v1/endpoints", { params: { query: { failing: true, limit: 50 } }, signal })));
  const open = ({ counts }: Endpoint) => (counts ? counts.pending + counts.dead_letters : 0);
  const rows = [...(asked.data?.data ?? [])].sort((a, b) => open(b) - open(a));
  const more = <Link href={to("/endpoints", { failing: "true" })}>All that fail</Link>;
  return (
    <Panel title="Endpoints that fail" aside={more}>
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading lines={3} what="Endpoints" />}
      {asked.data && rows.length === 0 && <p className="dim none">None: every endpoint has answered its last attempt.</p>}
      <ul className="short-list">
        {rows.slice(0, 6).map((endpoint) => (
          <Trouble key={endpoint.id} endpoint={endpoint} />
        ))}
      </ul>
    </Panel>
  );
}

function Trouble({ endpoint }: { endpoint: Endpoint }) {
  const all = useTenant() === ALL;
  return (
    <li>
      <Status of={healthOf(endpoint)} />
      <EndpointName endpoint={endpoint} />
      <span className="dim end">
        {all && `${endpoint.tenant} · `}
        {count(endpoint.counts?.pending)} pending, {count(endpoint.counts?.dead_letters)} dead
        {endpoint.failing_since && (
          <>
            {" · for "}
            <Age since={endpoint.failing_since} />
          </>
        )}
      </span>
    </li>
  );
}

/** The lanes whose head has waited longest. */
function Heads() {
  const asked = useAsk(["heads"], (api, signal) => api.GET("/v1/lanes", { params: { query: { limit: 6 } }, signal }));
  return (
    <Panel title="Oldest heads of lanes" aside={<Link href={to("/lanes")}>All lanes</Link>}>
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading lines={3} what="Lanes" />}
      {asked.data?.data.length === 0 && <p className="dim none">Nothing waits.</p>}
      <ul className="short-list">
        {asked.data?.data.map((lane) => (
          <Head key={`${lane.endpoint_id} ${lane.ordering_key ?? ""}`} lane={lane} />
        ))}
      </ul>
    </Panel>
  );
}

function Head({ lane }: { lane: Lane }) {
  const { head } = lane;
  return (
    <li>
      <Status of={lane.stopped_at ? "stopped" : head.state} />
      <span className="lead">
        <Id id={head.id} tenant={lane.tenant} /> <span className="dim">{head.event_type}</span>
      </span>
      <span className="dim end">
        {count(lane.depth)} in {lane.ordering_key ?? "its lane"}
        {" · "}
        <Age since={head.created_at} />
      </span>
    </li>
  );
}
