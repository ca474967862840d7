declare const __dirname: string;

/** As `place.ts`, for `require`. */
export function place(file: "core.wasm" | "full.wasm"): string {
  return `${__dirname}/../${file}`;
}
