/**
 * Why a request is refused. The list is closed; `DUPLICATE` is only given where `dedupe` is set, and
 * `BODY_TOO_LARGE` by the adapters alone.
 */
export type WebhookErrorCode =
  | "MISSING_HEADER"
  | "MALFORMED_HEADER"
  | "MALFORMED_TIMESTAMP"
  | "MALFORMED_SIGNATURE"
  | "TIMESTAMP_TOO_OLD"
  | "TIMESTAMP_TOO_NEW"
  | "NO_MATCH"
  | "BODY_ALREADY_PARSED"
  | "BODY_UNREADABLE"
  | "BODY_TOO_LARGE"
  | "INVALID_JSON"
  | "DUPLICATE";

/** A refused request. Tell the sender no more than `code`; `hint` is for your log. */
export class WebhookError extends Error {
  readonly code: WebhookErrorCode;
  /** The likely cause, and what to do. Holds no secret, no signature and nothing of the body. */
  readonly hint: string;
  /** Of a `DUPLICATE` whose first copy is still being handled: answer 503, it may fail. */
  readonly inProgress: boolean;

  constructor(code: WebhookErrorCode, hint: string, inProgress = false) {
    super(`${code}: ${hint}`);
    this.name = "WebhookError";
    this.code = code;
    this.hint = hint;
    this.inProgress = inProgress;
  }

  /** Those of the other entries of this package are errors of the same kind. */
  static override [Symbol.hasInstance](error: unknown): boolean {
    return error instanceof Error && error.name === "WebhookError" && "code" in error;
  }
}

/** The refusals of `state.rs`: -1 is the first. */
export const REFUSALS: readonly WebhookErrorCode[] = [
  "MISSING_HEADER",
  "MALFORMED_HEADER",
  "MALFORMED_TIMESTAMP",
  "MALFORMED_SIGNATURE",
  "TIMESTAMP_TOO_OLD",
  "TIMESTAMP_TOO_NEW",
  "NO_MATCH",
];

/** What can be said without the full module, which names the header and the cause. */
export const HINTS: Readonly<Record<WebhookErrorCode, string>> = {
  MISSING_HEADER: "a header of this scheme is missing: check the scheme, and proxies",
  MALFORMED_HEADER: "a header of this scheme is repeated, too long or not sound",
  MALFORMED_TIMESTAMP: "the timestamp must be Unix time in whole seconds",
  MALFORMED_SIGNATURE: "no signature of this scheme is in the header: check the scheme",
  TIMESTAMP_TOO_OLD: "an old request sent again, or this machine's clock is wrong",
  TIMESTAMP_TOO_NEW: "this machine's clock is behind, or the time is in milliseconds",
  NO_MATCH:
    "the body was parsed and written again, lost or gained a byte order mark or a line end, or the secret is another one: verify the bytes as they arrived, with the secret of this endpoint",
  BODY_ALREADY_PARSED: "pass the raw body: a string, a Uint8Array, an ArrayBuffer or a DataView",
  BODY_UNREADABLE: "the request broke off within its body",
  BODY_TOO_LARGE: "the body has more than `bodyBytesMax` bytes, 1 MiB if that is left out",
  INVALID_JSON: "the signature is right, but the body is not JSON: set `parse` to false",
  DUPLICATE: "this message was seen before: answer 2xx and do nothing",
};

/** The refusals of options in `state.rs`, where the full module is not there to tell more. */
export const PROBLEMS: Readonly<Record<number, string>> = {
  20: "a secret is empty",
  21: "nothing follows the prefix of a secret",
  22: "no secret is given",
  23: "more than 16 secrets are given",
  24: "what follows the prefix of a secret is not base64",
  25: "an ed25519 key has a wrong length",
  26: "an ed25519 key is not sound",
  27: "the scheme has no ed25519 form",
  28: 'ed25519 keys need `import { webhook } from "@postrider/verifier/full"`',
  29: "a key is not of the kind that is needed",
  30: "a header name is malformed",
  31: "a header name is used twice",
  32: "the scheme has no such header",
};
