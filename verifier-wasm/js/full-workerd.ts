import wasm from "../full.wasm";
import { api, Module } from "./shared.js";

export { memoryDedupe, WebhookError } from "./shared.js";
export type * from "./full-exports.js";

export const { webhook, sign } = api(new Module(wasm));
