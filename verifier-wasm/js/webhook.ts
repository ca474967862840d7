import { parsedHint, rawBytes, type RawBody } from "./body.js";
import { LEASE_SEC, TTL_SEC, type Dedupe, type Seen } from "./dedupe.js";
import { DELEGATED_FROM, HostHmacs } from "./delegate.js";
import { HINTS, PROBLEMS, REFUSALS, WebhookError, type WebhookErrorCode } from "./errors.js";
import { find, type Found, type HeadersLike } from "./headers.js";
import { PART_BYTES, Writer, type Module } from "./module.js";

/** How a webhook is signed. `timestamped` takes `v1=` and `sha256=` alike. */
export type Scheme =
  | "postrider"
  | "standard"
  | "svix"
  | "stripe"
  | "github"
  | "shopify"
  | "slack"
  | "body-hex"
  | "timestamped"
  | "timestamped-v1"
  | "timestamped-sha256";

export const SCHEMES: readonly Scheme[] = [
  "postrider",
  "standard",
  "svix",
  "stripe",
  "github",
  "shopify",
  "slack",
  "body-hex",
  "timestamped",
  "timestamped-v1",
  "timestamped-sha256",
];

/** Names of headers instead of those of the scheme. */
export interface HeaderNames {
  readonly id?: string;
  readonly timestamp?: string;
  readonly signature?: string;
}

/** What the body is made into once it is verified: JSON, itself, or what the function gives. */
export type Parse<T> = "json" | false | ((raw: string | Uint8Array) => T);

export interface WebhookOptions<T = any> {
  readonly scheme: Scheme;
  /**
   * One to 16 secrets; several while one is rotated. `whsec_`, `whpk_` (see `/full`), or any text.
   * The base64 behind `whsec_` is decoded by `standard`, `svix` and `postrider` alone; under every
   * other scheme the key is the text, as in `createHmac("sha256", secret)`.
   */
  readonly secrets: readonly string[];
  /** How far the timestamp may be from now, either way, in seconds. @defaultValue 300 */
  readonly toleranceSec?: number;
  readonly headerNames?: HeaderNames;
  /** @defaultValue "json" */
  readonly parse?: Parse<T>;
  /** Unix time in seconds. @defaultValue the machine's */
  readonly clock?: () => number;
  readonly dedupe?: Dedupe;
}

/** A request that was signed with one of the secrets. */
export interface Verified<T = any> {
  readonly ok: true;
  /** The id of the message, by which repeats are known, if the signature covers one. */
  readonly id: string | undefined;
  /** When it was sent, in Unix seconds, if the signature covers it. */
  readonly timestamp: number | undefined;
  /** Which secret it was, from 0. */
  readonly keyIndex: number;
  readonly payload: T;
  readonly raw: string | Uint8Array;
}

/** A request that is to be refused. */
export interface Refused {
  readonly ok: false;
  readonly code: WebhookErrorCode;
  readonly hint: string;
  /** Of a `DUPLICATE` whose first copy is still being handled: answer 503, it may fail. */
  readonly inProgress?: boolean;
}

export type Result<T = any> = Verified<T> | Refused;

/**
 * Verifies requests: see {@link WebhookOptions}. Nothing that comes over the wire makes it throw
 * anything but `WebhookError`; functions among the options throw what they throw.
 *
 * With `dedupe` the forms that give a payload take the message for done. The safe ones claim it, and
 * `handle` has it done or forgotten.
 */
export interface Webhook<T = any> {
  /** The payload. @throws WebhookError */
  verify(rawBody: RawBody, headers: HeadersLike): T;
  safeVerify(rawBody: RawBody, headers: HeadersLike): Result<T>;
  /** As `verify`, with a `dedupe` that may be asynchronous. */
  verifyAsync(rawBody: RawBody, headers: HeadersLike): Promise<T>;
  safeVerifyAsync(rawBody: RawBody, headers: HeadersLike): Promise<Result<T>>;
  /** Reads the body of a Fetch `Request` and verifies it. */
  verifyRequest(request: Request): Promise<T>;
  safeVerifyRequest(request: Request): Promise<Result<T>>;
  /**
   * Does the work of a verified message. When it has ended `dedupe` keeps the id; if it throws, or
   * `failed` says so of what it gives, the id is forgotten, so that the message is handled when it
   * comes again. Until then copies are refused as in progress.
   */
  handle<A>(
    verified: Verified<T>,
    work: () => A | Promise<A>,
    failed?: (answered: A) => boolean,
  ): Promise<A>;
}

