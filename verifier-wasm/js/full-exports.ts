export * from "./exports.js";
export type { SignOptions } from "./sign.js";
