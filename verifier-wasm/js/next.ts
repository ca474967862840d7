import { respond } from "./fetch.js";
import type { RouteOptions } from "./route.js";
import type { Verified, Webhook } from "./webhook.js";

export type { RouteOptions } from "./route.js";

/**
 * A route handler of the App Router: `export const POST = webhookRoute(wh, async (verified) => {…})`.
 */
export function webhookRoute<T, R extends Request = Request>(
  webhook: Webhook<T>,
  handler: (verified: Verified<T>, request: R) => Response | void | Promise<Response | void>,
  options: RouteOptions = {},
): (request: R) => Promise<Response> {
  return (request) => respond(webhook, request, options, (verified) => handler(verified, request));
}
