// With a name of its own bundlers do not take `new URL(…, import.meta.url)` for a file to be had.
const base = import.meta.url;

/** Where a file of this package is. */
export function place(file: "core.wasm" | "full.wasm"): URL {
  return new URL(`../${file}`, base);
}
