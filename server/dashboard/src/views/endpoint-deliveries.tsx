import { usePages } from "../api/ask";
import { short } from "../api/forms";
import type { Endpoint } from "../api/types";
import { deliveryColumns } from "../parts/delivery-columns";
import { FilterBar, FilterPeriod, FilterSelect, FilterText, periodStart } from "../parts/filter-bar";
import { Rows } from "../parts/rows";
import { curl, Empty } from "../parts/states";
import { numberOf, useFilters } from "../route/filters";
import { useMay, useWho } from "../session/who";
import { now } from "../time/clock";

const NAMES = ["state", "event_type", "status", "lane", "ordering_key", "period"] as const;

export const STATES = ["pending", "retrying", "delivered", "failed", "discarded"];

/** The deliveries to one endpoint. */
export function EndpointDeliveries({ endpoint }: { endpoint: Endpoint }) {
  const [filters, set] = useFilters(NAMES);
  const act = useMay("retry");
  const who = useWho();
  const pages = usePages(["endpoint-deliveries", endpoint.id, filters], (api, cursor, signal) =>
    short(
      api.GET("/v1/endpoints/{id}/deliveries", {
        params: {
          path: { id: endpoint.id },
          query: {
            view: "short",
            state: filters.state,
            event_type: filters.event_type,
            status: numberOf(filters.status),
            // Empty: the lane of what has no key.
            ordering_key: filters.lane === "own" ? "" : filters.ordering_key,
            from: periodStart(filters.period, now()),
            limit: 50,
            cursor,
          },
        },
        signal,
      }),
    ),
  );
  const filtered = Object.keys(filters).length > 0;
  const clear = () => set({ state: null, event_type: null, status: null, lane: null, ordering_key: null, period: null });
  const body = { type: "payment.succeeded", endpoint_id: endpoint.id, payload: { amount: 4200 } };
  return (
    <>
      <FilterBar filtered={filtered} clear={clear}>
        <FilterSelect label="State" value={filters.state} set={(state) => set({ state })} choices={STATES} />
        <FilterText label="Event type" value={filters.event_type} set={(event_type) => set({ event_type })} />
        <FilterText label="Status" value={filters.status} set={(status) => set({ status: status.replace(/\D/g, "") })} placeholder="503" />
        <FilterSelect label="Lane" value={filters.lane} set={(lane) => set({ lane, ...(lane ? { ordering_key: null } : {}) })} choices={[["own", "without a key"]]} />
        {!filters.lane && <FilterText label="Ordering key" value={filters.ordering_key} set={(ordering_key) => set({ ordering_key })} />}
        <FilterPeriod value={filters.period} set={(period) => set({ period })} />
      </FilterBar>
      <Rows
        label="Deliveries"
        pages={pages}
        columns={deliveryColumns({ endpoint: false, act })}
        rowKey={({ id }) => id}
        filtered={filtered}
        clear={clear}
        empty={
          <Empty title="Nothing was delivered to it yet" curl={curl("POST", "/v1/events", body, who.tenant === null ? endpoint.tenant : null)}>
            Publish an event for this endpoint alone:
          </Empty>
        }
      />
    </>
  );
}
