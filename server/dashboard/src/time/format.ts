import { setting } from "../parts/settings";

const two = (n: number) => String(n).padStart(2, "0");
const three = (n: number) => String(n).padStart(3, "0");

interface Parts {
  date: string;
  time: string;
  ms: string;
}

function parts(ms: number, utc: boolean): Parts {
  const d = new Date(ms);
  const [y, mo, da, h, mi, s] = utc
    ? [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()]
    : [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds()];
  return {
    date: `${y}-${two(mo + 1)}-${two(da)}`,
    time: `${two(h)}:${two(mi)}:${two(s)}`,
    ms: three(d.getUTCMilliseconds()),
  };
}

export const isUtc = () => setting("zone") === "utc";

/** `2026-12-01 03:37:10`, and milliseconds where they matter. */
export function dateTime(text: string | number, exact = false): string {
  const ms = typeof text === "number" ? text : Date.parse(text);
  if (Number.isNaN(ms)) return String(text);
  const it = parts(ms, isUtc());
  return `${it.date} ${it.time}${exact ? `.${it.ms}` : ""}${isUtc() && exact ? " UTC" : ""}`;
}

/** The time of day alone: `03:37:10`. */
export function clockTime(text: string | number, exact = false): string {
  const it = parts(typeof text === "number" ? text : Date.parse(text), isUtc());
  return exact ? `${it.time}.${it.ms}` : it.time;
}

/** `03:00` of an hour. */
export function hourName(text: string): string {
  return clockTime(text).slice(0, 5);
}

export { ago, bytes, count, percent, span } from "./span";
