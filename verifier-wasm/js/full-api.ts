import type { Module } from "./module.js";
import { signWith, type SignOptions } from "./sign.js";
import { makeWebhook, type Webhook, type WebhookOptions } from "./webhook.js";

/** What `/full` and `/testing` export, over the full module. */
export function api(module: Module) {
  const modules = { core: () => module, full: () => module };
  return {
    webhook: <T = any>(options: WebhookOptions<T>): Webhook<T> => makeWebhook(modules, options),
    sign: (options: SignOptions): Record<string, string> => signWith(module, options),
  };
}
