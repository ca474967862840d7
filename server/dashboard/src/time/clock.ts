// The time of the server. The browser's calendar may be wrong; its monotonic clock is not.

/** Server time minus `performance.now()`, in milliseconds. */
let offset = Date.now() - performance.now();
/** How wrong the offset may be, and when it was found. */
let error = Infinity;
let found = 0;

/** A clock drifts: after so long another sample is taken though it is less exact. */
const FRESH_MS = 600_000;

/** Milliseconds since 1970, by the server's clock. */
export function now(): number {
  return performance.now() + offset;
}

function learn(server: number, at: number, uncertain: number): void {
  if (Number.isNaN(server)) return;
  if (uncertain > error && performance.now() - found < FRESH_MS) return;
  offset = server - at;
  error = uncertain;
  found = performance.now();
}

/** The server said this time between two moments: it was half way, give or take half of it. */
export function measure(serverTime: string, before: number, after: number): void {
  learn(Date.parse(serverTime), (before + after) / 2, (after - before) / 2);
}

/** The `Date` of an answer has seconds only, so it is taken only while there is nothing better. */
export function heard(date: string | null): void {
  if (date !== null) learn(Date.parse(date) + 500, performance.now(), 1_000);
}

/** For tests. */
export function forget(): void {
  error = Infinity;
}
