import wasm from "../core.wasm";
import { makeWebhook, Module } from "./shared.js";
import type { Webhook, WebhookOptions } from "./webhook.js";

export { memoryDedupe, WebhookError } from "./shared.js";

let module: Module | undefined;
const modules = { core: () => (module ??= new Module(wasm)), full: () => undefined };

export function webhook<T = any>(options: WebhookOptions<T>): Webhook<T> {
  return makeWebhook(modules, options);
}
