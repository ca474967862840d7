import { builtin } from "./delegate.js";
import { Module } from "./module.js";

interface Files {
  readFileSync(path: URL): Uint8Array<ArrayBuffer>;
}

let full: Module | null | undefined;

/** The full module from the file beside this one, where the runtime can read files. */
export function readFull(): Module | undefined {
  if (full === undefined) {
    try {
      const bytes = builtin<Files>("node:fs")!.readFileSync(new URL(place(), import.meta.url));
      full = new Module(new WebAssembly.Module(bytes));
    } catch {
      full = null;
    }
  }
  return full ?? undefined;
}

/** In a function, so that bundlers do not take the file along for nothing. */
function place(): string {
  return "../full.wasm";
}
