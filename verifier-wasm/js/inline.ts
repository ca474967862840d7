import { Module } from "./module.js";

/** The core module in base64: `build.mjs` puts it here. */
declare const CORE_BASE64: string;

let module: Module | undefined;

/** The core module, made when it is first needed. */
export function core(): Module {
  module ??= new Module(new WebAssembly.Module(decode(CORE_BASE64)));
  return module;
}

interface FromBase64 {
  Buffer?: { from(text: string, encoding: "base64"): Uint8Array<ArrayBuffer> };
  Uint8Array: { fromBase64?(text: string): Uint8Array<ArrayBuffer> };
}

/** By the runtime's own code where it has some: the loop takes milliseconds. */
function decode(base64: string): Uint8Array<ArrayBuffer> {
  const { Buffer, Uint8Array: Bytes } = globalThis as unknown as FromBase64;
  if (Buffer) return Buffer.from(base64, "base64");
  if (Bytes.fromBase64) return Bytes.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
