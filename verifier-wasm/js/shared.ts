// What the entries have in common that differ only in where their WebAssembly comes from: one file
// of a name that does not change, as workerd is told of every file.
export * from "./full-exports.js";
export { api } from "./full-api.js";
export { Module } from "./module.js";
export { makeWebhook } from "./webhook.js";
