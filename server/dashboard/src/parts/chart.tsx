import { useState } from "react";
import type { Hour } from "../api/types";
import { count, dateTime, hourName, span } from "../time/format";
import { useSetting } from "./settings";
import "../style/chart.css";

const HEIGHT = 132;
const WIDTH = 720;
const BASE = HEIGHT - 18;
const TOP = 10;
const HOUR_MS = 3_600_000;

/** Every hour of the time that is shown, also those in which nothing was. */
export function filled(hours: readonly Hour[], many: number, now: number): Hour[] {
  const known = new Map(hours.map((hour) => [Date.parse(hour.start), hour]));
  const end = Math.floor(now / HOUR_MS) * HOUR_MS;
  return Array.from({ length: many }, (_, at) => {
    const start = end - (many - 1 - at) * HOUR_MS;
    const nothing = { accepted: 0, attempts: 0, attempts_failed: 0, delivered: 0, discarded: 0, failed: 0, latency_p95_ms: null };
    return known.get(start) ?? { ...nothing, start: new Date(start).toISOString() };
  });
}

/** A round number that is not less. */
export function ceiling(most: number): number {
  if (most <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 2.5, 4, 5, 8, 10].find((step) => step * power >= most) ?? 10;
  return step * power;
}

/** Deliveries by the hour: delivered and failed as bars, accepted as a line. */
export function HourChart({ hours, many, now }: { hours: readonly Hour[]; many: number; now: number }) {
  useSetting("zone");
  const all = filled(hours, many, now);
  const [at, setAt] = useState<number | null>(null);
  const shown = all[at ?? all.length - 1];
  return (
    <figure className="chart">
      <Bars all={all} at={at} setAt={setAt} />
      <figcaption>
        <span className="legend">
          <i className="key good" /> delivered <i className="key bad" /> failed <i className="key line" /> accepted
        </span>
        <label className="reading">
          <span className="unseen">Hour: use the arrow keys</span>
          <input
            type="range"
            min={0}
            max={all.length - 1}
            value={at ?? all.length - 1}
            onChange={(event) => setAt(Number(event.target.value))}
            aria-valuetext={shown ? words(shown) : ""}
          />
        </label>
        <output className="readout">{shown && words(shown)}</output>
      </figcaption>
    </figure>
  );
}

function words(hour: Hour): string {
  const p95 = hour.latency_p95_ms == null ? "" : ` · p95 ${span(hour.latency_p95_ms)}`;
  return `${dateTime(hour.start).slice(5, 16)} · ${count(hour.accepted)} accepted · ${count(hour.delivered)} delivered · ${count(hour.failed)} failed${p95}`;
}

function Bars({ all, at, setAt }: { all: readonly Hour[]; at: number | null; setAt: (at: number | null) => void }) {
  const top = ceiling(Math.max(0, ...all.map((hour) => Math.max(hour.accepted, hour.delivered + hour.failed))));
  const step = WIDTH / all.length;
  const y = (value: number) => BASE - (value / top) * (BASE - TOP);
  const line = all.map((hour, i) => `${i === 0 ? "M" : "L"}${(i + 0.5) * step} ${y(hour.accepted)}`).join("");
  const every = Math.max(1, Math.round(all.length / 8));
  return (
    <div className="plot">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true" onPointerLeave={() => setAt(null)}>
        <path className="grid" d={`M0 ${y(top)}H${WIDTH}M0 ${y(top / 2)}H${WIDTH}M0 ${BASE}H${WIDTH}`} />
        {all.map((hour, i) => (
          <g key={hour.start} onPointerEnter={() => setAt(i)}>
            <rect className={`hit${at === i ? " on" : ""}`} x={i * step} y={0} width={step} height={BASE} />
            <rect className="good" x={i * step + step * 0.16} width={step * 0.68} y={y(hour.delivered)} height={BASE - y(hour.delivered)} />
            <rect
              className="bad"
              x={i * step + step * 0.16}
              width={step * 0.68}
              y={y(hour.delivered + hour.failed)}
              height={y(hour.delivered) - y(hour.delivered + hour.failed)}
            />
          </g>
        ))}
        <path className="line" d={line} />
      </svg>
      <span className="axis top">{count(top)}</span>
      <div className="hours" aria-hidden="true">
        {all.map((hour, i) => (i % every === 0 ? <span key={hour.start} style={{ left: `${((i + 0.5) / all.length) * 100}%` }}>{hourName(hour.start)}</span> : null))}
      </div>
    </div>
  );
}

/** A small line of how many failed and how many did not, for a list. */
export function Spark({ good, bad, label }: { good: number; bad: number; label: string }) {
  const all = good + bad;
  return (
    <span className="spark" title={label}>
      <svg viewBox="0 0 60 6" preserveAspectRatio="none" aria-hidden="true">
        <rect className="none" width="60" height="6" rx="3" />
        {all > 0 && <rect className="good" width={(60 * good) / all} height="6" />}
        {bad > 0 && <rect className="bad" x={Math.min(58, (60 * good) / all)} width={Math.max(2, (60 * bad) / all)} height="6" />}
      </svg>
    </span>
  );
}
