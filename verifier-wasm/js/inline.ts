import { Module } from "./module.js";

/** The core module in base64: `build.mjs` puts it here. */
declare const CORE_BASE64: string;

let module: Module | undefined;

/** The core module, made when it is first needed. */
export function core(): Module {
  module ??= new Module(new WebAssembly.Module(decode(CORE_BASE64)));
  return module;
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
