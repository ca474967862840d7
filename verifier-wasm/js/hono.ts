import { respond } from "./fetch.js";
import type { RouteOptions } from "./route.js";
import type { Verified, Webhook } from "./webhook.js";

export type { RouteOptions } from "./route.js";

/** A handler for one route: `app.post("/webhooks", webhookHandler(wh, async (verified, c) => {…}))`. */
export function webhookHandler<T, C extends { req: { raw: Request } }>(
  webhook: Webhook<T>,
  handler: (verified: Verified<T>, c: C) => Response | void | Promise<Response | void>,
  options: RouteOptions = {},
): (c: C) => Promise<Response> {
  return (c) => respond(webhook, c.req.raw, options, (verified) => handler(verified, c));
}
