import { useAsk } from "../api/ask";
import type { System } from "../api/types";
import { Facts, Figure, Panel } from "../parts/facts";
import { FilterText } from "../parts/filter-bar";
import { View } from "../parts/page";
import { Failure, Loading } from "../parts/states";
import { useFilters } from "../route/filters";
import { bytes, count } from "../time/format";
import { Age, When } from "../time/show";

export default function SystemPage() {
  const asked = useAsk(["system"], (api, signal) => api.GET("/v1/system", { signal }), { refetchInterval: 10_000 });
  const it = asked.data;
  return (
    <View title="System">
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading />}
      {it && (
        <>
          <dl className="figures">
            <Figure name="Version" value={it.version} />
            <Figure name="Up for" value={<Age since={it.started_at} />} note={<>since <When at={it.started_at} /></>} />
            <Figure name="Store" value={bytes(it.store.size_bytes)} note={it.store.kind} />
            <Figure name="Free disk" value={bytes(it.store.free_disk_bytes)} tone={isLow(it) ? "bad" : ""} note={isLow(it) ? "less than the store takes" : undefined} />
            <Figure name="Commit, p50" value={ms(it.commits.p50_ms)} />
            <Figure name="Commit, p99" value={ms(it.commits.p99_ms)} />
          </dl>
          <Settings of={it} />
          <Panel title="Limits">
            <Facts of={Object.entries(it.limits).map(([name, value]) => [name.replaceAll("_", " "), count(value)])} />
          </Panel>
        </>
      )}
    </View>
  );
}

const ms = (value: number | null | undefined) => (value == null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);

function isLow({ store: { size_bytes: size, free_disk_bytes: free } }: System): boolean {
  return free != null && free < Math.max(1 << 30, size);
}

function Settings({ of }: { of: System }) {
  const [{ setting = "" }, set] = useFilters(["setting"]);
  const word = setting.toLowerCase();
  const shown = of.settings.filter(({ name, origin }) => name.toLowerCase().includes(word) || origin.toLowerCase().includes(word));
  return (
    <Panel title="Settings" aside={<FilterText label="Find" value={setting} set={(setting) => set({ setting })} />}>
      {of.store.path && (
        <p className="dim none">
          The store is at <code>{of.store.path}</code>.
        </p>
      )}
      <div className="scroll" tabIndex={0} role="region" aria-label="Settings">
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Value</th>
              <th scope="col">From</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ name, value, origin }) => (
              <tr key={name}>
                <td className="mono">{name}</td>
                <td className="mono break">{value ?? <span className="dim">not set</span>}</td>
                <td className={origin === "default" ? "dim" : undefined}>{origin}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length === 0 && <p className="dim none">No setting has this name.</p>}
      {of.secrets_left_out.length > 0 && <p className="dim none">Left out, as they are secret: {of.secrets_left_out.join(", ")}.</p>}
    </Panel>
  );
}
