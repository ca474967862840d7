import { useState } from "react";
import { usePages } from "../api/ask";
import { ALL } from "../api/client";
import type { Lane } from "../api/types";
import { useRefresh } from "../live/live";
import { FilterBar, FilterText } from "../parts/filter-bar";
import { View } from "../parts/page";
import { LaneCard } from "../parts/lane-card";
import { curl, Empty, Failure, Loading, NoMatch } from "../parts/states";
import { useFilters } from "../route/filters";
import { useOneTenant, useTenant, useWho } from "../session/who";
import "../style/lanes.css";

export default function Lanes() {
  const [{ endpoint_id }, set] = useFilters(["endpoint_id"]);
  const all = useTenant() === ALL;
  const pages = usePages(
    ["lanes", endpoint_id],
    (api, cursor, signal) => api.GET("/v1/lanes", { params: { query: { endpoint_id, limit: 50, cursor } }, signal }),
    { refetchInterval: 15_000 },
  );
  useRefresh(["lanes", "queue"], ({ kind }) => kind !== "event");
  return (
    <View title="Lanes" beside={<p className="dim lede">A lane delivers in order: everything in it waits for its head. Longest wait first.</p>}>
      <FilterBar filtered={!!endpoint_id} clear={() => set({ endpoint_id: null })}>
        <FilterText label="Endpoint" value={endpoint_id} set={(endpoint_id) => set({ endpoint_id: endpoint_id.trim() })} placeholder="ep_…" wide />
      </FilterBar>
      <LaneList pages={pages} showTenant={all} filtered={!!endpoint_id} clear={() => set({ endpoint_id: null })} />
    </View>
  );
}

interface ListProps {
  pages: ReturnType<typeof usePages<Lane>>;
  showTenant: boolean;
  filtered: boolean;
  clear: () => void;
  hideEndpoint?: boolean;
}

export function LaneList({ pages, showTenant, filtered, clear, hideEndpoint = false }: ListProps) {
  const [open, setOpen] = useState<string | null>(null);
  if (pages.error && pages.rows.length === 0) return <Failure problem={pages.error} again={pages.again} />;
  if (pages.isPending) return <Loading what="Lanes" />;
  if (pages.rows.length === 0 && !pages.hasMore) return filtered ? <NoMatch clear={clear} /> : <NothingWaits />;
  return (
    <>
      <ul className="lanes">
        {pages.rows.map((lane) => {
          const name = `${lane.endpoint_id} ${lane.ordering_key ?? ""}`;
          return (
            <li key={name}>
              <LaneCard lane={lane} showTenant={showTenant} hideEndpoint={hideEndpoint} open={open === name} toggle={() => setOpen(open === name ? null : name)} />
            </li>
          );
        })}
      </ul>
      {pages.hasMore && (
        <div className="more">
          <button type="button" className="small" onClick={pages.more} disabled={pages.isLoadingMore}>
            {pages.isLoadingMore ? "Loading…" : "More lanes"}
          </button>
        </div>
      )}
    </>
  );
}

function NothingWaits() {
  const who = useWho();
  const tenant = useOneTenant();
  const body = { type: "order.paid", ordering_key: "order-1", payload: { order: 1 } };
  return (
    <Empty title="Nothing waits" curl={curl("POST", "/v1/events", body, who.tenant === null ? tenant : null)}>
      Every lane is empty. Events with an ordering key have a lane of their own for each endpoint.
    </Empty>
  );
}

