import wasm from "../full.wasm";
import { api } from "./full-api.js";
import { Module } from "./module.js";

export * from "./full-exports.js";

export const { webhook, sign } = api(new Module(wasm));
