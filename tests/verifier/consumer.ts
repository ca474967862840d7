// A program that uses the package's types. It is compiled, never run.

import {
  memoryDedupe,
  webhook,
  WebhookError,
  type Dedupe,
  type HeadersLike,
  type RawBody,
  type Result,
  type Scheme,
  type Verified,
  type WebhookErrorCode,
  type WebhookOptions,
} from "@postrider/verifier";
import { webhookHandler as expressHandler } from "@postrider/verifier/express";
import { webhookPlugin } from "@postrider/verifier/fastify";
import { sign as signFull, webhook as fullWebhook, type SignOptions } from "@postrider/verifier/full";
import { webhookHandler as honoHandler } from "@postrider/verifier/hono";
import { webhookRoute } from "@postrider/verifier/next";
import { webhookListener } from "@postrider/verifier/node";
import { sequences, type Arrival } from "@postrider/verifier/sequences";
import { sign } from "@postrider/verifier/testing";

interface Event {
  readonly type: string;
}

const secrets: readonly string[] = ["a secret"];
const options: WebhookOptions<Event> = {
  scheme: "standard",
  secrets,
  toleranceSec: 60,
  headerNames: { id: "x-id" },
  parse: (raw) => ({ type: String(raw) }),
  clock: () => 0,
  dedupe: { ...memoryDedupe({ idsMax: 1 }), ttlSec: 60, id: ({ payload }) => payload.id },
};
const wh = webhook<Event>(options);

export function types(raw: RawBody, headers: HeadersLike, request: Request): string {
  const signed: Record<string, string> = sign({ scheme: "stripe", secrets, body: raw });
  try {
    return wh.verify(raw, signed).type;
  } catch (error) {
    if (error instanceof WebhookError) {
      const code: WebhookErrorCode = error.code;
      return code;
    }
  }
  const result: Result<Event> = wh.safeVerify(new Uint8Array(), request.headers);
  if (result.ok) return `${result.keyIndex.toFixed()}${result.id?.length}${result.payload.type}`;
  return result.hint;
}

export const arrival = (result: Result<Event>): Arrival | undefined => (result.ok ? sequences("").see(result) : undefined);

export const routes = [
  webhookRoute(wh, ({ payload }) => Response.json(payload.type)),
  webhookRoute(wh, async () => {}, { bodyBytesMax: 1, onRefused: ({ code }) => code }),
  webhookPlugin(wh, "/webhooks", ({ payload }, _, reply) => reply.send(payload.type)),
];
export const listener = webhookListener(wh, ({ timestamp }, _, response) => response.end(timestamp?.toFixed()));
export const handlers = { expressHandler, honoHandler, fullWebhook, signFull };
export const store: Dedupe = { seen: async (id, ttlSec) => id.length > ttlSec, forget: (id) => id };
export const signing: SignOptions = { scheme: "postrider", secrets: ["a"], body: "b", timestamp: 1 };
export const anything: Verified["payload"] = webhook({ scheme: "github", secrets }).verify("", new Map([["a", "b"]])).any.thing;

// @ts-expect-error: there is no such scheme
export const scheme: Scheme = "standard-webhooks";
// @ts-expect-error: a parsed body cannot be verified
wh.verify({ type: "parsed" }, {});
// @ts-expect-error: the secrets are needed
webhook({ scheme: "github" });
// @ts-expect-error: there is no such option
webhook({ scheme: "github", secrets, tolerance: 1 });
