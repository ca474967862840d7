import { api, Module } from "./shared.js";

export { memoryDedupe, WebhookError } from "./shared.js";
export type * from "./full-exports.js";

// Browsers and bundlers: the file is fetched while the module is loaded.
const file = await fetch(new URL("../full.wasm", import.meta.url));

export const { webhook, sign } = api(
  new Module(await WebAssembly.compile(await file.arrayBuffer())),
);
