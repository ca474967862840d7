import { Link } from "wouter";
import { usePages } from "../api/ask";
import { ALL } from "../api/client";
import { whole } from "../api/forms";
import type { Counts, Endpoint } from "../api/types";
import { useRefresh } from "../live/live";
import { Spark } from "../parts/chart";
import { EndpointName } from "../parts/endpoint-name";
import { FilterBar, FilterSelect, FilterText } from "../parts/filter-bar";
import { Icon } from "../parts/icon";
import { View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { curl, Empty } from "../parts/states";
import { healthOf, Status } from "../parts/status";
import { to, useFilters } from "../route/filters";
import { useMay, useOneTenant, useTenant, useWho } from "../session/who";
import { count, span } from "../time/format";
import { Age } from "../time/show";

const NAMES = ["state", "url", "event_type", "failing"] as const;

export default function Endpoints() {
  const [filters, set] = useFilters(NAMES);
  const all = useTenant() === ALL;
  const mayMake = useMay("endpoints");
  const pages = usePages(["endpoints", filters], (api, cursor, signal) =>
    whole(
      api.GET("/v1/endpoints", {
        params: { query: { state: filters.state, url: filters.url, event_type: filters.event_type, failing: filters.failing ? filters.failing === "true" : undefined, limit: cursor ? 250 : 100, cursor } },
        signal,
      }),
    ),
  );
  useRefresh(["endpoints"], ({ kind }) => kind === "endpoint" || kind === "delivery");
  const filtered = Object.keys(filters).length > 0;
  const clear = () => set({ state: null, url: null, event_type: null, failing: null });
  const make = mayMake && (
    <Link href={to("/endpoints/new")} className="button primary">
      <Icon name="plus" /> New endpoint
    </Link>
  );
  return (
    <View title="Endpoints" acts={make}>
      <FilterBar filtered={filtered} clear={clear}>
        <FilterText label="URL, name or description" value={filters.url} set={(url) => set({ url })} wide />
        <FilterSelect label="State" value={filters.state} set={(state) => set({ state })} choices={["active", "paused", "disabled"]} />
        <FilterSelect label="Health" value={filters.failing} set={(failing) => set({ failing })} choices={[["true", "failing"]]} />
        <FilterText label="Gets the type" value={filters.event_type} set={(event_type) => set({ event_type })} />
      </FilterBar>
      <Rows
        label="Endpoints"
        pages={pages}
        columns={all ? [...COLUMNS.slice(0, 2), TENANT, ...COLUMNS.slice(2)] : COLUMNS}
        rowKey={({ id }) => id}
        filtered={filtered}
        clear={clear}
        empty={<None make={make} />}
      />
    </View>
  );
}

function None({ make }: { make: React.ReactNode }) {
  const who = useWho();
  const tenant = useOneTenant();
  const body = { url: "https://example.com/webhooks", event_types: ["*"] };
  return (
    <Empty title="No endpoints yet" act={make} curl={curl("POST", "/v1/endpoints", body, who.tenant === null ? tenant : null)}>
      An endpoint is an address that gets events of the types that it asks for.
    </Empty>
  );
}

const COLUMNS: readonly Column<Endpoint>[] = [
  { head: "Health", width: "104px", narrow: "lead", cell: (endpoint) => <Status of={healthOf(endpoint)} /> },
  {
    head: "Endpoint",
    width: "minmax(180px, 2.4fr)",
    narrow: "sub",
    cell: (endpoint) => (
      <span className="two">
        <EndpointName endpoint={endpoint} />
        <span className="dim clip">{endpoint.name ? endpoint.url : endpoint.description || endpoint.event_types?.join(", ")}</span>
      </span>
    ),
  },
  { head: "Pending", width: "64px", number: true, narrow: "end", cell: ({ counts }) => <Count n={counts?.pending} text="pending" /> },
  { head: "Dead letters", width: "96px", number: true, cell: ({ counts }) => <Count n={counts?.dead_letters} bad text="dead" /> },
  {
    head: "Last day",
    width: "132px",
    cell: ({ counts }) => counts && <LastDay day={counts.last_day} />,
  },
  { head: "p95", width: "64px", number: true, narrow: "hide", cell: ({ counts }) => (counts?.last_day.latency_p95_ms == null ? <span className="dim nil">–</span> : span(counts.last_day.latency_p95_ms)) },
  {
    head: "Fails for",
    width: "84px",
    narrow: "hide",
    cell: (endpoint) => (endpoint.failing_since ? <Age since={endpoint.failing_since} /> : <span className="dim nil">–</span>),
  },
];

const TENANT: Column<Endpoint> = { head: "Tenant", width: "84px", cell: ({ tenant }) => <span className="clip">{tenant}</span> };

function LastDay({ day }: { day: Counts["last_day"] }) {
  return (
    <span className="day">
      <Spark good={day.attempts - day.attempts_failed} bad={day.attempts_failed} label={`${count(day.attempts)} attempts, ${count(day.attempts_failed)} failed`} />
      <span className="dim">{count(day.delivered)}</span>
    </span>
  );
}

/** A number that is quiet when it is nought; on narrow pages it says what it counts. */
export function Count({ n, bad = false, text }: { n: number | undefined; bad?: boolean; text: string }) {
  if (n === undefined) return <span className="dim nil">–</span>;
  return (
    <span className={n === 0 ? "dim" : bad ? "bad-text" : undefined}>
      {count(n)}
      <span className="only-narrow"> {text}</span>
    </span>
  );
}
