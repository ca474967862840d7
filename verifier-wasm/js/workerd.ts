import wasm from "../core.wasm";
import { Module } from "./module.js";
import { makeWebhook, type Webhook, type WebhookOptions } from "./webhook.js";

export * from "./exports.js";

let module: Module | undefined;
const modules = { core: () => (module ??= new Module(wasm)), full: () => undefined };

export function webhook<T = any>(options: WebhookOptions<T>): Webhook<T> {
  return makeWebhook(modules, options);
}
