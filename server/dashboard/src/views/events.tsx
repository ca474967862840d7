import { useAct, usePages } from "../api/ask";
import { ALL } from "../api/client";
import type { EventRow, Scheduled } from "../api/types";
import { useRefresh } from "../live/live";
import { FilterBar, FilterPeriod, FilterSelect, FilterText, periodStart } from "../parts/filter-bar";
import { Id } from "../parts/id";
import { Tabs, View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { curl, Empty } from "../parts/states";
import { Status } from "../parts/status";
import { useFilters, useSearchValue } from "../route/filters";
import { useMay, useOneTenant, useTenant, useWho } from "../session/who";
import { now } from "../time/clock";
import { Countdown, When } from "../time/show";

const NAMES = ["type", "state", "endpoint_id", "ordering_key", "idempotency_key", "payload", "period"] as const;
const STATES = ["pending", "retrying", "failed", "discarded", "delivered", "no_subscribers"];

export default function Events() {
  const tab = useSearchValue("tab");
  return (
    <View title="Events">
      <Tabs
        label="Kinds of events"
        path="/events"
        tabs={[
          ["accepted", "Accepted"],
          ["scheduled", "For later"],
        ]}
      />
      {tab === "scheduled" ? <ForLater /> : <Accepted />}
    </View>
  );
}

function Accepted() {
  const [filters, set] = useFilters(NAMES);
  const all = useTenant() === ALL;
  const pages = usePages(["events", filters], (api, cursor, signal) => {
    const { period, ...query } = filters;
    return api.GET("/v1/events", { params: { query: { view: "short", ...query, from: periodStart(period, now()), limit: cursor ? 250 : 50, cursor } }, signal });
  });
  useRefresh(["events"], ({ kind }) => kind === "event" || kind === "delivery");
  const filtered = Object.keys(filters).length > 0;
  const clear = () => set(Object.fromEntries(NAMES.map((name) => [name, null])));
  return (
    <>
      <FilterBar filtered={filtered} clear={clear}>
        <FilterText label="Type" value={filters.type} set={(type) => set({ type })} placeholder="payment.*" />
        <FilterSelect label="State" value={filters.state} set={(state) => set({ state })} choices={STATES} />
        <FilterText label="In the payload" value={filters.payload} set={(payload) => set({ payload })} wide placeholder="a text, as it stands there" />
        <FilterText label="Endpoint" value={filters.endpoint_id} set={(id) => set({ endpoint_id: id.trim() })} placeholder="ep_…" />
        <FilterText label="Ordering key" value={filters.ordering_key} set={(ordering_key) => set({ ordering_key })} />
        <FilterText label="Idempotency key" value={filters.idempotency_key} set={(idempotency_key) => set({ idempotency_key })} />
        <FilterPeriod value={filters.period} set={(period) => set({ period })} />
      </FilterBar>
      <Rows
        label="Events"
        pages={pages}
        columns={all ? [...COLUMNS.slice(0, 3), TENANT, ...COLUMNS.slice(3)] : COLUMNS}
        rowKey={({ id }) => id}
        filtered={filtered}
        clear={clear}
        empty={<None />}
      />
    </>
  );
}

function None() {
  const who = useWho();
  const tenant = useOneTenant();
  const body = { type: "payment.succeeded", payload: { amount: 4200 } };
  return (
    <Empty title="No events yet" curl={curl("POST", "/v1/events", body, who.tenant === null ? tenant : null)}>
      Publish the first one:
    </Empty>
  );
}

const COLUMNS: readonly Column<EventRow>[] = [
  { head: "State", width: "128px", narrow: "lead", cell: ({ state }) => <Status of={state} /> },
  { head: "Event", width: "128px", narrow: "end", cell: ({ id, tenant }) => <Id id={id} tenant={tenant} /> },
  { head: "Type", width: "minmax(140px, 1.5fr)", cell: ({ type }) => <span className="clip">{type}</span> },
  { head: "Ordering key", width: "minmax(110px, 1fr)", cell: ({ ordering_key }) => <Key text={ordering_key} /> },
  { head: "Idempotency key", width: "minmax(128px, 1fr)", narrow: "hide", cell: ({ idempotency_key }) => <Key text={idempotency_key} /> },
  { head: "Accepted", width: "150px", cell: ({ published_at }) => <When at={published_at} /> },
];

const TENANT: Column<EventRow> = { head: "Tenant", width: "88px", narrow: "hide", cell: ({ tenant }) => <span className="clip">{tenant}</span> };

function Key({ text }: { text: string | null | undefined }) {
  if (!text) return <span className="dim nil">–</span>;
  return (
    <span className="clip mono" title={text}>
      {text}
    </span>
  );
}

function ForLater() {
  const pages = usePages(["scheduled"], (api, cursor, signal) => api.GET("/v1/scheduled-events", { params: { query: { limit: 50, ...(cursor ? { cursor } : {}) } }, signal }), { one: true });
  const mayCancel = useMay("manage") || useMay("publish");
  const who = useWho();
  const tenant = useOneTenant();
  const body = { type: "invoice.due", deliver_after: new Date(now() + 3_600_000).toISOString(), payload: {} };
  const columns = mayCancel ? [...LATER, TAKE_BACK] : LATER;
  return (
    <Rows
      label="Events for later"
      pages={pages}
      columns={columns}
      rowKey={({ id }) => id}
      empty={
        <Empty title="Nothing waits for its time" curl={curl("POST", "/v1/events", body, who.tenant === null ? tenant : null)}>
          An event with <code>deliver_after</code> is accepted now and published then.
        </Empty>
      }
    />
  );
}

const LATER: readonly Column<Scheduled>[] = [
  { head: "Due in", width: "120px", narrow: "lead", cell: ({ deliver_after }) => <Countdown until={deliver_after} /> },
  { head: "Event", width: "128px", narrow: "end", cell: ({ id }) => <Id id={id} /> },
  { head: "Type", width: "minmax(140px, 1.5fr)", cell: ({ type }) => <span className="clip">{type}</span> },
  { head: "Ordering key", width: "minmax(110px, 1fr)", cell: ({ ordering_key }) => <Key text={ordering_key} /> },
  { head: "At", width: "150px", cell: ({ deliver_after }) => <When at={deliver_after} /> },
];

const TAKE_BACK: Column<Scheduled> = { head: "Act", width: "110px", cell: ({ id }) => <TakeBack id={id} /> };

function TakeBack({ id }: { id: string }) {
  const act = useAct();
  const run = () => act.run((api) => api.DELETE("/v1/scheduled-events/{id}", { params: { path: { id } } }), () => "Taken back.");
  return (
    <button type="button" className="small" disabled={act.busy} onClick={() => void run()}>
      Take back
    </button>
  );
}

