export { memoryDedupe } from "./dedupe.js";
export { WebhookError } from "./errors.js";
export type { RawBody } from "./body.js";
export type { Dedupe, DedupeStore, Seen } from "./dedupe.js";
export type { WebhookErrorCode } from "./errors.js";
export type { HeadersLike } from "./headers.js";
export type {
  HeaderNames,
  Parse,
  Refused,
  Result,
  Scheme,
  Verified,
  Webhook,
  WebhookOptions,
} from "./webhook.js";
