import { respond } from "./fetch.js";
import { telling } from "./refused.js";
import type { RouteOptions } from "./route.js";
import type { Verified, Webhook } from "./webhook.js";

export type { RouteOptions } from "./route.js";

const PARSED =
  "Hono: the body was read before: mount this route before the middleware that calls c.req.json() or c.req.text()";

/** A handler for one route: `app.post("/webhooks", webhookHandler(wh, async (verified, c) => {…}))`. */
export function webhookHandler<T, C extends { req: { raw: Request } } = any>(
  webhook: Webhook<T>,
  handler: (verified: Verified<T>, c: C) => Response | void | Promise<Response | void>,
  options: RouteOptions = {},
): (c: C) => Promise<Response> {
  const told = telling(options, PARSED);
  return (c) => respond(webhook, c.req.raw, told, (verified) => handler(verified, c));
}
