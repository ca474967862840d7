import { useEffect, useReducer, useState } from "react";
import { useLive } from "../live/live";
import type { State } from "../live/stream";
import { Buffer, matches, type Line } from "../live/tail";
import { FilterSelect, FilterText } from "../parts/filter-bar";
import { Panel } from "../parts/facts";
import { Icon } from "../parts/icon";
import { Id } from "../parts/id";
import { useFilters } from "../route/filters";
import { now } from "../time/clock";
import { clockTime, count } from "../time/format";

/** Lines are shown so often: faster than that nobody reads. */
const PAINT_MS = 300;
/** Lines in the page. */
const SHOWN = 60;

const STATES: Readonly<Record<State, string>> = {
  off: "off while nobody looks",
  connecting: "connecting…",
  open: "live",
  waiting: "lost; trying again…",
};

/** What happens, as it happens. */
export function Tail() {
  const [{ tail = "", kind }, set] = useFilters(["tail", "kind"]);
  const [paused, setPaused] = useState(false);
  const [buffer, setBuffer] = useState(() => new Buffer());
  const [, painted] = useReducer((n: number) => n + 1, 0);
  const state = useLive((item) => buffer.take(item, now()));
  useEffect(() => {
    const timer = setInterval(() => {
      if (buffer.waiting === 0) return;
      if (!paused) buffer.flush();
      painted();
    }, PAINT_MS);
    return () => clearInterval(timer);
  }, [buffer, paused]);
  const fits = (line: Line) => (!kind || line.kind === kind) && (!tail || matches(line, tail));
  const shown = buffer.lines.filter(fits);
  const acts = (
    <span className="tail-acts">
      <span className={`live-state ${state}`}>
        <Icon name="live" /> {STATES[state]}
      </span>
      <button type="button" className="small" aria-pressed={paused} onClick={() => setPaused(!paused)}>
        <Icon name={paused ? "play" : "pause"} /> {paused ? "Go on" : "Pause"}
      </button>
      <button type="button" className="small" onClick={() => setBuffer(new Buffer())}>
        Empty
      </button>
    </span>
  );
  return (
    <Panel title="Live tail" aside={acts} className="tail">
      <div className="filters">
        <FilterSelect label="Kind" value={kind} set={(kind) => set({ kind })} choices={["event", "attempt", "delivery", "endpoint"]} />
        <FilterText label="Words" value={tail} set={(tail) => set({ tail })} placeholder="type, id, status" wide />
        <Missed buffer={buffer} paused={paused} />
      </div>
      <ol className="lines" tabIndex={0} aria-label="What happens">
        {shown.slice(0, SHOWN).map((line) => (
          <LineView key={line.id} line={line} />
        ))}
        {shown.length === 0 && <li className="dim none">{buffer.lines.length > 0 ? "Nothing of this kind among the last lines." : "Nothing has happened since this was opened."}</li>}
      </ol>
    </Panel>
  );
}

/** What the tail does not show. */
function Missed({ buffer, paused }: { buffer: Buffer; paused: boolean }) {
  const parts: string[] = [];
  if (paused && buffer.waiting > 0) parts.push(`${count(buffer.waiting)} wait`);
  if (buffer.skipped > 0) parts.push(`${count(buffer.skipped)} skipped by the server`);
  if (buffer.skippedUnknown) parts.push("some skipped by the server");
  if (buffer.dropped > 0) parts.push(`${count(buffer.dropped)} older ones dropped here`);
  return <span className="dim missed">{parts.join(" · ")}</span>;
}

const TONES = { good: "check", bad: "cross", warn: "retry", calm: "dot" } as const;

function LineView({ line }: { line: Line }) {
  return (
    <li className={line.tone}>
      <span className="at">{clockTime(line.at, true)}</span>
      <Icon name={TONES[line.tone]} />
      <span className="type">{line.type || line.kind}</span>
      <span className="what">
        {line.what}
        {line.tenant && <span className="dim"> · {line.tenant}</span>}
      </span>
      {(line.delivery ?? line.event ?? line.endpoint) && <Id id={line.delivery ?? line.event ?? line.endpoint ?? ""} tenant={line.tenant ?? undefined} />}
    </li>
  );
}
