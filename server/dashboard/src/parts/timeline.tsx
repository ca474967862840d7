import { useState } from "react";
import { Link } from "wouter";
import type { Delivery, EventDetail } from "../api/types";
import { to } from "../route/filters";
import { now } from "../time/clock";
import { clockTime, span } from "../time/format";
import { useEndpointNames } from "./endpoint-ref";
import { useSetting } from "./settings";
import { shortId } from "./id";
import { Icon } from "./icon";
import "../style/timeline.css";

export interface Mark {
  from: number;
  to: number;
  kind: "good" | "bad";
  text: string;
  number: number;
}

export interface Track {
  delivery: Delivery;
  marks: Mark[];
  /** When it ended, if it did. */
  end: number | null;
  /** When its next attempt is due. */
  due: number | null;
}

/** The attempts of an event's deliveries, each delivery a track. */
export function tracksOf(event: EventDetail): Track[] {
  return event.deliveries.map((delivery) => ({
    delivery,
    marks: delivery.attempts.map((attempt) => {
      const from = Date.parse(attempt.started_at);
      const good = attempt.status != null && attempt.status >= 200 && attempt.status < 300;
      const came = attempt.status ? `HTTP ${attempt.status}` : (attempt.failure ?? "no response");
      return { from, to: from + attempt.duration_ms, kind: good ? "good" : "bad", number: attempt.number, text: `attempt ${attempt.number}: ${came} after ${span(attempt.duration_ms)}` };
    }),
    end: delivery.ended_at ? Date.parse(delivery.ended_at) : null,
    due: delivery.wait?.until ? Date.parse(delivery.wait.until) : delivery.next_attempt_at ? Date.parse(delivery.next_attempt_at) : null,
  }));
}

/** From the first to the last moment of what there is to show. */
export function extent(begin: number, tracks: readonly Track[], time: number): [number, number] {
  const isOpen = tracks.some(({ end }) => end === null);
  const last = Math.max(begin + 1, ...tracks.flatMap(({ marks, end, due }) => [end ?? 0, due ?? 0, ...marks.map((mark) => mark.to)]), isOpen ? time : 0);
  return [begin, last + (last - begin) * 0.02];
}

/** Round steps of an axis: not more than `most`. */
export function ticks(length: number, most = 6): number[] {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1.5e4, 3e4, 6e4, 1.2e5, 3e5, 6e5, 9e5, 1.8e6, 3.6e6, 7.2e6, 1.44e7, 2.16e7, 4.32e7, 8.64e7];
  const step = steps.find((step) => length / step <= most) ?? Math.ceil(length / most / 8.64e7) * 8.64e7;
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, at) => at * step);
}

const WIDTH = 1_000;
const SHOWN = 30;

/** What became of an event, over all endpoints: gaps are as long as they were. */
export function EventTimeline({ event }: { event: EventDetail }) {
  useSetting("zone");
  const [zoom, setZoom] = useState<"all" | "first">("all");
  const begin = Date.parse(event.published_at);
  const tracks = tracksOf(event);
  const whole = extent(begin, tracks, now());
  // The first attempts of most take milliseconds, and the last of one may be hours later.
  const firsts = tracks.flatMap(({ marks }) => marks.slice(0, 1).map((mark) => mark.to));
  const near = Math.max(begin + 10, ...firsts);
  const isFar = firsts.length > 0 && whole[1] - begin > (near - begin) * 8;
  const [from, until] = zoom === "first" ? [begin, near + (near - begin) * 0.1] : whole;
  const x = (at: number) => Math.min(WIDTH, Math.max(0, ((at - from) / (until - from)) * WIDTH));
  if (tracks.length === 0) return <p className="dim none">{event.state === "no_subscribers" ? "No endpoint subscribed to it." : "It has no deliveries."}</p>;
  return (
    <div className="timeline">
      <div className="bar">
        <span className="dim">
          accepted {clockTime(begin, true)} · {span(whole[1] - begin)} shown to scale
        </span>
        {isFar && (
          <button type="button" className="small" aria-pressed={zoom === "first"} onClick={() => setZoom(zoom === "all" ? "first" : "all")}>
            First attempts only
          </button>
        )}
      </div>
      <ol>
        {tracks.slice(0, SHOWN).map((track) => (
          <TrackView key={track.delivery.id} track={track} begin={begin} x={x} tenant={event.tenant} until={until} />
        ))}
      </ol>
      <Axis length={until - from} />
      {tracks.length + event.deliveries_left_out > SHOWN && <p className="dim">The first {SHOWN} of {tracks.length + event.deliveries_left_out} deliveries.</p>}
    </div>
  );
}

function Axis({ length }: { length: number }) {
  const all = ticks(length);
  return (
    <div className="axis" aria-hidden="true">
      {all.map((at) => (
        <span key={at} style={{ left: `${(at / length) * 100}%` }}>
          {at === 0 ? "0" : `+${span(at)}`}
        </span>
      ))}
    </div>
  );
}

interface TrackProps {
  track: Track;
  begin: number;
  until: number;
  x: (at: number) => number;
  tenant: string;
}

function TrackView({ track, begin, until, x, tenant }: TrackProps) {
  const { delivery, marks, end, due } = track;
  const last = end ?? now();
  const name = useEndpointNames().get(delivery.endpoint_id);
  return (
    <li>
      <span className="name">
        <Icon name={LOOK[delivery.state] ?? "clock"} />
        <Link className="clip" href={to(`/deliveries/${delivery.id}`, { tenant })} title={`${delivery.id} to ${delivery.endpoint_id}`}>
          {name ?? shortId(delivery.endpoint_id)}
        </Link>
        {delivery.resend_of && <span className="dim"> resent</span>}
      </span>
      <svg viewBox={`0 0 ${WIDTH} 20`} preserveAspectRatio="none" aria-hidden="true">
        <path className="base" d={`M${x(begin)} 10H${x(last)}`} />
        {due !== null && due > last && <path className="due" d={`M${x(last)} 10H${x(due)}`} />}
        {marks.filter((mark) => mark.from <= until).map((mark) => (
          <rect key={mark.number} className={mark.kind} x={Math.min(WIDTH - 4, x(mark.from))} width={Math.max(4, x(mark.to) - x(mark.from))} y="3" height="14" rx="1.5">
            <title>{mark.text}</title>
          </rect>
        ))}
      </svg>
      <ol className="said">
        {marks.map((mark, at) => (
          <li key={mark.number} className={mark.kind}>
            <span className="dim">+{span(mark.from - (at === 0 ? begin : (marks[at - 1]?.to ?? begin)))}</span> {mark.text.replace(/^attempt (\d+): /, "$1: ")}
          </li>
        ))}
        {marks.length === 0 && <li className="dim">no attempt yet</li>}
        {due !== null && end === null && <li className="dim">next at {clockTime(due)}</li>}
      </ol>
    </li>
  );
}

const LOOK = { delivered: "check", failed: "cross", discarded: "bin", retrying: "retry", pending: "clock" } as Readonly<Record<string, "check" | "cross" | "bin" | "retry" | "clock">>;
