import { HINTS, type WebhookErrorCode } from "./errors.js";
import type { RouteOptions } from "./route.js";
import type { Refused } from "./webhook.js";

/** So many refusals are logged at once, and then one a second: strangers can make any number. */
const LINES_AT_ONCE = 10;

/** Logs the code and the hint of refusals, and how many were left out. */
export function logging(): (refused: Refused) => void {
  let left = LINES_AT_ONCE;
  let since = Date.now();
  let leftOut = 0;
  return ({ code, hint }) => {
    const seconds = Math.floor((Date.now() - since) / 1000);
    if (seconds > 0) {
      left = Math.min(LINES_AT_ONCE, left + seconds);
      since += seconds * 1000;
    } else if (seconds < 0) since = Date.now(); // the clock was set back
    if (left === 0) {
      leftOut += 1;
      return;
    }
    left -= 1;
    const others = leftOut ? ` (and ${leftOut} more were refused before)` : "";
    leftOut = 0;
    console.error(`webhook refused: ${code}: ${hint}${others}`);
  };
}

/** Options that have somebody to tell of refusals. */
export interface Telling extends RouteOptions {
  readonly onRefused: (refused: Refused) => void;
}

/** The log is told where nobody else is; of a parsed body also what to do in this framework. */
export function telling(options: RouteOptions, parsed?: string): Telling {
  const { onRefused = logging() } = options;
  const told = (refused: Refused) =>
    onRefused(parsed && refused.code === "BODY_ALREADY_PARSED" ? { ...refused, hint: parsed } : refused);
  return { ...options, onRefused: told };
}

/** A refusal before the signature was looked at. */
export const refusal = (code: WebhookErrorCode): Refused => ({ ok: false, code, hint: HINTS[code] });
