import { builtin } from "./delegate.js";
import { Module } from "./module.js";
import { place } from "./place.js";

interface Files {
  readFileSync(path: URL | string): Uint8Array<ArrayBuffer>;
}

/** As much of Deno as is used. */
interface Deno {
  permissions: { querySync(wanted: { name: "read"; path: URL | string }): { state: string } };
}

let full: Module | null | undefined;

/**
 * The full module from the file beside this one, where the runtime can read files. No
 * permission is asked for: a wrong request must not have the server wait for an answer.
 */
export function readFull(): Module | undefined {
  if (full === undefined) {
    try {
      const path = place("full.wasm");
      const { permissions } = (globalThis as { Deno?: Deno }).Deno ?? {};
      if (permissions && permissions.querySync({ name: "read", path }).state !== "granted") {
        return undefined;
      }
      const bytes = builtin<Files>("node:fs")!.readFileSync(path);
      full = new Module(new WebAssembly.Module(bytes));
    } catch {
      full = null;
    }
  }
  return full ?? undefined;
}
