import { core } from "./inline.js";
import { readFull } from "./read-full.js";
import { makeWebhook, type Webhook, type WebhookOptions } from "./webhook.js";

export * from "./exports.js";

/**
 * Makes a verifier, whose keys are prepared once.
 *
 * @throws TypeError if the options cannot be used.
 */
export function webhook<T = any>(options: WebhookOptions<T>): Webhook<T> {
  return makeWebhook({ core, full: readFull }, options);
}
