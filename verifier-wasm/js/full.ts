import { api } from "./full-api.js";
import { readFull } from "./read-full.js";

export * from "./full-exports.js";

const module = readFull(true);
if (!module) {
  throw new TypeError(
    "@postrider/verifier: full.wasm cannot be read: leave the package out of the bundle, or copy the file",
  );
}

export const { webhook, sign } = api(module);
