import { useParams } from "wouter";
import { useAsk } from "../api/ask";
import type { Endpoint } from "../api/types";
import { useRefresh } from "../live/live";
import { HourChart } from "../parts/chart";
import { Facts, Figure, Panel } from "../parts/facts";
import { SelectHours } from "../parts/hours";
import { Id, Url } from "../parts/id";
import { Tabs, View } from "../parts/page";
import { shortUrl } from "../parts/endpoint-name";
import { Failure, Loading } from "../parts/states";
import { healthOf, Status } from "../parts/status";
import { useFilters, useSearchValue } from "../route/filters";
import { useMay } from "../session/who";
import { now } from "../time/clock";
import { count, percent, span } from "../time/format";
import { Age, Countdown, When } from "../time/show";
import { EndpointActs } from "./endpoint-acts";
import { EndpointDeliveries } from "./endpoint-deliveries";
import { EndpointLanes } from "./endpoint-lanes";
import { EndpointSecret } from "./endpoint-secret";
import { EndpointSettings } from "./endpoint-settings";
import "../style/overview.css";

export default function EndpointPage() {
  const { id = "" } = useParams<{ id: string }>();
  const tab = useSearchValue("tab");
  const asked = useAsk(["endpoint", id], (api, signal) => api.GET("/v1/endpoints/{id}", { params: { path: { id } }, signal }));
  useRefresh(["endpoint", "endpoint-stats", "endpoint-lanes", "endpoint-deliveries", "queue"], ({ data }) => data.endpoint_id === id);
  const endpoint = asked.data;
  const maySecret = useMay("endpoints");
  if (asked.error && !endpoint) {
    return (
      <View title="Endpoint" back={["/endpoints", "Endpoints"]}>
        <Failure problem={asked.error} again={() => void asked.refetch()} />
      </View>
    );
  }
  if (!endpoint) {
    return (
      <View title="Endpoint" back={["/endpoints", "Endpoints"]}>
        <Loading />
      </View>
    );
  }
  const tabs = [
    ["overview", "Overview"],
    ["deliveries", "Deliveries"],
    ["lanes", "Lanes", endpoint.counts?.pending],
    ["settings", "Settings"],
    ...(maySecret ? ([["secret", "Secret"]] as const) : []),
  ] as const;
  return (
    <View
      title={endpoint.name ?? shortUrl(endpoint.url)}
      beside={<Beside endpoint={endpoint} />}
      back={["/endpoints", "Endpoints"]}
      acts={<EndpointActs endpoint={endpoint} />}
    >
      <Trouble endpoint={endpoint} />
      <Tabs label="Parts of the endpoint" path={`/endpoints/${id}`} tabs={tabs} />
      {tab === "deliveries" && <EndpointDeliveries endpoint={endpoint} />}
      {tab === "lanes" && <EndpointLanes endpoint={endpoint} />}
      {tab === "settings" && <EndpointSettings endpoint={endpoint} />}
      {tab === "secret" && maySecret && <EndpointSecret endpoint={endpoint} />}
      {(tab === null || tab === "overview") && <Summary endpoint={endpoint} />}
    </View>
  );
}

function Beside({ endpoint }: { endpoint: Endpoint }) {
  return (
    <p className="beside">
      <Status of={healthOf(endpoint)} />
      <Url url={endpoint.url} />
      <Id id={endpoint.id} copy />
    </p>
  );
}

const HELD: Readonly<Record<string, string>> = {
  retry_after: "The receiver has asked for time (Retry-After): no attempt starts before then.",
  breaker: "The breaker is open, since the receiver does not answer: no attempt starts before then.",
};

/** What is wrong with it now, in words, and until when. */
function Trouble({ endpoint }: { endpoint: Endpoint }) {
  const until = endpoint.held_until ?? endpoint.breaker_open_until;
  const isHeld = until != null && Date.parse(until) > now();
  const disabled = endpoint.status === "disabled";
  if (!isHeld && !disabled && endpoint.failures === 0 && endpoint.status !== "paused") return null;
  return (
    <div className={`banner ${disabled || endpoint.failures > 0 ? "bad" : "warn"}`}>
      {disabled && <p>{DISABLED[endpoint.disabled_reason ?? "manual"] ?? "It is disabled."} Events for it are refused.</p>}
      {endpoint.status === "paused" && <p>It is paused: events queue up and nothing is sent.</p>}
      {endpoint.failures > 0 && (
        <p>
          {count(endpoint.failures)} failed attempts since the last success
          {endpoint.failing_since && (
            <>
              , for <Age since={endpoint.failing_since} />
            </>
          )}
          .
        </p>
      )}
      {isHeld && (
        <p>
          {HELD[endpoint.held_by ?? "breaker"]} <Countdown until={until} />
        </p>
      )}
    </div>
  );
}

const DISABLED: Readonly<Record<string, string>> = {
  manual: "It was disabled by hand.",
  gone: "Its receiver answered 410 Gone, so it was disabled.",
  failing: "It failed for too long, so it was disabled.",
};

function Summary({ endpoint }: { endpoint: Endpoint }) {
  const [{ hours = "24" }, set] = useFilters(["hours"]);
  const stats = useAsk(["endpoint-stats", endpoint.id, hours], (api, signal) =>
    api.GET("/v1/endpoints/{id}/stats", { params: { path: { id: endpoint.id }, query: { hours: Number(hours) } }, signal }),
  );
  const it = stats.data;
  const { counts } = endpoint;
  return (
    <>
      <dl className="figures">
        <Figure name="Pending now" value={count(counts?.pending)} />
        <Figure name="Dead letters" value={count(counts?.dead_letters)} tone={(counts?.dead_letters ?? 0) > 0 ? "bad" : ""} />
        <Figure name="Delivered, ever" value={count(counts?.delivered)} />
        <Figure name="Attempts that succeed" value={percent(it?.success_rate)} note={it?.latency_p95_ms == null ? undefined : `p95 ${span(it.latency_p95_ms)}`} />
      </dl>
      <Panel title="By hour" className="wide" aside={<SelectHours value={hours} set={(hours) => set({ hours: hours === "24" ? null : hours })} />}>
        {stats.error && <Failure problem={stats.error} again={() => void stats.refetch()} />}
        {stats.isPending && <Loading lines={3} what="By hour" />}
        {it && <HourChart hours={it.hours} many={Number(hours)} now={now()} />}
      </Panel>
      <Panel title="About it">
        <Facts
          of={[
            ["Event types", endpoint.event_types?.join(", ") ?? "*"],
            endpoint.filter ? ["Filter", <code key="f">{JSON.stringify(endpoint.filter)}</code>] : null,
            ["Order", endpoint.ordering === "none" ? "none: deliveries may overtake each other" : "kept within each lane"],
            ["After a dead letter", endpoint.on_failed === "stop" ? "the lane stops" : "the lane goes on"],
            endpoint.content_type ? ["Content-Type", endpoint.content_type] : null,
            endpoint.user_agent ? ["User-Agent", endpoint.user_agent] : null,
            endpoint.client_certificate ? ["Client certificate", "one of its own (mutual TLS)"] : null,
            endpoint.description ? ["Description", endpoint.description] : null,
            ["Tenant", endpoint.tenant],
            ["Made", <When key="m" at={endpoint.created_at} />],
          ]}
        />
      </Panel>
    </>
  );
}
