import { serve, type IncomingRequest, type OutgoingResponse } from "./node.js";
import { telling } from "./refused.js";
import type { RouteOptions } from "./route.js";
import type { Verified, Webhook } from "./webhook.js";

export type { RouteOptions } from "./route.js";

const PARSED =
  "Express: a parser has read the body: mount this route before app.use(express.json()), or have it keep the bytes: express.json({ verify: (req, res, raw) => { req.rawBody = raw } })";

/**
 * A handler for one route, which reads the body itself:
 * `app.post("/webhooks", webhookHandler(wh, async (verified, req, res) => {…}))`. Mount it before
 * `app.use(express.json())`. What the handler throws goes to `next`.
 */
export function webhookHandler<T, Q extends IncomingRequest = any, S extends OutgoingResponse = any>(
  webhook: Webhook<T>,
  handler: (verified: Verified<T>, request: Q, response: S) => unknown,
  options: RouteOptions = {},
): (request: Q, response: S, next: (error?: unknown) => void) => Promise<void> {
  const told = telling(options, PARSED);
  return (request, response, next) => serve(webhook, request, response, told, handler).catch(next);
}