/** Where the WebAssembly comes from, which differs between runtimes. */
export interface Modules {
  core(): Module;
  /** The module with everything, if it can be had here. */
  full(): Module | undefined;
}

const KNOWN = ["scheme", "secrets", "toleranceSec", "headerNames", "parse", "clock", "dedupe"];
const NAMES = ["id", "timestamp", "signature"] as const;
const ED25519 = /^wh[sp]k_/;

/** An ed25519 signature needs the whole body in the module's memory. */
const ED25519_BYTES_MAX = 8 * 1024 * 1024;

/** Bodies up to here are searched for the cause of a refusal, at most so many in a row. */
const EXPLAINED_BYTES_MAX = 65_536;
const EXPLAINED_IN_A_ROW = 10;

/**
 * Releases verifiers that nobody uses any more. (It holds numbers: a function would hold what it
 * watches.) Workers have none before the compatibility date 2025-05-05; there a verifier stays.
 */
const freed = globalThis.FinalizationRegistry
  ? new FinalizationRegistry<{ module: Module; handle: number }>(({ module, handle }) =>
      module.exports.postrider_release(handle),
    )
  : undefined;

/** Options as the WebAssembly reads them: the scheme, the header names, the secrets. */
export function written(
  writer: Writer,
  scheme: string,
  names: HeaderNames,
  secrets: readonly string[],
): Writer {
  writer.text(scheme);
  for (const name of NAMES) writer.text(names[name] ?? "");
  writer.text("").number(secrets.length);
  for (const secret of secrets) writer.text(secret);
  return writer;
}

function refuse(problem: string): never {
  throw new TypeError(`@postrider/verifier: ${problem}`);
}

/** Refuses what no verifier can be made of. The secrets themselves are judged by the WebAssembly. */
function check(options: WebhookOptions): void {
  if (typeof options !== "object" || options === null) refuse("give { scheme, secrets }");
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (unknown) refuse(`there is no option ${unknown}: there are ${KNOWN.join(", ")}`);
  const { scheme, secrets, toleranceSec, headerNames, parse, clock, dedupe } = options;
  if (!SCHEMES.includes(scheme)) {
    refuse(`no scheme is named ${String(scheme)}: use one of ${SCHEMES.join(", ")}`);
  }
  if (!Array.isArray(secrets) || secrets.some((secret) => typeof secret !== "string")) {
    refuse("secrets must be an array of strings");
  }
  if (toleranceSec !== undefined && !(typeof toleranceSec === "number" && toleranceSec >= 0)) {
    refuse("toleranceSec must be a number of seconds from 0 on");
  }
  for (const [name, value] of Object.entries(headerNames ?? {})) {
    if (!(NAMES as readonly string[]).includes(name)) refuse(`headerNames has no ${name}`);
    if (typeof value !== "string" || !value) refuse(`headerNames.${name} must be a header's name`);
  }
  if (parse !== undefined && parse !== "json" && parse !== false && typeof parse !== "function") {
    refuse('parse must be "json", false or a function');
  }
  if (clock !== undefined && typeof clock !== "function") refuse("clock must be a function");
  if (dedupe !== undefined && typeof dedupe?.seen !== "function") {
    refuse("dedupe must have a function seen(id, ttlSec)");
  }
}

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof (value as Promise<unknown> | undefined)?.then === "function";

