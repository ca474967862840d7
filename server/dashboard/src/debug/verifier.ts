// The only file that loads the verifier and its WebAssembly, which is fetched with it.
import { sign, webhook } from "@postrider/verifier/full";
import { now } from "../time/clock";

export interface Names {
  id?: string;
  timestamp?: string;
  signature?: string;
}

export interface Verdict {
  ok: boolean;
  code: string;
  hint: string;
  keyIndex: number | null;
}

export interface Check {
  scheme: string;
  secrets: string[];
  headers: [string, string][];
  body: Uint8Array;
  tolerance: number;
  /** The time of the check, in Unix seconds; `null` for now. */
  at: number | null;
  names?: Names;
}

/** What the verifier says of a request. */
export function check({ scheme, secrets, headers, body, tolerance, at, names }: Check): Verdict {
  const wh = webhook({
    scheme: scheme as never,
    secrets,
    toleranceSec: tolerance,
    parse: false,
    clock: () => at ?? now() / 1_000,
    ...(names ? { headerNames: names } : {}),
  });
  const result = wh.safeVerify(body, headers);
  if (result.ok) return { ok: true, code: "OK", hint: "The signature is right.", keyIndex: result.keyIndex };
  return { ok: false, code: result.code, hint: result.hint, keyIndex: null };
}

/** The headers of a right request. */
export function headersFor(scheme: string, secret: string, body: Uint8Array, id: string, names?: Names): Record<string, string> {
  const timestamp = Math.floor(now() / 1_000);
  return sign({ scheme: scheme as never, secrets: [secret], body, id, timestamp, ...(names ? { headerNames: names } : {}) });
}

interface Entry {
  id_header?: string | null;
  timestamp_header?: string | null;
  signature_header?: string | null;
}

/** As `headersFor`, with the names of headers that an endpoint has chosen. */
export async function signed(scheme: string, secret: string, body: Uint8Array, id: string, entry: Entry | null): Promise<Record<string, string>> {
  const names: Names = {};
  if (entry?.id_header) names.id = entry.id_header;
  if (entry?.timestamp_header) names.timestamp = entry.timestamp_header;
  if (entry?.signature_header) names.signature = entry.signature_header;
  return Promise.resolve(headersFor(scheme, secret, body, id, Object.keys(names).length > 0 ? names : undefined));
}
