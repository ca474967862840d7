import { useEffect, useSyncExternalStore } from "react";
import { useSetting } from "../parts/settings";
import { now } from "./clock";
import { ago, dateTime, span } from "./format";

/** A timer for each pace, which runs while something on the page changes at it and somebody looks. */
class Ticker {
  readonly #watchers = new Set<() => void>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(readonly ms: number) {}

  subscribe = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher);
    this.#timer ??= setInterval(() => this.#tick(), this.ms);
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  };

  #tick(): void {
    if (!document.hidden) for (const watcher of [...this.#watchers]) watcher();
  }
}

const SECOND = new Ticker(1_000);
const TENTH = new Ticker(100);

/** A text that is made of the time: renders again when it is another one. */
function useTimed(ticker: Ticker, text: () => string): string {
  return useSyncExternalStore(ticker.subscribe, text);
}

interface WhenProps {
  at: string | null | undefined;
  relative?: boolean;
  exact?: boolean;
}

/** A time; the other form of it is in its title. */
export function When({ at, relative = false, exact = false }: WhenProps) {
  useSetting("zone");
  if (!at) return <span className="dim nil">–</span>;
  if (relative) return <Ago at={at} />;
  return (
    <time dateTime={at} title={at}>
      {dateTime(at, exact)}
    </time>
  );
}

function Ago({ at }: { at: string }) {
  const text = useTimed(SECOND, () => ago(now() - Date.parse(at)));
  return (
    <time dateTime={at} title={dateTime(at, true)}>
      {text}
    </time>
  );
}

/** How long something has lasted. */
export function Age({ since }: { since: string }) {
  const text = useTimed(SECOND, () => span(Math.floor(Math.max(0, now() - Date.parse(since)) / 1_000) * 1_000));
  return (
    <time dateTime={since} title={`since ${dateTime(since, true)}`}>
      {text === "0 ms" ? "0 s" : text}
    </time>
  );
}

/** What is left, in tenths of seconds at the end. */
export function left(ms: number): string {
  if (ms <= 0) return "now";
  if (ms < 10_000) return `${(Math.ceil(ms / 100) / 10).toFixed(1)} s`;
  return span(Math.ceil(ms / 1_000) * 1_000);
}

/** The time until then, by the server's clock. */
export function Countdown({ until, onDue }: { until: string; onDue?: () => void }) {
  useSetting("zone");
  const text = useTimed(TENTH, () => left(Date.parse(until) - now()));
  const due = text === "now";
  useEffect(() => {
    if (due) onDue?.();
  }, [due, until, onDue]);
  return (
    <time dateTime={until} title={dateTime(until, true)} className="countdown">
      {text}
    </time>
  );
}
