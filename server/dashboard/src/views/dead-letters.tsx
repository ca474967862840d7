import { useState } from "react";
import { usePages } from "../api/ask";
import { short } from "../api/forms";
import type { BulkFilter, Reason, ShortDelivery } from "../api/types";
import { useRefresh } from "../live/live";
import { deliveryColumns } from "../parts/delivery-columns";
import { FilterBar, FilterPeriod, FilterSelect, FilterText, periodStart } from "../parts/filter-bar";
import { Icon } from "../parts/icon";
import { View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { Empty } from "../parts/states";
import { numberOf, useFilters } from "../route/filters";
import { useMay } from "../session/who";
import { now } from "../time/clock";
import { count } from "../time/format";
import { BulkDialog } from "./bulk-dialog";
import { ChosenActs } from "./chosen-acts";
import { DeadLetterGroups, type LettersQuery } from "./dead-letter-groups";

const NAMES = ["reason", "status", "endpoint_id", "event_type", "period"] as const;
const REASONS = ["rejected", "gone", "redirected", "exhausted", "queue_full"] as const satisfies readonly Reason[];

/** The most that can be chosen one by one. */
const CHOSEN_MAX = 100;

export default function DeadLetters() {
  const [filters, set] = useFilters(NAMES);
  const [chosen, setChosen] = useState<ReadonlyMap<string, ShortDelivery>>(new Map());
  const [bulk, setBulk] = useState<"retry" | "discard" | null>(null);
  const mayAct = useMay("manage");
  const mayResend = useMay("retry");
  const { period, reason, status, endpoint_id, event_type } = filters;
  const from = periodStart(period, now());
  const query = { reason, status: numberOf(status), endpoint_id, event_type, from };
  const pages = usePages(["dead-letters", filters], (api, cursor, signal) =>
    short(api.GET("/v1/dead-letters", { params: { query: { ...query, view: "short", limit: cursor ? 250 : 50, cursor } }, signal })),
  );
  useRefresh(["dead-letters", "groups"], ({ kind, data }) => kind === "delivery" && ["failed", "resent", "discarded"].includes(String(data.state)));
  const filtered = Object.keys(filters).length > 0;
  const clear = () => set({ reason: null, status: null, endpoint_id: null, event_type: null, period: null });
  const none = pages.rows.length === 0;
  return (
    <View title="Dead letters" beside={<p className="dim lede">Deliveries that failed for good. They are kept until somebody resends or discards them, or their retention is over.</p>}>
      <FilterBar filtered={filtered} clear={clear}>
        <FilterSelect label="Reason" value={reason} set={(reason) => set({ reason })} choices={REASONS.map((name) => [name, name.replace("_", " ")] as const)} />
        <FilterText label="Status" value={status} set={(status) => set({ status: status.replace(/\D/g, "") })} placeholder="503" />
        <FilterText label="Endpoint" value={endpoint_id} set={(id) => set({ endpoint_id: id.trim() })} placeholder="ep_…" />
        <FilterText label="Event type" value={event_type} set={(event_type) => set({ event_type })} />
        <FilterPeriod value={period} set={(period) => set({ period })} />
      </FilterBar>
      <DeadLetterGroups query={query} narrow={(change) => set(change)} />
      {mayResend && !none && (mayAct || chosen.size > 0) && (
        <div className="acts bulk" role="group" aria-label="Acts">
          {chosen.size > 0 ? (
            <ChosenActs chosen={chosen} done={() => setChosen(new Map())} />
          ) : (
            <>
              <button type="button" onClick={() => setBulk("retry")}>
                <Icon name="retry" /> Retry {filtered ? "all that match" : "all"}…
              </button>
              <button type="button" onClick={() => setBulk("discard")}>
                <Icon name="bin" /> Discard {filtered ? "all that match" : "all"}…
              </button>
              <span className="dim">What it would do is shown first.</span>
            </>
          )}
        </div>
      )}
      <Rows
        label="Dead letters"
        pages={pages}
        columns={mayResend ? [chooser(chosen, setChosen), ...COLUMNS] : COLUMNS}
        rowKey={({ id }) => id}
        filtered={filtered}
        clear={clear}
        empty={<Empty title="No dead letters">Nothing has failed for good. To see one, let a receiver answer 400, and it is rejected at once.</Empty>}
      />
      {bulk && <BulkDialog act={bulk} filter={filterOf(query)} close={() => setBulk(null)} />}
    </View>
  );
}

const COLUMNS = deliveryColumns({ endpoint: true, act: false }).filter(({ head }) => head !== "State");

function filterOf({ reason, status, endpoint_id, event_type, from }: LettersQuery): BulkFilter {
  // The list takes several reasons, with commas between.
  const reasons = REASONS.filter((name) => reason?.split(",").includes(name));
  return {
    ...(reason ? { reasons } : {}),
    ...(status ? { status } : {}),
    ...(endpoint_id ? { endpoint_id } : {}),
    ...(event_type ? { event_types: [event_type] } : {}),
    ...(from ? { from } : {}),
  };
}

type Chosen = ReadonlyMap<string, ShortDelivery>;

function chooser(chosen: Chosen, set: (chosen: Chosen) => void): Column<ShortDelivery> {
  const toggle = (delivery: ShortDelivery) => {
    const next = new Map(chosen);
    if (!next.delete(delivery.id) && next.size < CHOSEN_MAX) next.set(delivery.id, delivery);
    set(next);
  };
  return {
    head: "Choose",
    width: "58px",
    narrow: "lead",
    cell: (delivery) => (
      <label className="choose">
        <input type="checkbox" checked={chosen.has(delivery.id)} onChange={() => toggle(delivery)} aria-label={`Choose ${delivery.id}`} />
        <span className="only-narrow">{count(delivery.attempt_count)} attempts</span>
      </label>
    ),
  };
}
