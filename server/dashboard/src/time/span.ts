/** The largest units that say enough: `350 ms`, `4.2 s`, `3 m 20 s`, `5 h 2 m`, `3 d 4 h`. */
export function span(ms: number): string {
  const value = Math.max(0, ms);
  if (value < 1_000) return `${Math.round(value)} ms`;
  if (value < 10_000) return `${(value / 1_000).toFixed(1)} s`;
  const s = Math.round(value / 1_000);
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return s % 60 ? `${m} m ${s % 60} s` : `${m} m`;
  const h = Math.floor(m / 60);
  if (h < 48) return m % 60 ? `${h} h ${m % 60} m` : `${h} h`;
  const d = Math.floor(h / 24);
  return h % 24 ? `${d} d ${h % 24} h` : `${d} d`;
}

/** As `span`, for how long ago something was: no milliseconds, one unit. */
export function ago(ms: number): string {
  const s = Math.round(ms / 1_000);
  if (s < 5) return "now";
  if (s < 60) return `${s} s ago`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} m ago`;
  const h = Math.floor(m / 60);
  if (h < 48) return `${h} h ago`;
  return `${Math.floor(h / 24)} d ago`;
}

/** Digits in groups: `1 234 567` would break lines, so with commas. */
export function count(n: number | null | undefined): string {
  if (n === null || n === undefined) return "–";
  return n.toLocaleString("en-US");
}

export function percent(part: number | null | undefined): string {
  if (part === null || part === undefined) return "–";
  const value = part * 100;
  return `${value >= 99.995 || value === 0 ? value.toFixed(0) : value >= 99 ? value.toFixed(2) : value.toFixed(1)} %`;
}

export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined) return "–";
  if (n < 1_024) return `${n} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = n / 1_024;
  let at = 0;
  while (value >= 1_024 && at < units.length - 1) {
    value /= 1_024;
    at += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}
