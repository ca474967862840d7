import { readFileSync } from "node:fs";
import { Module } from "./module.js";
import { place } from "./place.js";

let module: Module | undefined;

/** The core module from the file beside this one: what `require` gets, in place of `inline.ts`. */
export function core(): Module {
  module ??= new Module(new WebAssembly.Module(readFileSync(place("core.wasm"))));
  return module;
}
