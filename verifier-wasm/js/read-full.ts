import { builtin } from "./delegate.js";
import { Module } from "./module.js";

interface Files {
  readFileSync(path: URL): Uint8Array<ArrayBuffer>;
}

/** As much of Deno as is used. */
interface Deno {
  permissions: { querySync(wanted: { name: "read"; path: URL }): { state: string } };
}

// With a name of its own bundlers do not take `new URL(…, import.meta.url)` for a file to be had.
const base = import.meta.url;

let full: Module | null | undefined;

/**
 * The full module from the file beside this one, where the runtime can read files. No
 * permission is asked for: a wrong request must not have the server wait for an answer.
 */
export function readFull(): Module | undefined {
  if (full === undefined) {
    try {
      const path = new URL("../full.wasm", base);
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
