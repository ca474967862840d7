import { readFileSync } from "node:fs";
import { api, Module } from "./shared.js";

export { memoryDedupe, WebhookError } from "./shared.js";
export type * from "./full-exports.js";

// With a name of its own bundlers do not take `new URL(…, import.meta.url)` for a file to be had.
const base = import.meta.url;

export const { webhook, sign } = api(read());

function read(): Module {
  try {
    return new Module(new WebAssembly.Module(readFileSync(new URL("../full.wasm", base))));
  } catch (cause) {
    throw new TypeError(
      "@postrider/verifier: full.wasm cannot be read: leave the package out of the bundle, or copy the file",
      { cause },
    );
  }
}
