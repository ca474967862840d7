import { readFileSync } from "node:fs";
import { place } from "./place.js";
import { api, Module } from "./shared.js";

export { memoryDedupe, WebhookError } from "./shared.js";
export type * from "./full-exports.js";

export const { webhook, sign } = api(read());

function read(): Module {
  try {
    return new Module(new WebAssembly.Module(readFileSync(place("full.wasm"))));
  } catch (cause) {
    throw new TypeError(
      "@postrider/verifier: full.wasm cannot be read: leave the package out of the bundle, or copy the file",
      { cause },
    );
  }
}
