import { builtin } from "./delegate.js";
import { Module } from "./module.js";

interface Files {
  readFileSync(path: URL): Uint8Array<ArrayBuffer>;
}

// With a name of its own bundlers do not take `new URL(…, import.meta.url)` for a file to be had.
const base = import.meta.url;

let full: Module | null | undefined;

/** The full module from the file beside this one, where the runtime can read files. */
export function readFull(): Module | undefined {
  if (full === undefined) {
    try {
      const bytes = builtin<Files>("node:fs")!.readFileSync(new URL("../full.wasm", base));
      full = new Module(new WebAssembly.Module(bytes));
    } catch {
      full = null;
    }
  }
  return full ?? undefined;
}