export function makeWebhook<T>(modules: Modules, options: WebhookOptions<T>): Webhook<T> {
  check(options);
  const { scheme, secrets, headerNames = {}, parse = "json", dedupe } = options;
  const toleranceSec = options.toleranceSec ?? 300;
  const clock = options.clock ?? (() => Date.now() / 1000);
  const needsFull = secrets.some((secret) => ED25519.test(secret));
  const module = (needsFull ? modules.full() : undefined) ?? modules.core();

  /** Makes a verifier in this module, and gives its handle. */
  const prepare = (module: Module, scheme: string): number => {
    const input = written(new Writer().float(toleranceSec), scheme, headerNames, secrets).bytes();
    const handle = module.call("postrider_prepare", input);
    if (handle >= 0) {
      freed?.register(webhook, { module, handle });
      return handle;
    }
    const full = modules.full();
    const length = full?.call("postrider_problem", input) ?? 0;
    refuse(length > 0 && handle !== -28 ? full!.text(length) : (PROBLEMS[-handle] ?? `error ${handle}`));
  };

  /** The handles under `timestamped-v1` and `timestamped-sha256`, or the same one twice. */
  const prepareBoth = (module: Module): readonly [number, number] => {
    if (scheme === "timestamped") {
      return [prepare(module, "timestamped-v1"), prepare(module, "timestamped-sha256")];
    }
    const handle = prepare(module, scheme);
    return [handle, handle];
  };

  const now = (): number => {
    const now = clock();
    if (!Number.isFinite(now)) refuse("clock must give Unix time in seconds");
    return now < 0 ? 0 : now;
  };

  /** Which of the two is to be tried first. */
  const handleOf = (handles: readonly [number, number], found: Found): number =>
    found.first(2)?.includes("sha256=") ? handles[1] : handles[0];

  let hostHmacs: HostHmacs | null | undefined;
  const judgeBy = (handle: number, found: Found, body: string | Uint8Array): number => {
    if (body.length >= DELEGATED_FROM && !needsFull) {
      if (hostHmacs === undefined) hostHmacs = HostHmacs.of(hmacKeys);
      if (hostHmacs) {
        return module.verifyBy(handle, found, body, now(), hostHmacs.count, hostHmacs.make);
      }
      if (body.length > PART_BYTES) return module.verifyInParts(handle, found, body, now());
    }
    return module.verify(handle, found, body, now());
  };
  const judge = (found: Found, body: string | Uint8Array): number => {
    const first = handleOf(handles, found);
    const verdict = judgeBy(first, found, body);
    if (verdict >= 0 || handles[0] === handles[1]) return verdict;
    const other = judgeBy(handles[0] + handles[1] - first, found, body);
    return other >= 0 ? other : verdict;
  };

  const hmacKeys = (): Uint8Array[] =>
    secrets.map((_, key) => module.output(module.exports.postrider_key(handles[0], key)));

  let explained = 0;
  let explainedAt = 0;
  let explainer: { module: Module; handles: readonly [number, number] } | undefined;
  /** The cause, as far as it can be told; nobody shall buy much work with wrong requests. */
  const hint = (code: WebhookErrorCode, body: string | Uint8Array, headers: unknown): string => {
    const seconds = Date.now() / 1000;
    explained = Math.max(0, explained - Math.max(0, seconds - explainedAt));
    explainedAt = seconds;
    if (body.length > EXPLAINED_BYTES_MAX || explained >= EXPLAINED_IN_A_ROW) return HINTS[code];
    explained++;
    try {
      const full = modules.full();
      if (!full) return HINTS[code];
      explainer ??= { module: full, handles: full === module ? handles : prepareBoth(full) };
      const found = find(headers, names, true);
      const [error, cause] = full.explain(handleOf(explainer.handles, found), found, body, now());
      return cause || error || HINTS[code];
    } catch {
      return HINTS[code];
    }
  };

  const refused = (code: WebhookErrorCode, hint: string = HINTS[code]): Refused => ({
    ok: false,
    code,
    hint,
  });

  /** Everything but `dedupe`. */
  const verdict = (rawBody: unknown, headers: unknown): Result<T> => {
    const raw = rawBytes(rawBody);
    if (raw === undefined) return refused("BODY_ALREADY_PARSED", parsedHint());
    if (needsFull && raw.length > ED25519_BYTES_MAX) {
      return refused("NO_MATCH", "a body of over 8 MiB is not verified where a key is an ed25519 one");
    }
    const found = find(headers, names);
    const keyIndex = judge(found, raw);
    if (keyIndex < 0) {
      const code = REFUSALS[-1 - keyIndex];
      if (!code) refuse(`error ${keyIndex}`);
      return refused(code, hint(code, raw, headers));
    }
    const timestamp = names[1] || scheme === "stripe" ? module.timestamp() : undefined;
    let payload: unknown = raw;
    if (parse === "json") {
      try {
        payload = JSON.parse(text(raw));
      } catch {
        return refused("INVALID_JSON");
      }
    } else if (parse) {
      payload = parse(raw);
    }
    return { ok: true, id: found.first(0), timestamp, keyIndex, payload: payload as T, raw };
  };

  const ttlSec = dedupe?.ttlSec ?? TTL_SEC;
  const idOf = (verified: Verified<T>): string => {
    const id = dedupe?.id?.(verified) ?? verified.id;
    if ((typeof id === "string" && id) || typeof id === "number") return String(id);
    return refuse("dedupe.id must give a string or a number");
  };

  /** Claims the message; a store that knows no claims keeps it at once. */
  const seen = (id: string): Seen | Promise<Seen> =>
    dedupe!.seen(id, dedupe!.keep ? (dedupe!.leaseSec ?? LEASE_SEC) : ttlSec);
  const unlessSeen = (verified: Verified<T>, seen: Seen): Result<T> => {
    if (!seen) return verified;
    const refusal = refused("DUPLICATE");
    if (seen !== "busy") return refusal;
    const hint = "a copy of this message is being handled and may fail: answer 503";
    return { ...refusal, hint, inProgress: true };
  };

  const safeVerify = (rawBody: unknown, headers: unknown): Result<T> => {
    const result = verdict(rawBody, headers);
    if (!dedupe || !result.ok) return result;
    const id = idOf(result);
    const known = seen(id);
    if (!isPromise(known)) return unlessSeen(result, known);
    void known.then((known) => known || dedupe.forget?.(id)).catch(() => {});
    return refuse("dedupe.seen is asynchronous: use safeVerifyAsync or safeVerifyRequest");
  };

  const safeVerifyAsync = async (rawBody: unknown, headers: unknown): Promise<Result<T>> => {
    const result = verdict(rawBody, headers);
    return dedupe && result.ok ? unlessSeen(result, await seen(idOf(result))) : result;
  };

  const safeVerifyRequest = async (request: Request): Promise<Result<T>> => {
    if (request.bodyUsed) return refused("BODY_ALREADY_PARSED", parsedHint());
    let raw: ArrayBuffer;
    try {
      raw = await request.arrayBuffer();
    } catch {
      return refused("BODY_UNREADABLE");
    }
    return safeVerifyAsync(raw, request.headers);
  };

  const payloadOf = (result: Result<T>): T => {
    if (result.ok) return result.payload;
    throw new WebhookError(result.code, result.hint, result.inProgress);
  };
  const done = async (result: Result<T>): Promise<T> => {
    if (result.ok) await dedupe?.keep?.(idOf(result), ttlSec);
    return payloadOf(result);
  };

  const handle = async <A>(
    verified: Verified<T>,
    work: () => A | Promise<A>,
    failed?: (answered: A) => boolean,
  ): Promise<A> => {
    if (!dedupe) return work();
    const id = idOf(verified);
    let answered: A;
    try {
      answered = await work();
    } catch (error) {
      // What the store says to that is of less interest: the claim ends by itself.
      await Promise.resolve(dedupe.forget?.(id)).catch(() => {});
      throw error;
    }
    await (failed?.(answered) ? dedupe.forget?.(id) : dedupe.keep?.(id, ttlSec));
    return answered;
  };

  const webhook: Webhook<T> = {
    verify: (rawBody, headers) => {
      const result = safeVerify(rawBody, headers);
      const kept = result.ok ? dedupe?.keep?.(idOf(result), ttlSec) : undefined;
      if (isPromise(kept)) kept.catch(() => {}); // the claim ends by itself
      return payloadOf(result);
    },
    safeVerify,
    verifyAsync: async (rawBody, headers) => done(await safeVerifyAsync(rawBody, headers)),
    safeVerifyAsync,
    verifyRequest: async (request) => done(await safeVerifyRequest(request)),
    safeVerifyRequest,
    handle,
  };

  const handles = prepareBoth(module);
  const names = module.text(module.exports.postrider_names(handles[0])).split("\n");
  if (dedupe && !names[0] && typeof dedupe.id !== "function") {
    refuse(`${scheme} covers no id: give dedupe.id, such as ({ payload }) => payload.id`);
  }
  return webhook;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text that JSON is read from: a byte order mark before it is passed over. */
function text(raw: string | Uint8Array): string {
  const text = typeof raw === "string" ? raw : decoded(raw);
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** Node's own way is faster for short texts. */
function decoded(raw: Uint8Array): string {
  const { Buffer } = globalThis as { Buffer?: { isBuffer(raw: unknown): boolean } };
  return Buffer?.isBuffer(raw) ? raw.toString() : decoder.decode(raw);
}
