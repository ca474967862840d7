import { serve, type IncomingRequest, type OutgoingResponse } from "./node.js";
import type { RouteOptions } from "./route.js";
import type { Verified, Webhook } from "./webhook.js";

export type { RouteOptions } from "./route.js";

/**
 * A handler for one route, which reads the body itself:
 * `app.post("/webhooks", webhookHandler(wh, async (verified, req, res) => {…}))`. Mount it before
 * `app.use(express.json())`. What the handler throws goes to `next`.
 */
export function webhookHandler<T, Q extends IncomingRequest, S extends OutgoingResponse>(
  webhook: Webhook<T>,
  handler: (verified: Verified<T>, request: Q, response: S) => unknown,
  options: RouteOptions = {},
): (request: Q, response: S, next: (error?: unknown) => void) => Promise<void> {
  return (request, response, next) =>
    serve(webhook, request, response, options, handler).catch(next);
}
