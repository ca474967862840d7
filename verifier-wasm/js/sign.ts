import { rawBytes, type RawBody } from "./body.js";
import { Writer, type Module } from "./module.js";
import { SCHEMES, written, type HeaderNames, type Scheme } from "./webhook.js";

export interface SignOptions {
  readonly scheme: Scheme;
  /** Each of them signs, the newest first: where a header holds one signature, it is the oldest's. */
  readonly secrets: readonly string[];
  readonly body: RawBody;
  /** 1 to 256 visible ASCII characters, none of them a `.` @defaultValue a new one */
  readonly id?: string;
  /** Unix seconds. @defaultValue now */
  readonly timestamp?: number;
  readonly headerNames?: HeaderNames;
}

/** One that was not there before; Node 18 has no `crypto`, nor have pages without https. */
function newId(): string {
  const { crypto } = globalThis as { crypto?: Partial<Crypto> };
  const uuid = crypto?.randomUUID?.().replaceAll("-", "");
  return `msg_${uuid ?? Array.from("1234", () => Math.random().toString(36).slice(2, 10)).join("")}`;
}

export function signWith(module: Module, options: SignOptions): Record<string, string> {
  const { scheme, secrets, headerNames = {} } = options;
  const body = rawBytes(options.body);
  if (!SCHEMES.includes(scheme) || !Array.isArray(secrets) || body === undefined) {
    throw new TypeError("@postrider/verifier: sign needs { scheme, secrets, body }");
  }
  const id = options.id ?? newId();
  const timestamp = options.timestamp ?? Math.floor(Date.now() / 1000);
  const name = scheme === "timestamped" ? "timestamped-v1" : scheme;
  const input = written(new Writer(), name, headerNames, secrets)
    .text(id)
    .text(String(timestamp))
    .raw(typeof body === "string" ? new TextEncoder().encode(body) : body);
  const text = module.text(module.call("postrider_sign", input.bytes()));
  if (text.startsWith("!")) throw new TypeError(`@postrider/verifier: ${text.slice(1)}`);
  const headers: Record<string, string> = {};
  for (const line of text.split("\n").filter(Boolean)) {
    const [name, value] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
    headers[name] = value;
  }
  return headers;
}
