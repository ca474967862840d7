import { usePages } from "../api/ask";
import { ALL } from "../api/client";
import type { AuditRow } from "../api/types";
import { FilterBar, FilterPeriod, FilterText, periodStart } from "../parts/filter-bar";
import { Id } from "../parts/id";
import { View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { curl, Empty } from "../parts/states";
import { useFilters } from "../route/filters";
import { useOneTenant, useTenant, useWho } from "../session/who";
import { now } from "../time/clock";
import { When } from "../time/show";

const NAMES = ["actor", "act", "target", "period"] as const;

const ACTS = [
  ...["create", "update", "delete", "pause", "resume", "enable", "disable", "rotate_secret", "end_overlap", "reveal_secret", "test", "backfill"].map((verb) => `endpoint.${verb}`),
  "delivery.retry",
  "delivery.discard",
  "dead_letters.bulk",
  "replay.start",
  "replay.cancel",
  "key.create",
  "key.revoke",
  "tenant.create",
  "tenant.update",
  "tenant.delete",
  "source.create",
  "source.update",
  "source.delete",
  ...["create", "add_version", "update", "delete"].map((verb) => `event_type.${verb}`),
  ...["create", "add_version", "delete"].map((verb) => `template.${verb}`),
  "portal_link.create",
  "portal_link.revoke",
  "portal.sign_in",
  "scheduled_event.cancel",
  "endpoint_defaults.set",
  "client_certificate.set",
  "client_certificate.delete",
];

export default function Audit() {
  const [filters, set] = useFilters(NAMES);
  const all = useTenant() === ALL;
  const who = useWho();
  const tenant = useOneTenant();
  const { period, ...query } = filters;
  const pages = usePages(["audit", filters], (api, cursor, signal) =>
    api.GET("/v1/audit", { params: { query: { ...query, from: periodStart(period, now()), limit: cursor ? 250 : 100, cursor } }, signal }),
  );
  const filtered = Object.keys(filters).length > 0;
  const clear = () => set({ actor: null, act: null, target: null, period: null });
  return (
    <View title="Audit" beside={<p className="dim lede">Who changed what, and when. Each entry is written with its change.</p>}>
      <FilterBar filtered={filtered} clear={clear}>
        <FilterText label="Act" value={filters.act} set={(act) => set({ act })} list={ACTS} />
        <FilterText label="By" value={filters.actor} set={(actor) => set({ actor: actor.trim() })} placeholder="key_…" />
        <FilterText label="Of" value={filters.target} set={(target) => set({ target: target.trim() })} placeholder="ep_…" />
        <FilterPeriod value={period} set={(period) => set({ period })} />
      </FilterBar>
      <Rows
        label="Audit"
        pages={pages}
        columns={all ? [...COLUMNS.slice(0, 2), TENANT, ...COLUMNS.slice(2)] : COLUMNS}
        rowKey={({ id }) => id}
        filtered={filtered}
        clear={clear}
        empty={
          <Empty title="Nothing was changed yet" curl={curl("GET", "/v1/audit", undefined, who.tenant === null ? tenant : null)}>
            Each change by a key, a portal link or the command line is an entry here. The same by the API:
          </Empty>
        }
      />
    </View>
  );
}

const COLUMNS: readonly Column<AuditRow>[] = [
  { head: "At", width: "150px", narrow: "end", cell: ({ at }) => <When at={at} /> },
  { head: "Act", width: "minmax(196px, 1fr)", narrow: "lead", cell: ({ act }) => <span className="mono">{act}</span> },
  {
    head: "By",
    width: "minmax(150px, 1fr)",
    cell: ({ actor }) => (
      <span className="clip" title={actor.id ?? ""}>
        {actor.name ?? actor.id ?? actor.kind} <span className="dim">{actor.kind}</span>
      </span>
    ),
  },
  { head: "Of", width: "minmax(130px, 1fr)", cell: ({ target, tenant }) => (target.id ? <Id id={target.id} tenant={tenant ?? undefined} /> : <span className="dim">{target.kind}</span>) },
  { head: "Detail", width: "minmax(160px, 2fr)", cell: ({ detail }) => <Detail of={detail} /> },
];

const TENANT: Column<AuditRow> = { head: "Tenant", width: "80px", narrow: "hide", cell: ({ tenant }) => <span className="clip">{tenant ?? "–"}</span> };

function Detail({ of }: { of: AuditRow["detail"] }) {
  const text = Object.entries(of)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" · ");
  return text ? (
    <span className="clip dim" title={text}>
      {text}
    </span>
  ) : (
    <span className="dim nil">–</span>
  );
}
