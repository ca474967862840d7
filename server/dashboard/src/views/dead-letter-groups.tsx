import { useAsk } from "../api/ask";
import type { DeadLetterGroup } from "../api/types";
import { Panel } from "../parts/facts";
import { FilterSelect } from "../parts/filter-bar";
import { EndpointRef } from "../parts/endpoint-ref";
import { Failure, Loading } from "../parts/states";
import { REASONS } from "../parts/status";
import { useFilters } from "../route/filters";
import { count } from "../time/format";
import { When } from "../time/show";

/** Which letters are looked at. */
export interface LettersQuery {
  reason?: string | undefined;
  status?: number | undefined;
  endpoint_id?: string | undefined;
  event_type?: string | undefined;
  from?: string | undefined;
}

interface Props {
  query: LettersQuery;
  narrow: (change: { endpoint_id?: string; reason?: string; event_type?: string }) => void;
}

const SHOWN = 8;

const BY_TYPE = "endpoint,type";

/** How many there are of each kind: a click narrows the list to it. */
export function DeadLetterGroups({ query, narrow }: Props) {
  const [{ by: asks }, set] = useFilters(["by"]);
  const by = asks === BY_TYPE ? BY_TYPE : "reason";
  const asked = useAsk(["groups", by, query], (api, signal) => api.GET("/v1/dead-letters/groups", { params: { query: { ...query, by } }, signal }));
  if (asked.error) return <Failure problem={asked.error} again={() => void asked.refetch()} />;
  if (!asked.data) return <Loading lines={3} what="Groups" />;
  const { counted, groups_left_out } = asked.data;
  const groups = [...asked.data.groups].sort((a, b) => b.count - a.count);
  if (groups.length === 0) return null;
  const all = `${counted.is_complete ? "" : "at least "}${count(counted.letters)}`;
  const choice = <FilterSelect label="Grouped by" value={by === "reason" ? "" : by} set={(by) => set({ by })} any="endpoint and reason" choices={[[BY_TYPE, "endpoint and type"]]} />;
  const hidden = groups.length - SHOWN + groups_left_out;
  return (
    <Panel title={`${all} in ${count(groups.length + groups_left_out)} groups`} aside={choice}>
      <ul className="groups">
        {groups.slice(0, SHOWN).map((group) => (
          <Group key={`${group.endpoint_id} ${group.reason ?? ""} ${group.event_type ?? ""}`} group={group} part={group.count / (groups[0]?.count ?? 1)} narrow={narrow} />
        ))}
      </ul>
      {hidden > 0 && <p className="dim none">{count(hidden)} smaller groups are not shown: narrow the filters.</p>}
    </Panel>
  );
}

function Group({ group, part, narrow }: { group: DeadLetterGroup; part: number; narrow: Props["narrow"] }) {
  const what = group.reason ? REASONS[group.reason] : (group.event_type ?? "");
  const change = { endpoint_id: group.endpoint_id, ...(group.reason ? { reason: group.reason } : {}), ...(group.event_type ? { event_type: group.event_type } : {}) };
  return (
    <li>
      <button type="button" className="link" onClick={() => narrow(change)}>
        {count(group.count)}
      </button>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect width={Math.max(1, part * 100)} height="6" />
      </svg>
      <span className="clip">{what}</span>
      <EndpointRef id={group.endpoint_id} tenant={group.tenant} />
      <span className="dim end">
        newest <When at={group.newest} relative />
      </span>
    </li>
  );
}
