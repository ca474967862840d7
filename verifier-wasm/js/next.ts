import { respond } from "./fetch.js";
import { telling } from "./refused.js";
import type { RouteOptions } from "./route.js";
import type { Verified, Webhook } from "./webhook.js";

export type { RouteOptions } from "./route.js";

const PARSED = "the body was read before: pass the request on before request.json() or text()";

/**
 * A route handler of the App Router: `export const POST = webhookRoute(wh, async (verified) => {…})`.
 */
export function webhookRoute<T, R extends Request = Request>(
  webhook: Webhook<T>,
  handler: (verified: Verified<T>, request: R) => Response | void | Promise<Response | void>,
  options: RouteOptions = {},
): (request: R) => Promise<Response> {
  const told = telling(options, PARSED);
  return (request) => respond(webhook, request, told, (verified) => handler(verified, request));
}
